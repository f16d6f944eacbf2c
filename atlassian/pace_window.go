package atlassian

import (
	"math"
	"slices"
	"time"
)

const (
	usualWindow = time.Minute
	// How long to wait when a told reset has passed and the count goes on all the same, as when it was rounded down.
	resetAgain = 500 * time.Millisecond
	// leastSeen is the shortest time from which it is reckoned how often others call: a call or two prove little.
	leastSeen = 5 * time.Second
	// mostForOthers bounds the part of a limit that is left to other users of the key.
	mostForOthers = 0.5
	// How many of the last remaining values are kept, to see two calls being told the same one.
	keptTold = 32
)

// told is what one answer said of a limit.
type told struct {
	limit, remaining int
	stamp            time.Time // the reset as written, which names the window
}

func (l limits) told() bool { return l.limit >= 0 && l.remaining >= 0 && !l.stamp.IsZero() }

// window counts what is left of a limit that the answers tell of. Within one window the least remaining that was told is
// the latest, whatever the order in which answers arrive; calls under way may or may not be part of it and are counted
// once more. So what is left is never overestimated, and never drifts.
type window struct {
	limit  int
	stamp  time.Time     // names the window; zero: no answer ever told of one
	reset  time.Time     // on our clock
	length time.Duration // from one reset to the next; 0: not seen yet
	least  int           // the least remaining told
	since  int64         // answers of calls that left before this number say nothing

	assumed bool // the reset has passed and no answer of the new window has come
	moving  bool // resets move on before they have come: what is left comes back bit by bit
	begun   time.Time
	heard   time.Time // the last answer that was counted

	lost     int   // calls of this window without an answer, which may have been counted
	lostLast int64 // the number of the last call that had left when one was lost

	base   int     // remaining before the first of our calls that was counted; below 0: not known
	spent  int     // our calls that were counted since
	theirs int     // calls of others since then, at least
	others float64 // calls a second that others made in the windows before
	values []value
	had    map[int64]int // calls that each party made
}

// value is a remaining that was told, and to whom.
type value struct {
	remaining int
	operation *operation
}

func (w *window) known() bool { return !w.stamp.IsZero() }

func (w *window) size() time.Duration {
	if w.length == 0 {
		return usualWindow
	}
	return w.length
}

// roll begins the next window when the reset has passed: all calls are given anew, less those still under way.
func (w *window) roll(now time.Time) {
	if !w.known() || now.Before(w.reset) {
		return
	}
	w.turn(now)
	w.assumed, w.least, w.base = true, w.limit, w.limit
	if w.moving { // how much came back is known when one call has asked
		w.least = min(1, w.limit)
	}
	w.reset = w.reset.Add(w.size() * (1 + now.Sub(w.reset)/w.size()))
}

// turn forgets what belongs to one window only. What others took while we could see it is remembered, a fifth more; what
// they no longer take is forgotten by halves.
func (w *window) turn(now time.Time) {
	seen := 1.2 * float64(w.theirs) / max(w.heard.Sub(w.begun), min(leastSeen, w.size())).Seconds()
	w.others = max(seen, w.others/2)
	w.begun, w.spent, w.theirs, w.lost, w.values, w.had = now, 0, 0, 0, nil, nil
}

// has says whether need calls are left, and if not, when to ask again.
func (w *window) has(now time.Time, flying, need int) (bool, time.Time) {
	room := float64(w.least - flying - w.lost - need)
	kept := w.share(now) * max(0, w.reset.Sub(now).Seconds())
	if room >= kept {
		return true, time.Time{}
	}
	at := w.reset
	if room >= 0 { // as the window runs out, less of it is kept for others
		at = w.reset.Add(-time.Duration(room / w.share(now) * float64(time.Second)))
	}
	return false, laterThan(now, at)
}

func laterThan(now, at time.Time) time.Time {
	if soon := now.Add(time.Millisecond); at.Before(soon) {
		return soon
	}
	return at
}

// left is what can still leave in this window.
func (w *window) left(now time.Time, flying int) int {
	kept := int(math.Ceil(w.share(now) * max(0, w.reset.Sub(now).Seconds())))
	return max(0, w.least-flying-w.lost-kept)
}

// share is how many calls a second others make with our key. Room is left for them only when the count falls faster than
// we spend.
func (w *window) share(now time.Time) float64 {
	rate := w.others
	if elapsed := now.Sub(w.begun); w.theirs > 0 && elapsed >= time.Second {
		rate = max(rate, float64(w.theirs)/elapsed.Seconds())
	}
	if rate*w.size().Seconds() < 1 {
		return 0
	}
	return min(rate, mostForOthers*float64(w.limit)/w.size().Seconds())
}

// tell takes in what an answer said; counted is false for a 429. flying are the calls under way without this one.
func (w *window) tell(now time.Time, t ticket, l limits, counted bool, flying int) {
	switch {
	case !w.known():
		w.begun = now
		w.begin(now, l)
	case l.stamp.After(w.stamp) && !w.assumed && w.reset.Sub(now) > clockStep:
		w.moving = true
		w.begin(now, l)
	case l.stamp.After(w.stamp):
		if !w.assumed {
			w.turn(now)
		}
		w.moving = w.moving || l.stamp.Sub(w.stamp) < w.size()/2 && w.size() > 2*clockStep
		w.length = min(l.stamp.Sub(w.stamp), w.size()) // longer when whole windows went by without a call
		w.begin(now, l)
		if !w.moving {
			w.base = l.limit
		}
	case l.stamp.Before(w.stamp), t.number < w.since, w.assumed && t.left.Before(w.begun):
		return // of a window that is over, or of a limit that is
	case w.assumed: // the window that should have ended goes on
		w.begin(now, l)
		w.reset = now.Add(resetAgain)
	default:
		w.limit, w.least = l.limit, min(w.least, l.remaining)
		if l.reset.Before(w.reset) { // each answer's may be late, by what Date was cut and by its way here; none is early
			w.reset = l.reset
		}
	}
	if counted {
		w.count(now, t, l, flying)
	}
}

func (w *window) count(now time.Time, t ticket, l limits, flying int) {
	w.heard = now
	if w.base < 0 {
		w.base = l.remaining + 1
	}
	w.spent++
	if w.lost > 0 && t.number > w.lostLast {
		w.spent += w.lost // if they were counted, this answer's count has them
		w.lost = 0
	}
	// Those of ours that are under way may have been counted; what is missing beyond them is others' for sure.
	w.theirs = max(w.theirs, w.base-w.least-w.spent-w.lost-flying)
}

func (w *window) begin(now time.Time, l limits) {
	w.limit, w.stamp, w.least, w.assumed, w.base, w.spent = l.limit, l.stamp, l.remaining, false, -1, 0
	w.reset = l.reset
	if latest := now.Add(maxShut); w.reset.After(latest) {
		w.reset = latest
	}
	w.length = max(w.length, w.reset.Sub(now).Round(time.Second))
}

// restart takes the count as it is told now, as the other side's own count went up: the limit was changed.
func (w *window) restart(now time.Time, l limits, gone int64) {
	w.turn(now)
	w.others = 0
	w.begin(now, l)
	w.since = gone
}

// lose counts a call of which no answer told whether it was counted.
func (w *window) lose(gone int64) {
	w.lost++
	w.lostLast = gone
}

// twice says whether the remaining was told to another operation in this window; a count that is shared gives each
// number out once.
func (w *window) twice(op *operation, remaining int) bool {
	return slices.ContainsFunc(w.values, func(v value) bool { return v.remaining == remaining && v.operation != op })
}

func (w *window) keep(op *operation, remaining int) {
	if len(w.values) == keptTold {
		w.values = slices.Delete(w.values, 0, 1)
	}
	w.values = append(w.values, value{remaining, op})
}
