package pace

import (
	"maps"
	"slices"
	"time"
)

// Kind is how a limit counts.
type Kind string

// The kinds of limits; see the package comment.
const (
	Unknown   Kind = "unknown"
	Windowed  Kind = "windowed"
	Sliding   Kind = "sliding"
	Refilling Kind = "refilling"
)

// State is what a Gate knows at one moment.
type State struct {
	Workers  int // calls that may be in flight at once, as learned
	InFlight int // calls that left and have not ended
	Waiting  int // calls that wait for their turn
	Buckets  []BucketState
}

// BucketState is what is known about one limit.
type BucketState struct {
	Operations []string      // those that count against the limit, sorted
	Kind       Kind          // how the limit counts
	Length     time.Duration // of a window, or in which the limit refills; 0 when unknown
	Limit      int           // calls in the length; -1 when unknown
	Left       int           // calls that may still leave in this window; -1 when never told
	Reset      time.Time     // when the window ends, on our clock; zero when never told
	Shut       time.Time     // no call leaves before then, after a 429; zero or past when open
	Achieved   float64       // calls per second that got through recently
	Allowed    float64       // calls per second of our own pace; 0 when the headers alone decide
	Others     float64       // calls per second that others make with our key
}

// State returns what the gate knows now.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	s := State{Workers: g.crew.most(), InFlight: g.inFlight, Waiting: g.waiting}
	for _, b := range g.buckets {
		b.limit.advance(now)
		one := BucketState{
			Limit: -1, Left: -1, Shut: b.shut, Achieved: b.recent.rate(now), Allowed: b.found.pacer.rate,
		}
		for _, op := range g.operations {
			if op.bucket == b {
				one.Operations = append(one.Operations, op.name)
			}
		}
		slices.Sort(one.Operations)
		if w := &b.limit; w.known() {
			one.Limit, one.Left, one.Reset, one.Others = w.budget, w.left(now, b.inFlight), w.end(now, b.inFlight), w.othersShare(now)
		}
		one.Kind, one.Length = b.kind()
		if b.found.pacer.off {
			one.Allowed = 0
		}
		s.Buckets = append(s.Buckets, one)
	}
	return s
}

// kind returns how the bucket's limit counts, and its length.
func (b *bucket) kind() (Kind, time.Duration) {
	switch w, f := &b.limit, &b.found; {
	case w.known() && w.kind != windowed:
		return [...]Kind{sliding: Sliding, refilling: Refilling}[w.kind], w.size()
	case w.known():
		return Windowed, w.windows.length
	case f.windowed && f.slides:
		return Sliding, f.windows.length
	case f.windowed:
		return Windowed, f.windows.length
	case !f.pacer.off && !f.pacer.slowStart:
		return Refilling, 0
	}
	return Unknown, 0
}

// Estimate returns how long this many more calls of each operation would take, as far as is known
// now: the longest time that any of the limits, each by itself, or the workers need.
func (g *Gate) Estimate(calls map[string]int) time.Duration {
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
	work := func(n int) time.Duration { return fromFloat(float64(n) * g.meanLatency / float64(g.workers)) }
	longest := work(all)
	for b := range maps.Keys(each) {
		longest = max(longest, b.timeFor(now, each[b], work))
	}
	return longest
}

// timeFor returns how long n calls take within the bucket's limit; work returns how long the
// workers need for them.
func (b *bucket) timeFor(now time.Time, n int, work func(int) time.Duration) time.Duration {
	if n == 0 {
		return 0
	}
	b.limit.advance(now)
	busy := func(n int) time.Duration {
		if b.found.pacer.off || b.found.pacer.slowStart {
			return work(n)
		}
		return max(work(n), fromFloat(float64(n)/b.found.pacer.rate))
	}
	shut := max(0, b.shut.Sub(now))
	if !b.limit.known() {
		return shut + busy(n)
	}
	left := b.limit.left(now, b.inFlight)
	if n <= left {
		return shut + busy(n)
	}
	return max(shut, b.limit.end(now, b.inFlight).Sub(now)) + b.limit.whole(n-left, busy)
}

// whole returns how long n calls take from the start of a window.
func (w *limit) whole(n int, busy func(int) time.Duration) time.Duration {
	if w.kind == refilling {
		return max(busy(n), fromFloat(float64(n)*w.size().Seconds()/float64(max(1, w.budget))))
	}
	each := max(1, w.budget-int(w.othersRate*w.size().Seconds()))
	full := (n - 1) / each
	return time.Duration(full)*max(w.size(), busy(each)) + busy(n-full*each)
}

func fromFloat(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
