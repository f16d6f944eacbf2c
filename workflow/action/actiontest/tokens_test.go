package actiontest

import (
	"fmt"
	"net/http"
	"path"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

const withTokens = "712020:0003"

func revoke() workflow.Row {
	return workflow.Row{Action: workflow.RevokeTokens, Values: workflow.Of(workflow.ColumnAccountID, withTokens)}
}

// deleted lets the test look at each deletion of a token when it arrives.
func (e *env) deleted(look func(token string) *organisation.Fault) {
	e.org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
		if r.Method != http.MethodDelete {
			return nil
		}
		return look(path.Base(r.URL.Path))
	}})
}

func (e *env) addToken(id string) {
	if err := e.org.Edit(withTokens, func(a *organisation.Account) { a.Tokens = append(a.Tokens, organisation.Token{ID: id}) }); err != nil {
		e.t.Error(err)
	}
}

func (e *env) tokens() int {
	a, _ := e.org.Account(withTokens)
	return len(a.Tokens)
}

// The id of each token is on disk before the call that deletes it.
func TestTokensAreWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		seen := 0
		e.deleted(func(token string) *organisation.Fault {
			if seen++; !e.store.wrote(workflow.EventCalling, `"id":"`+token+`"`) {
				t.Errorf("%s is deleted without an intent on disk", token)
			}
			return nil
		})
		e.allDone(e.run(e.check(revoke())))
		if seen != 2 {
			t.Errorf("%d tokens were deleted, want 2", seen)
		}
	})
}

// A token that is made while others are deleted is found by the next round; where they keep coming
// the row fails after the third, and says how many are left.
func TestTokensThatComeMeanwhile(t *testing.T) {
	for most, left := range map[int]int{1: 0, 100: 1} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			made := 0
			e.deleted(func(string) *organisation.Fault {
				if made < most {
					made++
					e.addToken(fmt.Sprintf("token-new-%d", made))
				}
				return nil
			})
			plan := e.check(revoke())
			if effects := plan.Changes[0].Effects; len(effects) != 2 || effects[0] != "tokens_lost:2" {
				t.Errorf("effects %v, want two tokens", effects)
			}
			c := e.run(plan)[0]
			if left == 0 {
				if c.State != workflow.ChangeDone || e.tokens() != 0 {
					t.Errorf("%d tokens are left, the row is %s (%s)", e.tokens(), c.State, c.Reason.Words())
				}
				return
			}
			if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNotProved || e.tokens() == 0 {
				t.Errorf("%d tokens are left, the row is %s (%s)", e.tokens(), c.State, c.Reason.Words())
			}
		})
	}
}

// A token that somebody else deletes meanwhile is no failure, and an answer that gets lost between
// two of them is settled.
func TestTokensThatGoMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.deleted(func(string) *organisation.Fault {
			_ = e.org.Edit(withTokens, func(a *organisation.Account) { a.Tokens = nil })
			return nil
		})
		e.allDone(e.run(e.check(revoke())))
	})
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			n := 0
			second := func(r *http.Request) *organisation.Fault {
				if r.Method != http.MethodDelete {
					return nil
				}
				if n++; n != 2 {
					return nil
				}
				drop := organisation.Drop()
				return &drop
			}
			faults := organisation.Faults{Before: second}
			if after {
				faults = organisation.Faults{After: second}
			}
			e.org.SetFaults(faults)
			e.allDone(e.run(e.check(revoke())))
			if got := len(e.org.Effects()); got != 2 {
				t.Errorf("%d tokens were deleted, want 2", got)
			}
		})
	}
}

// Who may not delete tokens, or not even see them, is blocked with the reason.
func TestTokensNotOurs(t *testing.T) {
	for _, privilege := range []string{"apiToken.read", "apiToken.delete"} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			if err := e.org.Edit(withTokens, func(a *organisation.Account) {
				a.Locks = map[string]string{privilege: "managedAccount"}
			}); err != nil {
				t.Fatal(err)
			}
			if c := e.check(revoke()).Changes[0]; c.State != workflow.ChangeBlocked || c.Reason.Code != workflow.ReasonNotAllowed {
				t.Errorf("without %s the row is %s (%s)", privilege, c.State, c.Reason.Words())
			}
		})
	}
}
