package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

func testPosts(t *testing.T, on suite) {
	db := on.open(t)
	b := Create(t, db)
	if _, ok, err := db.Post(t.Context(), "batch/1/card"); ok || err != nil {
		t.Errorf("a post before there was one: %t, %v", ok, err)
	}
	card := workflow.Post{Key: "batch/1/card", Batch: b.Number, Channel: "C1", Sending: Noon}
	file := workflow.Post{Key: "batch/1/plan", Batch: b.Number, Channel: "C1", TS: "1.3", File: "F1", Version: 2}
	night := workflow.Post{Key: "report/nightly/7/message", Channel: "C2", TS: "9.9"}
	for _, p := range []workflow.Post{file, card, night} {
		if err := db.SavePost(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	card.TS, card.Version, card.Sending = "1.2", 1, time.Time{}
	if err := db.SavePost(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	for number, want := range map[int64][]workflow.Post{b.Number: {card, file}, 0: {night}, 9: nil} {
		got, err := db.Posts(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("posts of %d (-want +got)\n%s", number, diff)
		}
	}
	if err := db.DeletePost(t.Context(), card.Key); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := db.Post(t.Context(), card.Key); ok || err != nil {
		t.Errorf("after it was deleted: %t, %v", ok, err)
	}
}

func testSeen(t *testing.T, on suite) {
	db := on.open(t)
	for _, step := range []struct {
		id    string
		after time.Duration
		want  bool
	}{
		{"Ev1", 0, true},
		{"Ev1", time.Minute, false},
		{"Ev2", time.Minute, true},
		{"Ev1", 47 * time.Hour, false},
		{"Ev1", 48*time.Hour + time.Minute, true},
	} {
		if first, err := db.Seen(t.Context(), step.id, Noon.Add(step.after)); first != step.want || err != nil {
			t.Errorf("%s after %v: first %t, %v; want %t", step.id, step.after, first, err, step.want)
		}
	}
}

// A delivery is one batch, is seen as soon as its batch is stored and not before, and follows no
// batch that comes of it.
func testDelivery(t *testing.T, on suite) {
	db := on.open(t)
	seen := func() bool {
		t.Helper()
		seen, err := db.WasSeen(t.Context(), "file/C/1.2/F")
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	request := func() *workflow.Batch {
		b := NewBatch()
		b.Source.Delivery = "file/C/1.2/F"
		return b
	}
	broken := request()
	broken.State = "nonsense"
	if err := db.Create(t.Context(), broken, nil, nil, nil); err == nil || seen() {
		t.Fatalf("a request that could not be stored: %v, seen %t", err, seen())
	}
	if err := db.Create(t.Context(), request(), nil, nil, nil); err != nil || !seen() {
		t.Fatalf("the first request: %v, seen %t", err, seen())
	}
	if err := db.Create(t.Context(), request(), nil, nil, nil); !errors.Is(err, workflow.ErrTaken) {
		t.Errorf("the same again: %v, want %v", err, workflow.ErrTaken)
	}
	again := request()
	again.Follows = 1
	if err := db.Create(t.Context(), again, nil, nil, nil); err != nil {
		t.Errorf("a batch that follows: %v", err)
	}
	if list, err := db.List(t.Context(), 0); err != nil || len(list) != 2 {
		t.Errorf("%d batches, %v; want 2", len(list), err)
	}
}

func testRevisions(t *testing.T, on suite) {
	db := on.open(t)
	for range 5 {
		Create(t, db)
	}
	for n := int64(2); n <= 5; n++ {
		Move(t, db, n, workflow.Cancelled) // revision 2; batch 1 stays open
	}
	for _, p := range []workflow.Post{
		{Key: "batch/1/card", Batch: 1, TS: "1", Version: 1}, // up to date, but open
		{Key: "batch/2/card", Batch: 2, TS: "2", Version: 2},
		{Key: "batch/3/card", Batch: 3, TS: "3", Version: 1},
		{Key: "batch/4/card", Batch: 4, TS: "4", Version: 2},
		{Key: "batch/4/results", Batch: 4, Version: 2, Sending: Noon},
	} {
		if err := db.SavePost(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Revisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]int64{1: 1, 3: 2, 4: 2, 5: 2}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
