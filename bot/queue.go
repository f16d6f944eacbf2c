package bot

import (
	"context"
	"slices"
	"sync"
)

// queue does jobs with a few workers. Jobs of one key are done one after the other, those of one person
// in the order they came; others side by side. One person has at most half of the workers, and people
// take turns, also at a key: however much somebody asks for, others do not wait for all of it. Putting
// never waits: a full queue says no.
type queue struct {
	cap  int
	most int // jobs of one person at the same time

	mu      sync.Mutex
	waiting int
	keys    map[string][]job // what waits behind the job of that key that is being done
	ready   []job
	doing   map[string]int // jobs being done, by person
	turn    int            // counts the jobs that were begun
	served  map[string]int // the turn of each person's latest; nobody's is not in it
	more    chan struct{}  // one pulse for a worker that sleeps
}

type job struct {
	key    string
	person string
	do     func(context.Context)
}

// newQueue makes a queue for that many jobs, which are done by so many workers.
func newQueue(capacity, workers int) *queue {
	return &queue{
		cap: capacity, most: max(workers/2, 1), keys: map[string][]job{}, doing: map[string]int{}, served: map[string]int{}, more: make(chan struct{}, 1),
	}
}

// put adds a job that a person wants done, "" for nobody's; false when the queue is full. A job
// with key "" waits for none.
func (q *queue) put(key, person string, do func(context.Context)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting >= q.cap {
		return false
	}
	q.add(job{key, person, do})
	return true
}

// mustPut is put for a job that has been promised to somebody: there was room a moment ago.
func (q *queue) mustPut(key, person string, do func(context.Context)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(job{key, person, do})
}

// add adds a job. The caller holds q.mu.
func (q *queue) add(j job) {
	q.waiting++
	if j.key != "" {
		if behind, busy := q.keys[j.key]; busy {
			q.keys[j.key] = append(behind, j)
			return
		}
		q.keys[j.key] = nil
	}
	q.ready = append(q.ready, j)
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// work does jobs until the context of stop ends and nothing is waiting any more, or ctx, which the
// jobs run under, ends.
func (q *queue) work(ctx context.Context, stop <-chan struct{}, workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				job, ok := q.next(ctx, stop)
				if !ok {
					return
				}
				job.do(ctx)
				q.done(job)
			}
		})
	}
	wg.Wait()
}

func (q *queue) next(ctx context.Context, stop <-chan struct{}) (job, bool) {
	for {
		if ctx.Err() != nil {
			q.wake() // the next sleeper
			return job{}, false
		}
		q.mu.Lock()
		if i := q.first(); i >= 0 {
			job := q.ready[i]
			q.ready = slices.Delete(q.ready, i, i+1)
			q.begin(job.person)
			if len(q.ready) > 0 {
				q.wake()
			}
			q.mu.Unlock()
			return job, true
		}
		idle := q.waiting == 0
		q.mu.Unlock()
		select {
		case <-stop:
			if idle {
				q.wake()
				return job{}, false
			}
			select { // others still work, and what waits behind their jobs becomes ready
			case <-q.more:
			case <-ctx.Done():
			}
		case <-q.more:
		case <-ctx.Done():
		}
	}
}

// first returns the place of the job that begins next: of those whose person has a worker to spare, the
// one whose person was served longest ago. It is -1 where there is none.
func (q *queue) first() int { return q.longestAgo(q.ready, q.mayStart) }

// longestAgo returns the place of the job whose person was served longest ago, of those that may be
// taken; -1 where there is none.
func (q *queue) longestAgo(jobs []job, may func(job) bool) int {
	best := -1
	for i, j := range jobs {
		if may(j) && (best < 0 || q.served[j.person] < q.served[jobs[best].person]) {
			best = i
		}
	}
	return best
}

// begin notes that a job of the person is being done.
func (q *queue) begin(person string) {
	q.doing[person]++
	if q.turn++; person != "" {
		q.served[person] = q.turn
	}
}

// mayStart reports whether the job's person has a worker to spare.
func (q *queue) mayStart(j job) bool { return j.person == "" || q.doing[j.person] < q.most }

// done lets the next jobs of the key and of the person go.
func (q *queue) done(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting--; q.waiting == 0 {
		clear(q.served)
	}
	if q.doing[j.person]--; q.doing[j.person] == 0 {
		delete(q.doing, j.person)
	}
	if j.key != "" {
		if behind := q.keys[j.key]; len(behind) > 0 {
			i := q.longestAgo(behind, func(job) bool { return true })
			q.ready = append(q.ready, behind[i])
			q.keys[j.key] = slices.Delete(behind, i, i+1)
		} else {
			delete(q.keys, j.key)
		}
	}
	q.wake()
}

// room reports whether a job would be taken.
func (q *queue) room() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting < q.cap
}
