package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// hiding are accounts of which Atlassian does not tell all: a customer's, one that is deleted, one
// without an address, one whose roles are not told, an app's, and one that user management does not
// let us read.
func hiding() *workflowtest.Organisation {
	o := workflowtest.NewOrganisation(
		workflow.Account{ID: "acc-customer", Type: workflow.TypeCustomer, Email: "c@old.example", Managed: true},
		workflow.Account{ID: "acc-closed", Status: workflow.StatusClosed, Email: "x@old.example", Managed: true, RolesKnown: true},
		workflow.Account{ID: "acc-nomail", Managed: true, RolesKnown: true},
		workflow.Account{ID: "acc-noroles", Email: "r@old.example", Managed: true},
		workflow.Account{ID: "acc-app", Type: workflow.TypeApp, Email: "a@old.example", Managed: true},
		workflow.Account{ID: "acc-refused", Managed: true, RolesKnown: true},
	)
	o.SetDeny(func(id string) error {
		if id == "acc-refused" {
			return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "403", "notAllowed")}
		}
		return nil
	})
	return o
}

// What can never be checked says so for good, and what to do: checking again would find the same.
func TestLastingCausesAreFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, hiding(), nil)
		for _, tt := range []struct {
			name, file string
			want       []string
		}{
			{
				"rename", "account_id,new_email\nacc-customer,1@new.example\nacc-closed,2@new.example\nacc-nomail,3@new.example\n" +
					"acc-noroles,4@new.example\nacc-app,5@new.example\nacc-refused,6@new.example\n",
				[]string{
					"2 blocked account_type", "3 blocked closed", "4 blocked address_hidden", "5 blocked roles_hidden",
					"6 blocked account_type", "7 blocked refused",
				},
			},
			{
				"deactivate", "action,account_id\ndeactivate,acc-customer\ndeactivate,acc-closed\ndeactivate,acc-nomail\n" +
					"deactivate,acc-noroles\ndeactivate,acc-app\ndeactivate,acc-refused\n",
				[]string{"2 ready", "3 blocked closed", "4 ready", "5 blocked roles_hidden", "6 blocked account_type", "7 blocked refused"},
			},
			{
				"an address that cannot be compared", "action,account_id,email\ndeactivate,acc-nomail,n@old.example\n",
				[]string{"2 blocked address_hidden"},
			},
		} {
			b := d.ask(tt.file)
			if diff := cmp.Diff(tt.want, d.rows(b.Number)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", tt.name, diff)
			}
			changes, err := d.store.Changes(t.Context(), b.Number, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				if words := c.Reason.Words(); strings.Contains(words, "check again") || strings.Contains(words, "could not be checked") {
					t.Errorf("%s, row %d: %s", tt.name, c.Row, words)
				}
			}
			if s, err := d.store.Summary(t.Context(), b.Number); err != nil || workflow.Unchecked(s) > 0 {
				t.Errorf("%s: it offers to check again %d rows, %v", tt.name, workflow.Unchecked(s), err)
			}
		}
	})
}

// A leaver is locked out by account id whatever else of the account is hidden, and let in again.
func TestLeaversAreLockedOutByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := hiding()
		d := newDesk(t, o, nil)
		b := d.ask("action,account_id\ndeactivate,acc-customer\ndeactivate,acc-nomail\n")
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		if diff := cmp.Diff([]string{"2 done", "3 done"}, d.rows(b.Number)); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		undo, err := d.engine.Undo(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		d.approve(d.reach(undo.Number, workflow.AwaitingApproval))
		d.reach(undo.Number, workflow.Done)
		for _, id := range []string{"acc-customer", "acc-nomail"} {
			if status := o.Current(id).Status; status != workflow.StatusActive {
				t.Errorf("%s is %s after the way back", id, status)
			}
		}
	})
}
