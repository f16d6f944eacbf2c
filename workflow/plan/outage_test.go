package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// slowToFail is a directory whose every read fails after so long.
type slowToFail struct {
	twoViews
	after time.Duration
}

func (s *slowToFail) wait() error {
	time.Sleep(s.after)
	return workflow.ErrUnavailable
}

func (s *slowToFail) ByAddress(context.Context, []string) (map[string][]workflow.Account, error) {
	return nil, s.wait()
}

func (s *slowToFail) ByID(context.Context, []string) (map[string]workflow.Account, error) {
	return nil, s.wait()
}

func (s *slowToFail) Read(context.Context, ...workflow.Fact) (workflow.Answers, error) {
	return nil, s.wait()
}

func (s *slowToFail) Domains(context.Context) ([]workflow.DomainClaim, error) { return nil, s.wait() }

// A check ends soon after its budget however long a reader tries by itself, and in however many pieces
// it asks: rows by address, by id, and with another address.
func TestTheBudgetHoldsForSlowReads(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 25 * time.Second, 65 * time.Second, 3 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var rows []workflow.Row
			for i := range 6000 {
				values := workflow.Of(workflow.ColumnEmail, fmt.Sprintf("p%d@old.example", i))
				if i%2 == 0 {
					values = workflow.Of(workflow.ColumnAccountID, fmt.Sprint(i))
				}
				rows = append(rows, workflow.Row{
					Line: i + 2, Action: workflow.Rename, Values: values.With(workflow.ColumnNewEmail, fmt.Sprintf("n%d@new.example", i)),
				})
			}
			began := time.Now()
			c := Checker{Reader: &slowToFail{after: after}, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil), Workers: 4}
			p, err := c.Check(t.Context(), rows)
			if err != nil {
				t.Fatal(err)
			}
			if took, most := time.Since(began), 2*checkBudget+2*after; took > most {
				t.Errorf("with reads of %s the check took %s, more than %s", after, took, most)
			}
			for _, c := range p.Changes {
				if c.Reason.Code != workflow.ReasonCouldNotCheck {
					t.Fatalf("row %d: %s", c.Row, c.Reason.Words())
				}
			}
		})
	}
}

// A directory that answers again is found by a probe.
func TestAProbeFindsTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p outageBudget
		fail := func() error { return workflow.ErrUnavailable }
		if err := p.ask(t.Context(), fail); !errors.Is(err, workflow.ErrUnavailable) {
			t.Fatal(err)
		}
		asked := 0
		count := func() error {
			asked++
			return nil
		}
		if err := p.ask(t.Context(), count); err == nil || asked != 0 {
			t.Errorf("right behind the budget it was asked %d times: %v", asked, err)
		}
		time.Sleep(probeEvery)
		if err := p.ask(t.Context(), count); err != nil || asked != 1 {
			t.Errorf("a while later it was asked %d times: %v", asked, err)
		}
	})
}

// oneSilent answers every fact after so long, but those about one account: their reads fail after more
// than the budget.
type oneSilent struct {
	twoViews
	silent string
	after  time.Duration
}

func (s *oneSilent) Read(_ context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	if facts[0].AccountID == s.silent {
		time.Sleep(checkBudget + time.Second)
		return nil, workflow.ErrUnavailable
	}
	time.Sleep(s.after)
	answers := workflow.Answers{}
	for _, fact := range facts {
		answers[fact] = []workflow.Values{workflow.PrivilegeValues("", workflow.Privilege{Allowed: true})}
	}
	return answers, nil
}

// A row that alone is not answered costs no other row, however long its reads take to fail, and keeps its
// worker from the others for a while only.
func TestOneSilentRowCostsNoOther(t *testing.T) {
	const count, workers = 5000, 32
	for _, after := range []time.Duration{time.Second / 2, 6 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &oneSilent{twoViews: twoViews{searched: map[string]workflow.Account{}}, silent: "17", after: after}
			var rows []workflow.Row
			for i := range count {
				id := fmt.Sprint(i)
				s.searched[id] = workflow.Account{
					ID: id, Name: "Ann", Email: "p" + id + "@old.example", Type: "atlassian", Status: workflow.StatusActive, Managed: true, RolesKnown: true,
				}
				rows = append(rows, workflow.Row{Line: i + 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, id)})
			}
			began := time.Now()
			c := Checker{Reader: s, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil), Workers: workers}
			p, err := c.Check(t.Context(), rows)
			if err != nil {
				t.Fatal(err)
			}
			lost := 0
			for _, c := range p.Changes {
				switch {
				case c.Reason.Code == workflow.ReasonCouldNotCheck:
					lost++
				case c.State != workflow.ChangeReady:
					t.Fatalf("row %d: %s", c.Row, c.Reason.Words())
				}
			}
			if lost != 1 || p.Changes[17].Reason.Code != workflow.ReasonCouldNotCheck {
				t.Errorf("with answers after %s %d rows could not be checked, want that of account %s", after, lost, s.silent)
			}
			most := max(count*after/workers+time.Minute, loneBudget+3*checkBudget)
			if took := time.Since(began); took > most {
				t.Errorf("with answers after %s the check took %s, more than %s", after, took, most)
			}
		})
	}
}
