package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueueKeepsOrderOfAKey(t *testing.T) {
	q := newQueue(100, 4)
	var mu sync.Mutex
	got := map[string][]int{}
	for i := range 30 {
		key := fmt.Sprintf("batch/%d", i%3)
		if !q.put(key, "", func(context.Context) {
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

// At one key, too, somebody who wants much is served in turn with the others, each in their own order.
func TestQueueTakesTurnsAtAKey(t *testing.T) {
	q := newQueue(100, 4)
	var got []string
	for _, name := range []string{"flood 1", "flood 2", "flood 3", "flood 4", "ada 1", "ben 1", "ada 2"} {
		person, _, _ := strings.Cut(name, " ")
		q.put("batch/1", person, func(context.Context) { got = append(got, name) })
	}
	stop := make(chan struct{})
	close(stop)
	q.work(t.Context(), stop, 4)
	want := []string{"flood 1", "ada 1", "ben 1", "flood 2", "ada 2", "flood 3", "flood 4"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order of jobs (-want +got):\n%s", d)
	}
}

func TestQueueRefusesWhenFull(t *testing.T) {
	q := newQueue(2, 1)
	none := func(context.Context) {}
	if !q.put("", "", none) || !q.put("a", "", none) {
		t.Fatal("the first two jobs were refused")
	}
	if q.put("b", "", none) {
		t.Error("a third job was taken")
	}
	stop := make(chan struct{})
	close(stop)
	q.work(t.Context(), stop, 1)
	if !q.put("b", "", none) {
		t.Error("a job was refused after the others were done")
	}
}

func TestQueueEndsWithItsContext(t *testing.T) {
	q := newQueue(10, 3)
	ctx, cancel := context.WithCancel(t.Context())
	q.put("a", "", func(ctx context.Context) { cancel(); <-ctx.Done() })
	q.put("a", "", func(context.Context) { t.Error("a job was begun after the end") })
	q.work(ctx, make(chan struct{}), 3)
}

// One person's jobs leave workers for others, and are all done in the end.
func TestQueueIsSharedByPeople(t *testing.T) {
	q := newQueue(100, 4)
	release, other := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	most, now, all := 0, 0, 0
	for range 20 {
		q.put("", "U0FLOOD", func(context.Context) {
			mu.Lock()
			now, all = now+1, all+1
			most = max(most, now)
			mu.Unlock()
			<-release
			mu.Lock()
			now--
			mu.Unlock()
		})
	}
	q.put("", "U0OTHER", func(context.Context) { close(other) })
	stop := make(chan struct{})
	close(stop)
	go func() {
		<-other // while the first ones still hold all that they get
		close(release)
	}()
	q.work(t.Context(), stop, 4)
	if most > 2 || all != 20 {
		t.Errorf("%d jobs of one person at once, %d in all; want at most 2, and 20", most, all)
	}
}

// Whoever asks for one thing waits for no more than one of each of the others, however much they ask for.
func TestQueueTakesTurns(t *testing.T) {
	for name, workers := range map[string]int{"one worker": 1, "four": 4} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(1000, workers)
			var mu sync.Mutex
			var began []string
			put := func(person string, n int) {
				for range n {
					q.put("", person, func(context.Context) {
						mu.Lock()
						defer mu.Unlock()
						began = append(began, person)
					})
				}
			}
			put("U0FLOOD", 100)
			put("U0NOISE", 100)
			put("U0CAROL", 1)
			stop := make(chan struct{})
			close(stop) // ends when all is done
			q.work(t.Context(), stop, workers)
			if at := slices.Index(began, "U0CAROL"); len(began) != 201 || at < 0 || at > 2*workers {
				t.Errorf("%d jobs, Carol's at place %d", len(began), at)
			}
		})
	}
}
