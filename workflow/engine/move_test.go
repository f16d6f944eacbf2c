package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// list is what is looked up of an organisation: so many accounts on one domain, listed ten a page, one
// page a second.
type list struct {
	workflow.Lookups
	accounts []workflow.Account
	failing  int   // so many times, after a page
	err      error // with that
	begun    int
	extra    int // that the list announces and does not give
}

func (l *list) Managed(
	ctx context.Context, progress func(listed, announced int) error,
) ([]workflow.Account, int, error) {
	l.begun++
	announced := len(l.accounts) + l.extra
	for n := 10; n-10 < len(l.accounts); n += 10 {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
		if err := progress(min(n, len(l.accounts)), announced); err != nil {
			return nil, 0, err
		}
		if l.failing > 0 {
			l.failing--
			return nil, 0, l.err
		}
	}
	return l.accounts, announced, nil
}

// domainDesk is a desk over an organisation with so many accounts on a domain.
func domainDesk(t *testing.T, n int, change func(*list)) (*desk, *list) {
	l := &list{}
	for i := range n {
		l.accounts = append(l.accounts, workflowtest.Managed(fmt.Sprintf("id:%04d", i), fmt.Sprintf("p%d@old.example", i)))
	}
	if change != nil {
		change(l)
	}
	return newDesk(t, workflowtest.NewOrganisation(l.accounts...), func(c *engine.Config) {
		c.Lookups = l
		c.Limits.MaxRows = 100
	}), l
}

func (d *desk) move(move workflow.DomainMove) int64 {
	d.t.Helper()
	b, err := d.engine.SubmitMove(context.Background(), hana, workflow.Request{
		Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceCommand, Move: &move}, Original: []byte("migrate-domain"),
	})
	if err != nil {
		d.t.Fatalf("SubmitMove: %v", err)
	}
	return b.Number
}

var oldToNew = workflow.DomainMove{Old: "old.example", New: "new.example"}

// A crash in the middle of the list, and a fault of the network, begin it anew; nobody is lost.
func TestListOfADomainBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, l := domainDesk(t, 50, func(l *list) { l.failing, l.err = 1, workflow.ErrUnavailable })
		number := d.move(oldToNew)
		time.Sleep(8500 * time.Millisecond)
		b, err := d.store.Batch(context.Background(), number)
		if err != nil || !b.Reading() || b.Checked == 0 || l.begun != 2 {
			t.Errorf("%+v, %v, begun %d times; want it to count again after a fault", b, err, l.begun)
		}
		d.restart()
		if b := d.reach(number, workflow.AwaitingApproval, workflow.Empty); b.Rows != 50 || l.begun != 3 {
			t.Errorf("%d rows, begun %d times", b.Rows, l.begun)
		}
		d.restart()
		if rows, err := d.store.Rows(context.Background(), number); err != nil || len(rows) != 50 || l.begun != 3 {
			t.Errorf("%d rows, begun %d times, %v", len(rows), l.begun, err)
		}
		if a, err := d.store.Audit(context.Background()); err != nil || !a.Whole() {
			t.Errorf("audit: %v, %v", a.Findings, err)
		}
	})
}

// What cannot be planned ends at once, with the reason: more accounts than are taken, none, a key that
// is refused.
func TestDomainThatCannotBePlanned(t *testing.T) {
	for want, test := range map[string]struct {
		accounts int
		move     workflow.DomainMove
		change   func(*list)
	}{
		"101 rows are more than the limit of 100; ask for a part of them": {101, oldToNew, nil},
		"no managed account has an address on empty.example":              {3, workflow.DomainMove{Old: "empty.example", New: "new.example"}, nil},
		"no managed account has an address on old.example, but for those": {
			1, workflow.DomainMove{Old: "old.example", New: "new.example", Except: []workflow.Excepted{{Line: 2, Email: "P0@old.example"}}}, nil,
		},
		"the Atlassian key was refused": {3, oldToNew, func(l *list) { l.failing, l.err = 1, workflow.ErrKeyRefused }},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, _ := domainDesk(t, test.accounts, test.change)
				how := workflow.Cancelled
				if strings.HasPrefix(want, "no ") { // nobody is there to be moved
					how = workflow.Empty
				}
				b := d.reach(d.move(test.move), how)
				if b.Ending == nil || !strings.Contains(b.Ending.Reason, want) || b.Rows != 0 {
					t.Errorf("%+v with %d rows, want %q", b.Ending, b.Rows, want)
				}
			})
		})
	}
}

// A list that gives another number than it announces is planned, and says so in a row of its own.
func TestDomainOfAListThatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := domainDesk(t, 3, func(l *list) { l.extra = 2 })
		number := d.move(oldToNew)
		if b := d.reach(number, workflow.AwaitingApproval, workflow.Empty); b.Rows != 4 {
			t.Fatalf("%d rows", b.Rows)
		}
		last, err := d.store.Change(context.Background(), number, 4)
		if err != nil || last.State != workflow.ChangeBad || !strings.Contains(last.Reason.Words(), "announces 5 and gave 3") {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// Whoever may not ask moves no domain, and a domain that is not verified is none to move to.
func TestDomainThatMayNotBeMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := domainDesk(t, 1, nil)
		req := workflow.Request{Requester: gus.Person, Source: workflow.Source{Move: &oldToNew}}
		if _, err := d.engine.SubmitMove(context.Background(), gus, req); !errors.Is(err, workflow.ErrNoRole) {
			t.Errorf("without a role: %v", err)
		}
		req = workflow.Request{Requester: hana.Person, Source: workflow.Source{Move: &workflow.DomainMove{Old: "old.example", New: "unclaimed.example"}}}
		refusal := (*workflow.Refusal)(nil)
		if _, err := d.engine.SubmitMove(context.Background(), hana, req); !errors.As(err, &refusal) || refusal.Reason.Code != workflow.ReasonUnverified {
			t.Errorf("a domain that is not verified: %v", err)
		}
		if list, err := d.store.List(context.Background(), 0); len(list) != 0 || err != nil {
			t.Errorf("%d batches, %v", len(list), err)
		}
	})
}
