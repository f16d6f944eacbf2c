package pace

import (
	"slices"
	"time"
)

// value is a remaining value and the operation that was given it.
type value struct {
	remaining int
	operation *operation
}

// othersShare returns how many calls a second are left to other users of the key. It is 0 unless
// the count falls faster than our calls make it fall.
func (w *limit) othersShare(now time.Time) float64 {
	if w.kind != windowed || w.windows.opens.to.IsZero() {
		return 0
	}
	rate := w.othersRate
	if elapsed := now.Sub(w.startedAt); w.othersSeen > 0 && elapsed >= time.Second {
		rate = max(rate, float64(w.othersSeen)/elapsed.Seconds())
	}
	if rate*w.size().Seconds() < 1 {
		return 0
	}
	return min(rate, mostForOthers*float64(w.budget)/w.size().Seconds())
}

// rotate forgets what belongs to one window only. The rate of others' calls is remembered, plus a
// fifth; what they no longer use is forgotten by halves.
func (w *limit) rotate(now time.Time) {
	seen := 1.2 * float64(w.othersSeen) / max(w.countedAt.Sub(w.startedAt), min(leastSeen, w.size())).Seconds()
	w.othersRate = max(seen, w.othersRate/2)
	w.startedAt, w.spent, w.othersSeen, w.unanswered, w.values, w.usedBy = now, 0, 0, 0, nil, nil
}

// count infers from a reading how many calls others made.
func (w *limit) count(now time.Time, t Ticket, inFlight int) {
	w.countedAt = now
	if w.base < 0 {
		w.base = w.remain + 1
	}
	w.spent++
	if w.unanswered > 0 && t.number > w.unansweredUpTo {
		w.spent += w.unanswered // if they were counted, this reading includes them
		w.unanswered = 0
	}
	// Calls of ours in flight may have been counted; what is missing beyond them is others' work.
	w.othersSeen = max(w.othersSeen, w.base-w.remain-w.spent-w.unanswered-inFlight)
}

// addUnanswered counts a call without an answer, which may or may not have been counted.
func (w *limit) addUnanswered(departed int64) {
	w.unanswered++
	w.unansweredUpTo = departed
}

// record keeps the remaining value that an operation was given.
func (w *limit) record(op *operation, remaining int) {
	if len(w.values) == keptTold {
		w.values = slices.Delete(w.values, 0, 1)
	}
	w.values = append(w.values, value{remaining, op})
}

// duplicate reports whether another operation was given the same remaining value in this window. A
// shared count gives each out once.
func (w *limit) duplicate(op *operation, remaining int) bool {
	return slices.ContainsFunc(w.values, func(v value) bool { return v.remaining == remaining && v.operation != op })
}
