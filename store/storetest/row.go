package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// Rows are kept as they were asked for, before and after they are planned, and count as nothing
// until then.
func testRows(t *testing.T, on suite) {
	db := on.open(t)
	changes, _ := Renames(3)
	changes[1].Asked = workflow.Row{Line: 2, Problem: "it is no address; put one there", Cells: []string{"", "<&>", "ü\n"}}
	b := Create(t, db, changes...)
	want := Asked(changes)
	for _, when := range []string{"asked", "planned"} {
		got, err := db.Rows(t.Context(), b.Number)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
		list, err := db.Changes(t.Context(), b.Number, 0, 0)
		summary, countErr := db.Summary(t.Context(), b.Number)
		if n := len(list); n != summary.State() || (when == "asked") != (n == 0) || errors.Join(err, countErr) != nil {
			t.Errorf("%s: %d rows are listed, %d counted, %v", when, n, summary.State(), errors.Join(err, countErr))
		}
		asked, err := db.Changes(t.Context(), b.Number, 0, 0, workflow.ChangeAsked)
		if err != nil || (when == "asked") != (len(asked) == 3) {
			t.Errorf("%s: %d rows wait for a plan, %v", when, len(asked), err)
		}
		if when == "asked" {
			if a, err := db.Audit(t.Context()); err != nil || !a.Whole() || a.Rows != 3 {
				t.Errorf("audit: %+v, %v", a, err)
			}
			if _, err := SavePlan(t, db, b.Number, changes); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A plan is of all rows that were asked for, of no others, and is saved once.
func testPlanIsOfTheRows(t *testing.T, on suite) {
	db := on.open(t)
	changes, _ := Renames(3)
	for name, plan := range map[string][]workflow.Change{
		"a row less":    changes[:2],
		"a row more":    append(changes[:3:3], Rename(4)),
		"another's row": {changes[0], changes[1], Rename(9)},
	} {
		b := Create(t, db, changes...)
		if _, err := SavePlan(t, db, b.Number, plan); err == nil {
			t.Errorf("%s: the plan was saved", name)
		}
		if got, err := db.Batch(t.Context(), b.Number); err != nil || got.State != workflow.Planning {
			t.Errorf("%s: the batch is %s, %v", name, got.State, err)
		}
		if _, err := SavePlan(t, db, b.Number, changes); err != nil {
			t.Errorf("%s, and then the right plan: %v", name, err)
		}
		if _, err := SavePlan(t, db, b.Number, changes); err == nil {
			t.Errorf("%s: a second plan was saved", name)
		}
	}
}

// The rule of a new batch sees what follows the one that it follows, in the transaction that makes
// it.
func testRuleOfARequest(t *testing.T, on suite) {
	place := t.TempDir()
	db, other := on.openAt(t, place), on.openAt(t, place)
	first := Create(t, db)
	no := errors.New("there is one already")
	follow := func(db store.Driver) error {
		b := NewBatch()
		b.Follows, b.Link = first.Number, workflow.LinkUndo
		return db.Create(t.Context(), b, nil, nil, func(following []*workflow.Batch) error {
			for _, f := range following {
				if f.Link == workflow.LinkUndo && f.State.Open() {
					return no
				}
			}
			return nil
		})
	}
	errs := make(chan error)
	for _, each := range []store.Driver{db, other} {
		go func() { errs <- follow(each) }()
	}
	a, b := <-errs, <-errs
	if (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), no) {
		t.Errorf("%v and %v, want one refused", a, b)
	}
	if list, err := db.Following(t.Context(), first.Number); len(list) != 1 || err != nil {
		t.Errorf("%d batches were made, %v", len(list), err)
	}
}

// The rule of an approval sees what other batches touch, in the transaction that approves.
func testApprove(t *testing.T, on suite) {
	place := t.TempDir()
	db, other := on.openAt(t, place), on.openAt(t, place)
	numbers := []int64{request(t, db, Hana, Noon, 1, 3), request(t, db, Hana, Noon, 11, 3)}
	carols := request(t, db, carol, Noon, 21, 2)
	approved(t, db, carols)
	no := errors.New("too many")
	approve := func(db store.Driver, number int64) error {
		_, err := db.Approve(t.Context(), number, Noon.Add(-time.Hour), func(b *workflow.Batch, touched workflow.Touched) error {
			if len(touched.All) != len(touched.Own)+2 { // carol's
				t.Errorf("touched: %+v", touched)
			}
			if len(touched.Own) > 0 {
				return no
			}
			b.Approved = Noon
			return b.Move(workflow.Approved)
		})
		return err
	}
	errs := make(chan error)
	for i, each := range []store.Driver{db, other} {
		go func() { errs <- approve(each, numbers[i]) }()
	}
	a, b := <-errs, <-errs
	if (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), no) {
		t.Errorf("%v and %v, want one refused", a, b)
	}
}
