package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// calmLife is a life in which nothing goes wrong by itself, with a batch of that many rows that has been approved.
func calmLife(t *testing.T, rows int) *life {
	l := newLife(t, 1, sabotage{})
	l.rough, l.rules = 0, &simRules{approvals: 1}
	l.rules.put(l.cfg)
	l.cast.ruled(l.rules)
	l.cfg.Approval.FinishWithin = 24 * time.Hour
	l.cfg.Run.Workers, l.cfg.Run.Canary = 4, 1
	l.org.SetLimit(organisation.RateLimit{PerMinute: 60, Headers: true, Seconds: true})
	var file strings.Builder
	file.WriteString("account_id,old_email,new_email\n")
	for i := range rows {
		a := organisation.Account{
			ID: fmt.Sprintf("712020:many-%03d", i), Name: "Somebody", Email: fmt.Sprintf("m%d@old.example", i), Managed: true,
		}
		if err := l.org.Put(a); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&file, "%s,%s,m%d@new.example\n", a.ID, a.Email, i)
	}
	l.boot(-1)
	l.pass(5 * time.Second)
	m, err := l.slack.Say(t.Context(), simHana, simRequests, "", "", workspace.Upload{Name: "ask.csv", Content: []byte(file.String())})
	if err != nil {
		t.Fatal(err)
	}
	l.files[m.TS] = simFile{who: simHana, rows: rows}
	l.until("a card to approve", func() bool { return len(buttonsOf(l.cards()[1])) == 3 })
	card := l.cards()[1]
	l.press(card, buttonsOf(card)[0], simBeth)
	l.until("a run that is under way", func() bool { return len(l.org.Effects()) >= 10 })
	return l
}

// until lets time go by until something is so.
func (l *life) until(what string, so func() bool) {
	l.t.Helper()
	for range 3600 {
		if so() {
			return
		}
		l.pass(time.Second)
	}
	l.t.Fatalf("never seen: %s\n%s\n%s", what, l.told(), l.log)
}

// progress is what the thread of the first batch says of its run.
func (l *life) progress() string {
	byKey, _ := l.posts()
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
		begin func(l *life) (end func() error, err error)
	}{
		{"full", "the disk is full", func(l *life) (func() error, error) {
			return func() error { return quota(l.cfg.Store.Path, allPages) }, quota(l.cfg.Store.Path, noMorePages)
		}},
		{"locked", "another program holds the database", func(l *life) (func() error, error) {
			return hold(l.cfg.Store.Path)
		}},
	} {
		for _, restart := range []bool{false, true} {
			if restart && testing.Short() {
				continue
			}
			t.Run(fmt.Sprintf("%s/restart=%v", each.name, restart), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					l := calmLife(t, 60)
					synctest.Wait() // nobody is writing
					end, err := each.begin(l)
					if err != nil {
						t.Fatal(err)
					}
					if each.name == "full" { // what still fits is written
						l.until("a disk that is full", func() bool { return strings.Contains(l.log.String(), each.says) })
					}
					before := len(l.org.Effects())
					l.pass(time.Minute)
					if n := len(l.org.Effects()) - before; n > l.cfg.Run.Workers {
						t.Errorf("%d changes were made that could not be written down", n)
					}
					if !strings.Contains(l.log.String(), each.says) {
						t.Errorf("the log does not say that %s:\n%s", each.says, l.log)
					}
					if !strings.Contains(l.progress(), each.says) {
						t.Errorf("the thread does not say that %s: %q", each.says, l.progress())
					}
					if err := l.slack.Command(t.Context(), simHana, simRequests, "batch 1"); err != nil {
						t.Errorf("a command is not answered meanwhile: %v", err)
					}
					if restart {
						l.halt("asked to")
					}
					if !restart || each.name != "full" { // a restart finds a larger disk
						synctest.Wait()
						if err := end(); err != nil {
							t.Fatal(err)
						}
					}
					if restart {
						l.boot(-1)
					}
					l.settle()
					l.await()
					l.halt("asked to")
					l.compare()
					if b, err := l.db().Batch(context.Background(), 1); err != nil || b.State != workflow.Done {
						t.Errorf("the batch is %+v, %v", b, err)
					}
					if n := len(l.org.Effects()); n != 60 {
						t.Errorf("%d changes were made, want 60", n)
					}
					l.close()
					l.report(t)
				})
			})
		}
	}
}
