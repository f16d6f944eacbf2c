package store

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Every field of a change is either part of the plan, or of what becomes of it, so that no column
// is left out of the log.
func TestChecksumsCoverAChange(t *testing.T) {
	plan := []string{"Row", "Action", "AccountID", "Name", "Expect", "Set", "Steps", "Effects"}
	became := []string{"Outcomes", "State", "Reason", "Attempts", "Back", "Called", "Finished"}
	have := fields(workflow.Change{})
	want := slices.Concat([]string{"Batch", "Asked"}, plan, became)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("a change has %v; planHash.add and OutcomeOf know %v", have, want)
	}
}

func fields(of any) []string {
	var out []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
		out = append(out, f.Name)
	}
	return out
}

// Every field of a batch and of a decision is in its checksum, but for the two that are named.
func TestChecksumsCoverABatch(t *testing.T) {
	left := []string{"Revision", "Checked"}
	sum := func(b workflow.Batch) string {
		got, err := SumBatch(&b, "hash")
		if err != nil {
			t.Fatal(err)
		}
		return got.SHA256
	}
	base := workflow.Batch{BatchApproval: workflow.BatchApproval{Decisions: []workflow.Decision{{}}}}
	var walk func(name string, at func(*workflow.Batch) reflect.Value)
	walk = func(name string, at func(*workflow.Batch) reflect.Value) {
		b := base
		b.Decisions = slices.Clone(base.Decisions)
		v := at(&b)
		if _, moment := reflect.TypeAssert[time.Time](v); v.Kind() == reflect.Struct && !moment {
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !slices.Contains(left, f.Name) {
					walk(name+"."+f.Name, func(b *workflow.Batch) reflect.Value { return at(b).Field(i) })
				}
			}
			return
		}
		if name == "Batch.BatchApproval.Decisions" {
			return // below
		}
		fill(t, name, v)
		if sum(b) == sum(base) {
			t.Errorf("%s is not in the checksum", name)
		}
	}
	walk("Batch", func(b *workflow.Batch) reflect.Value { return reflect.ValueOf(b).Elem() })
	walk("Decision", func(b *workflow.Batch) reflect.Value { return reflect.ValueOf(&b.Decisions[0]).Elem() })
}

// fill gives a field some other value.
func fill(t *testing.T, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf("y"))
	case reflect.Struct:
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
	default:
		t.Fatalf("%s is a %s, which this test cannot fill", name, v.Kind())
	}
}
