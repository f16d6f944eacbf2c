package bot

import (
	"context"
	"sync"
)

// queue does jobs with a few workers. Jobs of one key are done one after the other in the order they came; others side by
// side. Putting never waits: a full queue says no.
type queue struct {
	cap int

	mu      sync.Mutex
	waiting int
	keys    map[string][]func(context.Context) // what waits behind the job of that key that is being done
	ready   []queued
	more    chan struct{} // one pulse for a worker that sleeps
}

type queued struct {
	key string
	do  func(context.Context)
}

func newQueue(capacity int) *queue {
	return &queue{cap: capacity, keys: map[string][]func(context.Context){}, more: make(chan struct{}, 1)}
}

// put adds a job; false when the queue is full. A job with key "" waits for none.
func (q *queue) put(key string, do func(context.Context)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting >= q.cap {
		return false
	}
	q.waiting++
	if key != "" {
		if behind, busy := q.keys[key]; busy {
			q.keys[key] = append(behind, do)
			return true
		}
		q.keys[key] = nil
	}
	q.ready = append(q.ready, queued{key, do})
	q.wake()
	return true
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// work does jobs until the context of stop ends and nothing is waiting any more, or ctx, which the jobs run under, ends.
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
				q.done(job.key)
			}
		})
	}
	wg.Wait()
}

func (q *queue) next(ctx context.Context, stop <-chan struct{}) (queued, bool) {
	for {
		if ctx.Err() != nil {
			q.wake() // the next sleeper
			return queued{}, false
		}
		q.mu.Lock()
		if len(q.ready) > 0 {
			job := q.ready[0]
			q.ready = q.ready[1:]
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
				return queued{}, false
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

// done lets the next job of the key go.
func (q *queue) done(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
	if key != "" {
		if behind := q.keys[key]; len(behind) > 0 {
			q.ready = append(q.ready, queued{key, behind[0]})
			q.keys[key] = behind[1:]
		} else {
			delete(q.keys, key)
		}
	}
	q.wake()
}

// room says whether a job would be taken just now.
func (q *queue) room() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting < q.cap
}
