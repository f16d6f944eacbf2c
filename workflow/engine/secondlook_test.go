package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// found is what somebody did to account acc-1 before it is looked at again.
type found string

const (
	asPlanned found = "as planned"
	alreadySo found = "already done"
	moved     found = "moved elsewhere"
	blocked   found = "blocked"
	gone      found = "gone"
	unread    found = "not to be read"
)

// make brings that about.
func (f found) make(o *workflowtest.Organisation) {
	o.SetFault(nil)
	o.SetDeny(nil)
	o.Mu.Lock()
	o.Latency = 0
	o.Mu.Unlock()
	switch f {
	case alreadySo:
		o.Set("acc-1", func(a *workflow.Account) { a.Email = "p1@new.example" })
	case moved:
		o.Set("acc-1", func(a *workflow.Account) { a.Email = "elsewhere@new.example" })
	case blocked:
		o.Mu.Lock()
		o.Locks["acc-1 email.set"] = "externalDirectory.scim"
		o.Mu.Unlock()
	case gone:
		o.Mu.Lock()
		delete(o.Accounts, "acc-1")
		o.Mu.Unlock()
	case unread:
		o.SetDeny(func(string) error { return workflow.ErrUnavailable })
	}
}

// ends is how the row and its batch end, and a piece of what the row says.
type ends struct{ row, batch, says string }

// look is one way to look at a row again: how the row gets there, and how the look is begun.
type look struct {
	name   string
	before func(d *desk) *workflow.Batch
	again  func(d *desk, b *workflow.Batch) int64 // the batch to look at
	ends   map[found]ends
}

const byID = "account_id,old_email,new_email\nacc-1,p1@old.example,p1@new.example\n"

// refusedOnce is a batch whose row failed because Atlassian refused the call.
func refusedOnce(d *desk) *workflow.Batch {
	d.org.SetFault(func(string) workflowtest.Fault { return workflowtest.Fault{Before: refusal()} })
	b := d.ask("old_email,new_email\np1@old.example,p1@new.example\n")
	d.approve(b)
	return d.reach(b.Number, workflow.Done)
}

// driftedOnce is a batch whose row failed without a call.
func driftedOnce(d *desk) *workflow.Batch {
	b := d.ask("old_email,new_email\np1@old.example,p1@new.example\n")
	d.org.Set("acc-1", func(a *workflow.Account) { a.Status = workflow.StatusInactive })
	d.approve(b)
	b = d.reach(b.Number, workflow.Done)
	d.org.Set("acc-1", func(a *workflow.Account) { a.Status = workflow.StatusActive })
	return b
}

// notYetSent is a batch that paused before the call for its row.
func notYetSent(d *desk) *workflow.Batch {
	b := d.ask(byID)
	unread.make(d.org)
	d.approve(b)
	return d.reach(b.Number, workflow.Paused)
}

// unknownCall is a batch that paused because it is not known what became of the call for its row,
// which had no effect.
func unknownCall(d *desk) *workflow.Batch {
	b := d.ask(byID)
	d.org.SetFault(func(string) workflowtest.Fault {
		d.org.Deny = func(string) error { return workflow.ErrUnavailable } // the caller holds the lock
		return workflowtest.Fault{Before: workflow.ErrUnknownOutcome}
	})
	d.approve(b)
	return d.reach(b.Number, workflow.Paused)
}

// cutOff is a batch whose program ended during the call for its row, which had no effect.
func cutOff(d *desk) *workflow.Batch {
	b := d.ask(byID)
	d.org.SetFault(func(string) workflowtest.Fault { return workflowtest.Fault{Before: workflow.ErrUnknownOutcome} })
	d.org.Mu.Lock()
	d.org.Latency = 20 * time.Second
	d.org.Mu.Unlock()
	d.approve(b)
	time.Sleep(25 * time.Second)
	d.end()
	return b
}

// unchecked is a batch whose row could not be checked.
func unchecked(d *desk) *workflow.Batch {
	unread.make(d.org)
	b := d.ask(byID)
	d.org.SetDeny(nil)
	return b
}

func press(act func(*engine.Engine) func(context.Context, int64, workflow.Actor) (*workflow.Batch, error)) func(*desk, *workflow.Batch) int64 {
	return func(d *desk, b *workflow.Batch) int64 {
		d.t.Helper()
		d.do(act(d.engine), b.Number, alice)
		return b.Number
	}
}

func looks() []look {
	retry := press(func(e *engine.Engine) func(context.Context, int64, workflow.Actor) (*workflow.Batch, error) {
		return e.Retry
	})
	resume := press(func(e *engine.Engine) func(context.Context, int64, workflow.Actor) (*workflow.Batch, error) {
		return e.Resume
	})
	read := map[found]ends{ // of a call that is read back
		asPlanned: {"2 done", "done", ""},
		alreadySo: {"2 done", "done", ""},
		moved:     {"2 failed overtaken", "done", "look at it in Atlassian admin"},
		blocked:   {"2 done", "done", ""}, // the privilege is the check's
		gone:      {"2 failed vanished", "done", "was not found after the call"},
		unread:    {"2 unknown unknown", "paused", "the account is read again"},
	}
	return []look{
		{"Retry after a call", refusedOnce, retry, map[found]ends{
			asPlanned: {"2 done", "done", ""},
			alreadySo: {"2 done seen_late", "done", "after a call of this batch"},
			moved:     {"2 failed drifted", "done", "the address was p1@old.example in the plan and is elsewhere@new.example now"},
			blocked:   {"2 failed not_allowed", "done", "synced from your identity provider"},
			gone:      {"2 failed vanished", "done", "was not found after the call"},
			unread:    {"2 failed not_looked_at", "done", "Atlassian did not answer); press Retry failed later; it failed before: "},
		}},
		{"Retry without a call", driftedOnce, retry, map[found]ends{
			asPlanned: {"2 done", "done", ""},
			alreadySo: {"2 unchanged already", "done", "already done"},
			moved:     {"2 failed drifted", "done", "elsewhere@new.example now"},
			blocked:   {"2 failed not_allowed", "done", "synced from your identity provider"},
			gone:      {"2 failed gone", "done", "no longer there"},
			unread:    {"2 failed not_looked_at", "done", "it failed before: the status was active in the plan"},
		}},
		{"Resume", notYetSent, resume, map[found]ends{
			asPlanned: {"2 done", "done", ""},
			alreadySo: {"2 unchanged already", "done", "already done"},
			moved:     {"2 failed drifted", "done", "elsewhere@new.example now"},
			blocked:   {"2 done", "done", ""}, // the privilege is the check's; the call itself is what Atlassian refuses
			gone:      {"2 failed gone", "done", "no longer there"},
			unread:    {"2 ready", "paused", ""},
		}},
		{"Resume with an unknown row", unknownCall, func(d *desk, b *workflow.Batch) int64 {
			if d.batch(b.Number).State == workflow.Paused {
				d.do(d.engine.Resume, b.Number, alice)
			}
			return b.Number
		}, read},
		{"a new start", cutOff, func(d *desk, b *workflow.Batch) int64 { d.start(); return b.Number }, read},
		{"Check again", unchecked, func(d *desk, b *workflow.Batch) int64 {
			next, err := d.engine.Recheck(d.t.Context(), b.Number, alice)
			if err != nil {
				d.t.Fatal(err)
			}
			return next.Number
		}, map[found]ends{
			asPlanned: {"2 ready", "awaiting_approval", ""},
			alreadySo: {"2 unchanged already", "empty", "already done"},
			moved:     {"2 blocked mismatch", "empty", "correct one of the two"},
			blocked:   {"2 blocked not_allowed", "empty", "synced from your identity provider"},
			gone:      {"2 blocked no_account", "empty", "no managed account acc-1"},
			unread:    {"2 blocked could_not_check", "empty", "check again"},
		}},
	}
}

// Whatever a second look finds has its transition and its words, and the batch comes to an end or
// to a stop that people see.
func TestEverySecondLook(t *testing.T) {
	for _, look := range looks() {
		for _, f := range []found{asPlanned, alreadySo, moved, blocked, gone, unread} {
			t.Run(look.name+"/"+string(f), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o, _ := people(1)
					d := newDesk(t, o, tolerant)
					b := look.before(d)
					f.make(o)
					number := look.again(d, b)
					time.Sleep(30 * time.Minute)
					b = d.reach(number, workflow.Done, workflow.Paused, workflow.Empty, workflow.AwaitingApproval)
					c, err := d.store.Change(t.Context(), number, 2)
					if err != nil {
						t.Fatal(err)
					}
					want := look.ends[f]
					got := ends{d.rows(number)[0], string(b.State), want.says}
					if words := c.Reason.Words(); !strings.Contains(words, want.says) {
						got.says = words
					}
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(ends{})); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				})
			})
		}
	}
}

// What Retry finds to be done is ours and can be undone; what it could not look at can be retried
// once more.
func TestAfterASecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(1)
		d := newDesk(t, o, tolerant)
		b := refusedOnce(d)
		unread.make(o)
		for range 2 {
			d.do(d.engine.Retry, b.Number, alice)
			d.reach(b.Number, workflow.Done)
		}
		c, err := d.store.Change(t.Context(), b.Number, 2)
		if err != nil || strings.Count(c.Reason.Words(), "press Retry failed later") != 1 {
			t.Errorf("after two looks that read nothing: %q, %v", c.Reason.Words(), err)
		}
		alreadySo.make(o)
		d.do(d.engine.Retry, b.Number, alice)
		d.reach(b.Number, workflow.Done)
		undo, err := d.engine.Undo(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		d.approve(d.reach(undo.Number, workflow.AwaitingApproval))
		d.reach(undo.Number, workflow.Done)
		if got := o.Current("acc-1").Email; got != "p1@old.example" {
			t.Errorf("undone, the account shows %s", got)
		}
	})
}

// A row that was skipped because another one failed is looked at like that one: it runs once its
// predecessor is seen to be done, and stays what it is while that is blocked.
func TestSecondLookAtAChain(t *testing.T) {
	for f, want := range map[found][]string{
		asPlanned: {"2 done", "3 done"},
		alreadySo: {"2 done seen_late", "3 done"},
		blocked:   {"2 failed not_allowed", "3 skipped predecessor"},
		unread:    {"2 failed not_looked_at", "3 skipped not_looked_at"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o, _ := people(2)
			d := newDesk(t, o, tolerant)
			o.SetFault(func(string) workflowtest.Fault { return workflowtest.Fault{Before: refusal()} })
			b := d.ask("old_email,new_email\np1@old.example,p1@new.example\np2@old.example,p1@old.example\n")
			d.approve(b)
			d.reach(b.Number, workflow.Done)
			f.make(o)
			d.do(d.engine.Retry, b.Number, alice)
			d.reach(b.Number, workflow.Done)
			if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", f, diff)
			}
			asPlanned.make(o)
			o.Mu.Lock()
			o.Locks = map[string]string{}
			o.Mu.Unlock()
			if f == blocked || f == unread {
				d.do(d.engine.Retry, b.Number, alice)
				d.reach(b.Number, workflow.Done)
			}
			if diff := cmp.Diff([]string{"p1@new.example", "p1"}, addressesOf(o, 2)); diff != "" {
				t.Errorf("%s: in the end the second account shows %s (-want +got)\n%s", f, o.Current("acc-2").Email, diff)
			}
		})
	}
}

// What this very batch did before the database was restored is told so, whichever way it is looked
// at again.
func TestDoneBeforeTheRestore(t *testing.T) {
	for _, back := range []time.Duration{-time.Hour, time.Hour} { // of the moment at which the batch was asked for
		want := map[bool]string{false: "2 unchanged already", true: "2 unchanged before_restore"}[back > 0]
		for name, before := range map[string]func(*desk) int64{
			"approved": func(d *desk) int64 { return d.ask(byID).Number },
			"failed":   func(d *desk) int64 { return driftedOnce(d).Number },
			"planning": func(d *desk) int64 {
				unread.make(d.org)
				b, err := d.engine.Submit(d.t.Context(), hana, workflow.Request{
					Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "ask.csv"},
					Original: []byte(byID), Sheet: sheetOf(d.t, byID),
				})
				if err != nil {
					d.t.Fatal(err)
				}
				time.Sleep(time.Second)
				return b.Number
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				at := time.Now().Add(back)
				o, _ := people(1)
				d := newDesk(t, o, func(c *engine.Config) {
					c.Run = run.Limits{Workers: 2}
					c.WentBack = func(context.Context) (time.Time, error) { return at, nil }
				})
				number := before(d)
				d.end()
				alreadySo.make(o)
				d.start()
				switch b := d.reach(number, workflow.AwaitingApproval, workflow.Done, workflow.Empty); b.State {
				case workflow.AwaitingApproval:
					d.approve(b)
				case workflow.Done:
					d.do(d.engine.Retry, number, alice)
				}
				d.reach(number, workflow.Done, workflow.Empty)
				if diff := cmp.Diff([]string{want}, d.rows(number)); diff != "" {
					t.Errorf("%s, back %s (-want +got)\n%s", name, back, diff)
				}
			})
		}
	}
}

// A Resume gives a change that nobody could read all its time anew, also where a reading is under way at that moment: its
// answer says nothing yet, and is no reason to pause once more.
func TestAResumeDuringAReading(t *testing.T) {
	for after := time.Duration(0); after < 70*time.Second; after += 4 * time.Second {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := people(1)
				d := newDesk(t, o, tolerant)
				b := unknownCall(d)
				o.Mu.Lock()
				o.Latency = 5 * time.Second
				o.Mu.Unlock()
				time.Sleep(after)
				asPlanned.make(o)
				o.Mu.Lock()
				o.Latency = 5 * time.Second
				o.Mu.Unlock()
				d.do(d.engine.Resume, b.Number, alice)
				if b := d.reach(b.Number, workflow.Done, workflow.Paused); b.State != workflow.Done {
					t.Errorf("it paused once more: %+v", b.Stop)
				}
			})
		})
	}
}
