package storetest

import (
	"encoding/json"
	"testing"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// Numbers go on above those that are skipped, before the first batch and later; they never go back;
// the log tells of each gap, and the audit takes exactly these.
func testNumbersAreSkipped(t *testing.T, on suite) {
	db := on.open(t)
	skip := func(to int64, want bool) {
		t.Helper()
		skipped, err := db.SkipNumbers(t.Context(), to, workflow.Event{At: Noon, Actor: workflow.Bot})
		if skipped != want || err != nil {
			t.Errorf("skip up to %d: %t, %v; want %t", to, skipped, err, want)
		}
	}
	last := func(want int64) {
		t.Helper()
		if n, err := db.LastNumber(t.Context()); n != want || err != nil {
			t.Errorf("the last number is %d, %v; want %d", n, err, want)
		}
	}
	last(0)
	skip(4, true)
	last(4)
	if b := Create(t, db); b.Number != 5 {
		t.Errorf("batch %d, want 5", b.Number)
	}
	skip(5, false)
	skip(1, false)
	skip(8, true)
	if b := Create(t, db); b.Number != 9 {
		t.Errorf("batch %d, want 9", b.Number)
	}
	last(9)
	a, err := db.Audit(t.Context())
	if err != nil || !a.Whole() || a.Batches != 2 {
		t.Errorf("audit: %+v, %v", a, err)
	}
	var gaps []string
	var second store.Head
	for _, e := range told(t, db) {
		if e.Kind == store.EventSkipped {
			gaps = append(gaps, string(e.Data))
		}
		if e.Seq == 2 {
			second = store.Head{Seq: e.Seq, Hash: e.Hash}
		}
	}
	want, err := json.Marshal([]string{`{"first":1,"last":4}`, `{"first":6,"last":8}`})
	if err != nil {
		t.Fatal(err)
	}
	if have, err := json.Marshal(gaps); err != nil || string(have) != string(want) {
		t.Errorf("the log tells of %s, %v; want %s", have, err, want)
	}
	for _, head := range []struct {
		seq  int64
		hash string
		want bool
	}{{second.Seq, second.Hash, true}, {second.Seq, second.Hash[:12], true}, {second.Seq, "00", false}, {99, "", false}} {
		has, last, err := db.HasEvent(t.Context(), head.seq, head.hash)
		if has != head.want || last != 4 || err != nil {
			t.Errorf("event %d, %q: %t of %d, %v; want %t of 4", head.seq, head.hash, has, last, err, head.want)
		}
	}
}
