package store

import (
	"reflect"
	"slices"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// Every field of a change is either part of the plan, or of what becomes of it, so that no column is left out of the log.
func TestProofsCoverAChange(t *testing.T) {
	plan := []string{"Row", "Action", "AccountID", "Name", "OldEmail", "NewEmail", "Message", "Group", "Steps", "Effect", "Cells"}
	became := []string{"Step", "State", "Reason", "Attempts", "Tried", "Back", "Called", "Finished"}
	have := fields(workflow.Change{})
	want := slices.Concat([]string{"Batch"}, plan, became)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("a change has %v; planSum.add and outcomeOf know %v", have, want)
	}
}

// A column that a migration adds holds nothing in the rows that were there before, so that their sums stay what the log
// says.
func TestProofsOutliveAMigration(t *testing.T) {
	db := open(t)
	older := []string{"run"} // than the sums
	for _, table := range []string{"batch", "decision"} {
		rows, err := db.reader.QueryContext(t.Context(), "SELECT name, dflt_value FROM pragma_table_info(?) WHERE dflt_value IS NOT NULL", table)
		columns, err := collect(rows, err, func(row scanner) (c [2]string, err error) {
			err = row.Scan(&c[0], &c[1])
			return c, err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range columns {
			var value any
			if err := db.reader.QueryRowContext(t.Context(), "SELECT "+c[1]).Scan(&value); err != nil {
				t.Fatal(err)
			}
			if !nothing(c[0], value) && !slices.Contains(older, c[0]) {
				t.Errorf("%s.%s holds %v where there is nothing: batches from before it would be found altered", table, c[0], value)
			}
		}
	}
}

func fields(of any) []string {
	var out []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
		out = append(out, f.Name)
	}
	return out
}
