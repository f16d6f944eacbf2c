package atlassian

import (
	"maps"
	"slices"
	"time"
)

// GateState is what is known about limits.
type GateState struct {
	Workers int // calls that may be under way at once
	Flying  int // calls that are
	Waiting int // calls at the gate
	Buckets []BucketState
}

// BucketState is what is known about one limit.
type BucketState struct {
	Operations []string  // that count against it, sorted
	Limit      int       // calls per window; -1 when never told
	Left       int       // calls that may still leave in this window; -1 when never told
	Reset      time.Time // when they are given anew, on our clock; zero when never told
	Shut       time.Time // no call leaves before, after a 429; zero or past when open
	Achieved   float64   // calls per second that got through lately
	Allowed    float64   // calls per second of our own pace; 0 when the headers alone say it
	Others     float64   // calls per second that others make with our key
}

func (g *gate) state() GateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	s := GateState{Workers: g.workers, Flying: g.flying, Waiting: g.waiting}
	for _, b := range g.buckets {
		b.window.roll(now)
		one := BucketState{
			Limit: -1, Left: -1, Shut: b.shut, Achieved: b.lately.rate(now), Allowed: b.pacer.rate,
		}
		for _, op := range g.operations {
			if op.bucket == b {
				one.Operations = append(one.Operations, op.name)
			}
		}
		slices.Sort(one.Operations)
		if w := &b.window; w.known() {
			one.Limit, one.Left, one.Reset, one.Others = w.limit, w.left(now, b.flying), w.reset, w.share(now)
		}
		if b.pacer.off {
			one.Allowed = 0
		}
		s.Buckets = append(s.Buckets, one)
	}
	return s
}

// TimeFor is how long so many more calls of each operation will take, as far as is known now.
func (c *Client) TimeFor(calls map[string]int) time.Duration { return c.gate.timeFor(calls) }

// timeFor is the longest of what the limits ask for, each by itself, and of what the workers can do.
func (g *gate) timeFor(calls map[string]int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	all, each := 0, map[*bucket]int{}
	for name, n := range calls {
		b := g.buckets[0]
		if i := slices.IndexFunc(g.operations, func(op *operation) bool { return op.name == name }); i >= 0 {
			b = g.operations[i].bucket
		}
		each[b] += n
		all += n
	}
	work := func(n int) time.Duration { return fromFloat(float64(n) * g.took / float64(g.workers)) }
	longest := work(all)
	for b := range maps.Keys(each) {
		longest = max(longest, b.timeFor(now, each[b], work))
	}
	return longest
}

func (b *bucket) timeFor(now time.Time, n int, work func(int) time.Duration) time.Duration {
	if n == 0 {
		return 0
	}
	b.window.roll(now)
	busy := func(n int) time.Duration {
		if b.pacer.off || b.pacer.slow {
			return work(n)
		}
		return max(work(n), fromFloat(float64(n)/b.pacer.rate))
	}
	shut := max(0, b.shut.Sub(now))
	if !b.window.known() {
		return shut + busy(n)
	}
	left := b.window.left(now, b.flying)
	if n <= left {
		return shut + busy(n)
	}
	return max(shut, b.window.reset.Sub(now)) + b.window.whole(n-left, busy)
}

// whole is how long n calls take from the beginning of a window.
func (w *window) whole(n int, busy func(int) time.Duration) time.Duration {
	each := max(1, w.limit-int(w.others*w.size().Seconds()))
	full := (n - 1) / each
	return time.Duration(full)*max(w.size(), busy(each)) + busy(n-full*each)
}

func fromFloat(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
