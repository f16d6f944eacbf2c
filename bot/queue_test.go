package bot

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueueKeepsOrderOfAKey(t *testing.T) {
	q := newQueue(100)
	var mu sync.Mutex
	got := map[string][]int{}
	for i := range 30 {
		key := fmt.Sprintf("batch/%d", i%3)
		if !q.put(key, func(context.Context) {
			mu.Lock()
			defer mu.Unlock()
			got[key] = append(got[key], i)
		}) {
			t.Fatalf("job %d was refused", i)
		}
	}
	stop := make(chan struct{})
	close(stop) // ends when all is done
	q.work(t.Context(), stop, 4)
	want := map[string][]int{}
	for i := range 30 {
		key := fmt.Sprintf("batch/%d", i%3)
		want[key] = append(want[key], i)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order of jobs (-want +got):\n%s", d)
	}
}

func TestQueueRefusesWhenFull(t *testing.T) {
	q := newQueue(2)
	none := func(context.Context) {}
	if !q.put("", none) || !q.put("a", none) {
		t.Fatal("the first two jobs were refused")
	}
	if q.put("b", none) {
		t.Error("a third job was taken")
	}
	stop := make(chan struct{})
	close(stop)
	q.work(t.Context(), stop, 1)
	if !q.put("b", none) {
		t.Error("a job was refused after the others were done")
	}
}

func TestQueueEndsWithItsContext(t *testing.T) {
	q := newQueue(10)
	ctx, cancel := context.WithCancel(t.Context())
	q.put("a", func(ctx context.Context) { cancel(); <-ctx.Done() })
	q.put("a", func(context.Context) { t.Error("a job was begun after the end") })
	q.work(ctx, make(chan struct{}), 3)
}
