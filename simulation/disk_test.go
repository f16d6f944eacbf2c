package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// calmScenario is a scenario in which nothing goes wrong by itself, with a batch of that many rows that has been approved.
func calmScenario(t *testing.T, rows int) *scenario {
	s := newScenario(t, 1, sabotage{})
	s.rough, s.rules = 0, &simRules{approvals: 1}
	s.rules.put(s.cfg)
	s.actors.ruled(s.rules)
	s.cfg.Approval.FinishWithin = 24 * time.Hour
	s.cfg.Run.Workers, s.cfg.Run.Canary = 4, 1
	s.org.SetLimit(organisation.RateLimit{PerMinute: 60, Headers: true, Seconds: true})
	var file strings.Builder
	file.WriteString("account_id,old_email,new_email\n")
	for i := range rows {
		a := organisation.Account{
			ID: fmt.Sprintf("712020:many-%03d", i), Name: "Somebody", Email: fmt.Sprintf("m%d@old.example", i), Managed: true,
		}
		if err := s.org.Put(a); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&file, "%s,%s,m%d@new.example\n", a.ID, a.Email, i)
	}
	s.boot(-1)
	s.pass(5 * time.Second)
	m, err := s.slack.Say(t.Context(), simHana, simRequests, "", "", workspace.Upload{Name: "ask.csv", Content: []byte(file.String())})
	if err != nil {
		t.Fatal(err)
	}
	s.files[m.TS] = simFile{who: simHana, rows: rows}
	approve := func() int {
		return slices.IndexFunc(buttonsOf(s.cards()[1]), func(b simButton) bool { return b.action == "approve" })
	}
	s.until("a card to approve", func() bool { return approve() >= 0 })
	card := s.cards()[1]
	s.press(card, buttonsOf(card)[approve()], simBeth)
	s.until("a run that is under way", func() bool { return len(s.org.Effects()) >= 10 })
	return s
}

// until lets time go by until something is so.
func (s *scenario) until(what string, so func() bool) {
	s.t.Helper()
	for range 3600 {
		if so() {
			return
		}
		s.pass(time.Second)
	}
	s.t.Fatalf("never seen: %s\n%s\n%s", what, s.told(), s.log)
}

// progress is what the thread of the first batch says of its run.
func (s *scenario) progress() string {
	byKey, _, _ := s.posts()
	if all := byKey["batch/1/progress"]; len(all) > 0 {
		return all[0].Text
	}
	return ""
}

// A run stops when what it does cannot be written down: no call goes out but those whose intents are on disk already. The
// log says why, and so does the thread. When the database can be written again the run goes on by itself, and nothing is
// lost or done twice.
func TestDiskTrouble(t *testing.T) {
	for _, each := range []struct {
		name  string
		says  string
		begin func(s *scenario) (end func() error, err error)
	}{
		{"full", "the disk is full", func(s *scenario) (func() error, error) {
			return func() error { return quota(s.cfg.Store.Path, allPages) }, quota(s.cfg.Store.Path, noMorePages)
		}},
		{"locked", "another program holds the database", func(s *scenario) (func() error, error) {
			return hold(s.cfg.Store.Path)
		}},
	} {
		for _, restart := range []bool{false, true} {
			// The test bounds the pages on the service's own connection while nobody writes, of which the race detector, which
			// runs with -short, knows nothing.
			if testing.Short() && (restart || each.name == "full") {
				continue
			}
			t.Run(fmt.Sprintf("%s/restart=%v", each.name, restart), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := calmScenario(t, 60)
					synctest.Wait() // nobody is writing
					end, err := each.begin(s)
					if err != nil {
						t.Fatal(err)
					}
					if each.name == "full" { // what still fits is written
						s.until("a disk that is full", func() bool { return strings.Contains(s.log.String(), each.says) })
					}
					before := len(s.org.Effects())
					s.pass(time.Minute)
					if n := len(s.org.Effects()) - before; n > s.cfg.Run.Workers {
						t.Errorf("%d changes were made that could not be written down", n)
					}
					if !strings.Contains(s.log.String(), each.says) {
						t.Errorf("the log does not say that %s:\n%s", each.says, s.log)
					}
					if !strings.Contains(s.progress(), each.says) {
						t.Errorf("the thread does not say that %s: %q", each.says, s.progress())
					}
					if err := s.slack.Command(t.Context(), simHana, simRequests, "batch 1"); err != nil {
						t.Errorf("a command is not answered meanwhile: %v", err)
					}
					if restart {
						s.halt("asked to")
					}
					if !restart || each.name != "full" { // a restart finds a larger disk
						synctest.Wait()
						if err := end(); err != nil {
							t.Fatal(err)
						}
					}
					if restart {
						s.boot(-1)
					}
					s.settle()
					s.await()
					s.halt("asked to")
					s.compare()
					if b, err := s.db().Batch(context.Background(), 1); err != nil || b.State != workflow.Done {
						t.Errorf("the batch is %+v, %v", b, err)
					}
					if n := len(s.org.Effects()); n != 60 {
						t.Errorf("%d changes were made, want 60", n)
					}
					s.close()
					s.report(t)
				})
			})
		}
	}
}
