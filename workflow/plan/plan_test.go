package plan_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// row is a rename unless told otherwise.
func row(line int, email, newEmail string) workflow.Row {
	return workflow.Row{
		Line: line, Action: workflow.Rename,
		Values: workflow.Of(workflow.ColumnEmail, email).With(workflow.ColumnNewEmail, newEmail),
	}
}

func checkRows(t *testing.T, o *workflowtest.Organisation, c plan.Checker, rows ...workflow.Row) *plan.Plan {
	t.Helper()
	c.Reader, c.Workers = o, 4
	if c.Guard == nil {
		c.Guard = policy.Policy{}.Guard(workflow.Asker{}, nil)
	}
	plan, err := c.Check(t.Context(), rows)
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	return plan
}

// findings puts a plan into lines: row, state, code.
func findings(p *plan.Plan) []string {
	out := make([]string, len(p.Changes))
	for i, c := range p.Changes {
		out[i] = fmt.Sprintf("%d %s %s", c.Row, c.State, c.Reason.Code)
	}
	return out
}

func TestCheckFindsWhatSpeaksAgainstARow(t *testing.T) {
	o := workflowtest.NewOrganisation(
		workflowtest.Managed("1", "ann@old.example"),
		workflowtest.Managed("2", "bo@old.example"),
		workflowtest.Managed("3", "cy@old.example"),
		workflowtest.Managed("4", "Done@New.example"),
		workflowtest.Managed("5", "locked@old.example"),
		workflowtest.Managed("6", "holder@new.example"),
		workflow.Account{ID: "7", Email: "private@old.example"},
		workflow.Account{ID: "8", Email: "robot@old.example", Type: "app", Managed: true},
		workflow.Account{ID: "9", Email: "gone@old.example", Status: workflow.StatusClosed, Managed: true},
		workflowtest.Managed("10", "boss@old.example"),
		workflowtest.Managed("11", "twin@old.example"),
		workflowtest.Managed("12", "twin@old.example"),
		workflowtest.Managed("13", "held@old.example"),
		workflowtest.Managed("14", "dora@old.example"),
	)
	o.Locks["5 email.set"] = "externalDirectory.scim"
	c := plan.Checker{
		Guard: policy.Policy{Protect: []string{"BOSS@old.example", "14"}}.Guard(workflow.Asker{}, nil),
		Held: func(context.Context, []string) (map[string]workflow.Hold, error) {
			return map[string]workflow.Hold{"email:13": {Batch: 7, Row: 2}}, nil
		},
	}
	withID := func(r workflow.Row, id string) workflow.Row { r.Set(workflow.ColumnAccountID, id); return r }
	tests := []struct {
		row  workflow.Row
		want string
	}{
		{row(2, "ann@old.example", "ann@new.example"), "ready "},
		{row(3, "nobody@old.example", "nobody@new.example"), "blocked no_account"},
		{row(4, "bo@old.example", "bo@unverified.example"), "blocked unverified"},
		{row(5, "done@new.example", "Done@New.example"), "unchanged already"},
		{row(6, "locked@old.example", "locked@new.example"), "blocked not_allowed"},
		{row(7, "cy@old.example", "holder@new.example"), "blocked taken"},
		{row(8, "private@old.example", "private@new.example"), "blocked not_managed"},
		{row(9, "robot@old.example", "robot@new.example"), "blocked account_type"},
		{row(10, "gone@old.example", "gone@new.example"), "blocked closed"},
		{row(11, "boss@old.example", "boss@new.example"), "blocked protected"},
		{row(12, "twin@old.example", "t@new.example"), "blocked ambiguous"},
		{row(13, "held@old.example", "held@new.example"), "blocked held"},
		{row(14, "dora@old.example", "dora@new.example"), "blocked protected"},
		{workflow.Row{Line: 15, Problem: "the line ends inside quotes"}, "bad unreadable"},
		{workflow.Row{
			Line: 16, Action: "of-later-on",
			Values: workflow.Of(workflow.ColumnEmail, "ann@old.example"),
		}, "bad not_supported"},
		{withID(row(17, "", "zed@new.example"), "99"), "blocked no_account"},
		{withID(row(18, "ann@old.example", "x@new.example"), "6"), "blocked mismatch"},
		{withID(row(19, "was@old.example", "holder@new.example"), "6"), "unchanged already"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.row.Line), func(t *testing.T) {
			got := findings(checkRows(t, o, c, tt.row))
			if diff := cmp.Diff([]string{fmt.Sprintf("%d %s", tt.row.Line, tt.want)}, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// Many rows that give nothing but an id are looked up together; those that this does not find are
// read one by one.
func TestCheckLooksUpManyIDsTogether(t *testing.T) {
	const n = 300
	accounts := make([]workflow.Account, n)
	rows := make([]workflow.Row, n+1)
	for i := range accounts {
		accounts[i] = workflowtest.Managed(fmt.Sprint(i), fmt.Sprintf("p%d@old.example", i))
		rows[i] = row(i+2, "", fmt.Sprintf("p%d@new.example", i))
		rows[i].Set(workflow.ColumnAccountID, accounts[i].ID)
	}
	rows[n] = row(n+2, "", "nobody@new.example")
	rows[n].Set(workflow.ColumnAccountID, "nobody")
	accounts[7].Managed = false
	o := workflowtest.NewOrganisation(accounts...)
	plan := checkRows(t, o, plan.Checker{}, rows...)
	for i, c := range plan.Changes {
		if state := c.State; i != 7 && i != n && (state != workflow.ChangeReady || c.OldEmail() != accounts[i].Email) {
			t.Errorf("row %d is %s %s, from %q", c.Row, c.State, c.Reason.Code, c.OldEmail())
		}
	}
	for _, i := range []int{7, n} {
		if c := plan.Changes[i]; c.State != workflow.ChangeBlocked || c.Reason.Code != workflow.ReasonNoAccount {
			t.Errorf("row %d is %s %s, want that there is no such account", c.Row, c.State, c.Reason.Code)
		}
	}
	// Addresses, ids, domains, the two accounts that were not found, and what may be done to each
	// of the others, which this organisation answers after reading the account.
	if want := 1 + 1 + 1 + 2 + (n - 1); o.Reads != want {
		t.Errorf("%d reads, want %d", o.Reads, want)
	}
}

func TestCheckHoldsRowsAgainstEachOther(t *testing.T) {
	o := workflowtest.NewOrganisation(
		workflowtest.Managed("1", "a@old.example"), workflowtest.Managed("2", "b@old.example"), workflowtest.Managed("3", "c@old.example"),
		workflowtest.Managed("4", "d@old.example"), workflowtest.Managed("5", "e@old.example"),
	)
	o.Locks["5 email.set"] = "externalDirectory.scim"
	tests := []struct {
		name  string
		rows  []workflow.Row
		want  []string
		order []int // rows in running order
	}{
		{
			name:  "one account twice",
			rows:  []workflow.Row{row(2, "a@old.example", "a@new.example"), row(3, "A@old.example", "A@new.example")},
			want:  []string{"2 blocked duplicate", "3 blocked duplicate"},
			order: nil,
		},
		{
			name: "two rows want one address",
			rows: []workflow.Row{row(2, "a@old.example", "x@new.example"), row(3, "b@old.example", "X@new.example")},
			want: []string{"2 blocked same_target", "3 blocked same_target"},
		},
		{
			name: "two actions on one account",
			rows: []workflow.Row{
				row(2, "a@old.example", "a@new.example"),
				{Line: 3, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnEmail, "a@old.example")},
			},
			want:  []string{"2 ready ", "3 ready "},
			order: []int{2, 3},
		},
		{
			name: "two actions that change the same thing",
			rows: []workflow.Row{
				{Line: 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnEmail, "a@old.example")},
				{Line: 3, Action: workflow.Activate, Values: workflow.Of(workflow.ColumnEmail, "a@old.example")},
			},
			want: []string{"2 blocked conflict", "3 blocked conflict"},
		},
		{
			name: "a chain runs from its free end",
			rows: []workflow.Row{
				row(2, "a@old.example", "b@old.example"), row(3, "b@old.example", "c@old.example"),
				row(4, "c@old.example", "c@new.example"),
			},
			want:  []string{"2 ready ", "3 ready ", "4 ready "},
			order: []int{4, 3, 2},
		},
		{
			name: "a circle goes by way of a parking address",
			rows: []workflow.Row{
				row(2, "a@old.example", "b@old.example"), row(3, "b@old.example", "a@old.example"),
				row(4, "c@old.example", "c@new.example"),
			},
			want:  []string{"2 ready ", "3 ready ", "4 ready "},
			order: []int{2, 3, 2, 4},
		},
		{
			name: "a circle of which one row is blocked",
			rows: []workflow.Row{
				row(2, "d@old.example", "e@old.example"), row(3, "e@old.example", "a@old.example"), row(4, "a@old.example", "d@old.example"),
			},
			want: []string{"2 blocked waits_blocked", "3 blocked not_allowed", "4 blocked waits_blocked"},
		},
		{
			name: "what waits for a blocked row is blocked with it",
			rows: []workflow.Row{
				row(2, "a@old.example", "d@old.example"), row(3, "d@old.example", "e@old.example"),
				row(4, "e@old.example", "e@new.example"),
			},
			want: []string{"2 blocked waits_blocked", "3 blocked waits_blocked", "4 blocked not_allowed"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := checkRows(t, o, plan.Checker{}, tt.rows...)
			if diff := cmp.Diff(tt.want, findings(plan)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			var order []int
			for _, s := range plan.Steps() {
				order = append(order, s.Row)
			}
			if diff := cmp.Diff(tt.order, order); diff != "" {
				t.Errorf("running order (-want +got):\n%s", diff)
			}
		})
	}
}

// What must lock somebody out is not held up by a batch that is not acting on that row now, and
// holds nothing itself.
func TestALeaverIsLockedOutAtOnce(t *testing.T) {
	o := workflowtest.NewOrganisation(workflowtest.Managed("1", "a@old.example"))
	for _, acting := range []bool{false, true} {
		c := plan.Checker{Held: func(context.Context, []string) (map[string]workflow.Hold, error) {
			return map[string]workflow.Hold{"status:1": {Batch: 7, Row: 2, Acting: acting}}, nil
		}}
		plan := checkRows(t, o, c, workflow.Row{
			Line: 1, Action: workflow.Deactivate,
			Values: workflow.Of(workflow.ColumnEmail, "a@old.example"),
		})
		want := "1 ready "
		if acting {
			want = "1 blocked held"
		}
		if got := findings(plan)[0]; got != want || len(plan.Hold()) != 0 {
			t.Errorf("acting %v: got %q holding %q, want %q holding nothing", acting, got, plan.Hold(), want)
		}
	}
}

// A row that could not be checked is never ready, however many rows there are and however long each
// read takes to fail, and the check ends within its budget. Progress only ever grows.
func TestACheckThatGetsNoAnswerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := workflowtest.NewOrganisation()
		var rows []workflow.Row
		for i := range 5000 {
			id := fmt.Sprint(i)
			o.Accounts[id] = workflowtest.Managed(id, fmt.Sprintf("p%d@old.example", i))
			rows = append(rows, workflow.Row{
				Line: i + 2, Action: workflow.Deactivate,
				Values: workflow.Of(workflow.ColumnAccountID, id),
			})
		}
		o.Deny = func(id string) error {
			if id == "" {
				return nil
			}
			time.Sleep(10 * time.Second) // as long as a reader tries by itself
			return workflow.ErrUnavailable
		}
		shown := 0
		c := plan.Checker{Progress: func(_ context.Context, checked int) error {
			if checked < shown {
				t.Errorf("progress went back from %d to %d", shown, checked)
			}
			shown = checked
			return nil
		}}
		began := time.Now()
		plan := checkRows(t, o, c, rows...)
		if took := time.Since(began); took > 4*time.Minute {
			t.Errorf("the check took %s", took)
		}
		if n := plan.Ready(); n != 0 {
			t.Errorf("%d rows are ready that nobody could check", n)
		}
		for _, c := range plan.Changes {
			if c.Reason.Code != workflow.ReasonCouldNotCheck {
				t.Fatalf("row %d: %s, want could_not_check", c.Row, c.Reason.Code)
			}
		}
	})
}

// Progress that cannot be written is no finding about a row: there is no plan then.
func TestACheckWhoseProgressFails(t *testing.T) {
	o := workflowtest.NewOrganisation(workflowtest.Managed("1", "a@old.example"))
	full := errors.New("the disk is full")
	c := plan.Checker{
		Reader: o, Workers: 1, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil),
		Progress: func(context.Context, int) error { return full },
	}
	if plan, err := c.Check(t.Context(), []workflow.Row{row(2, "a@old.example", "a@new.example")}); !errors.Is(err, full) {
		t.Errorf("got plan %+v and %v, want no plan and %v", plan, err, full)
	}
}

// The context ends at every moment of a check, and whoever was called then answers all the same: the
// check ends with the context's error, in no time, or had come to its end.
func TestACheckEndsWithItsContext(t *testing.T) {
	for moment := 1; moment <= 200; moment++ {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var moments atomic.Int64
			pass := func() {
				if moments.Add(1) == int64(moment) {
					cancel()
				}
				time.Sleep(3 * time.Second) // progress is told at intervals
			}
			o := workflowtest.NewOrganisation(workflowtest.Managed("1", "a@old.example"), workflowtest.Managed("2", "b@old.example"))
			o.Deny = func(string) error { pass(); return nil }
			c := plan.Checker{
				Reader: o, Workers: 1, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil),
				Progress: func(context.Context, int) error { pass(); return nil },
				Held: func(context.Context, []string) (map[string]workflow.Hold, error) {
					pass()
					return nil, nil
				},
			}
			rows := []workflow.Row{
				row(2, "a@old.example", "a@new.example"),
				{Line: 3, Action: workflow.Offboard, Values: workflow.Of(workflow.ColumnAccountID, "2")},
			}
			_, err := c.Check(ctx, rows)
			whole = moments.Load() < int64(moment)
			if err != nil && !errors.Is(err, context.Canceled) || whole && err != nil {
				t.Errorf("the context ended at moment %d of %d: %v", moment, moments.Load(), err)
			}
		})
		if whole {
			return
		}
	}
	t.Error("200 moments do not reach the end of the check")
}

// Where any account of the organisation would do, a row that finds none does not ask for a managed one.
func TestNoAccountOfTheKindThatIsNeeded(t *testing.T) {
	t.Parallel()
	named := workflow.Of(workflow.ColumnEmail, "nobody@old.example")
	checked := checkRows(t, workflowtest.NewOrganisation(), plan.Checker{},
		workflow.Row{Line: 2, Action: workflow.Deactivate, Values: named},
		workflow.Row{Line: 3, Action: workflow.Suspend, Values: named},
		workflow.Row{Line: 4, Action: workflow.GroupAdd, Values: workflow.Of(workflow.ColumnAccountID, "712020:9").With(workflow.ColumnGroup, "staff")},
	)
	for i, want := range []string{
		"no managed account nobody@old.example; check the spelling, or whether the account belongs to this organisation",
		"no account nobody@old.example in this organisation; check the spelling",
		"no account 712020:9 in this organisation; check the spelling",
	} {
		if got := checked.Changes[i].Reason.Words(); got != want {
			t.Errorf("line %d: %s, want %s", i+2, got, want)
		}
	}
}
