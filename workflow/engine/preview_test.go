package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/workflow"
)

// A preview says what the plan says, and leaves nothing behind: the next batch is #1, and no row of it
// is held.
func TestPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const csv = "action,old_email\ndeactivate,p1@old.example\ndeactivate,nobody@old.example\nactivate,p2@old.example\n"
		o, _ := people(2)
		d := newDesk(t, o, nil)
		req := workflow.Request{Requester: hana.Person, Original: []byte(csv), Sheet: sheetOf(t, csv)}
		preview, err := d.engine.Preview(t.Context(), hana, req)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := d.store.List(t.Context(), 0); err != nil || len(list) > 0 {
			t.Errorf("a preview left %v, %v", list, err)
		}
		b := d.ask(csv)
		if b.Number != 1 || preview.Demand.Approvals != b.Approvals {
			t.Errorf("batch %d needs %d, the preview said %d", b.Number, b.Approvals, preview.Demand.Approvals)
		}
		changes, err := d.store.Changes(t.Context(), 1, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		// The rows that a store keeps of a request are read apart.
		unnumbered := cmpopts.IgnoreFields(workflow.Change{}, "Batch", "Asked")
		if diff := cmp.Diff(changes, preview.Changes, unnumbered, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("plan and preview (-plan +preview):\n%s", diff)
		}
		summary, err := d.store.Summary(t.Context(), 1)
		if diff := cmp.Diff(summary, preview.Summary, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("counts (-plan +preview), %v:\n%s", err, diff)
		}
		if len(o.Happened()) > 0 {
			t.Errorf("a preview did %v", o.Happened())
		}
		if _, err := d.engine.Preview(context.Background(), workflow.Actor{Person: hana.Person}, req); !errors.Is(err, workflow.ErrNoRole) {
			t.Errorf("somebody without a role previews: %v", err)
		}
	})
}
