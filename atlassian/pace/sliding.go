package pace

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// gained returns how many calls a limit that slides or refills has gained since it was told what is
// left.
func (w *limit) gained(now time.Time) float64 {
	if w.kind != refilling {
		return 0
	}
	return w.rate * (1 - w.caution) * now.Sub(w.toldAt).Seconds()
}

// inside returns how many calls left in the length up to that time.
func (w *limit) inside(at time.Time) int {
	from, _ := slices.BinarySearchFunc(w.ledger, at.Add(-w.sliding()), time.Time.Compare)
	to, _ := slices.BinarySearchFunc(w.ledger, at.Add(1), time.Time.Compare)
	return to - from
}

// sliding returns how long a call counts.
func (w *limit) sliding() time.Duration {
	length := w.most
	for _, u := range usual {
		if u >= w.least && u <= w.most {
			length = u
		}
	}
	return length + w.margin
}

// next returns when a limit that slides or refills has that much room.
func (w *limit) next(now time.Time, inFlight, need int) time.Time {
	missing := float64(need) - w.room(now, inFlight)
	switch {
	case missing <= 0:
		return now
	case w.kind == refilling && w.rate > 0:
		at := now.Add(fromFloat(missing / (w.rate * (1 - w.caution))))
		return laterThan(now, sooner(at, later(w.latest(), now.Add(time.Second))))
	case w.kind == sliding && w.most > 0:
		n := int(math.Ceil(missing))
		from, _ := slices.BinarySearchFunc(w.ledger, now.Add(-w.sliding()), time.Time.Compare)
		for _, left := range w.ledger[from:] {
			if back := left.Add(w.sliding()); back.After(now) {
				if n--; n <= 0 {
					return laterThan(now, back)
				}
			}
		}
		if len(w.ledger) > 0 {
			return laterThan(now, w.ledger[len(w.ledger)-1].Add(w.sliding()))
		}
	}
	return time.Time{}
}

// latest returns when a limit that slides or refills has room at the latest, whatever is made of its
// answers: none told of a reset that is farther away.
func (w *limit) latest() time.Time { return w.toldAt.Add(cmp.Or(w.farthest, guess) + time.Minute) }

// together returns how far apart calls that took so long may have left and still have been counted in
// another order.
func together(took time.Duration) time.Duration { return took / 4 }

// forget takes a call back that was not counted.
func (w *limit) forget(left time.Time) {
	if i, found := slices.BinarySearchFunc(w.ledger, left, time.Time.Compare); found {
		w.ledger = slices.Delete(w.ledger, i, i+1)
	}
}

// note keeps when a call left.
func (w *limit) note(left time.Time) {
	i := len(w.ledger)
	for i > 0 && w.ledger[i-1].After(left) {
		i--
	}
	w.ledger = slices.Insert(w.ledger, i, left)
	if len(w.ledger) > mostLedger {
		w.ledger = w.ledger[len(w.ledger)-mostLedger/2:]
	}
}

// move takes the limit for one that slides or refills.
func (w *limit) move(now time.Time, t Ticket, l Limits) {
	w.kind, w.assumed, w.windows.since = sliding, false, time.Time{}
	w.least, w.most, w.rate = 0, 0, 0
	if l.dated && l.unit <= time.Second {
		w.most = w.farthest + l.unit
	}
	w.caution, w.margin = 0.02, 10*time.Millisecond
	if l.unit > time.Second {
		if w.windows.opened.from.IsZero() {
			w.kind = refilling
		} else { // what was given back then was at most as old as the first call
			w.most = min(w.windows.opened.to.Sub(w.first.left)+100*time.Millisecond, w.farthest+l.unit)
		}
	}
	w.windows.first = 100 * time.Millisecond
	if w.most > 0 && w.most <= finelyTold { // minutes after windows that were none say nothing of it
		w.windows.restart(t.left)
	}
	w.take(t, l)
	w.follow(t, l, now.Sub(t.left))
	w.tell(t, l, now.Sub(t.left))
}

// apart forgets what the answers of an operation with another limit made it be taken for.
func (w *limit) apart() { w.kind, w.signs, w.most, w.rate = windowed, 0, 0, 0 }

// follow takes in an answer of a limit that slides or refills.
func (w *limit) follow(t Ticket, l Limits, took time.Duration) {
	if l.Limit != w.budget {
		w.rate *= float64(l.Limit) / float64(max(1, w.budget))
		w.budget = l.Limit
		w.anchor.remain, w.anchor.number, w.anchor.counted, w.anchor.left = l.Remaining, t.number, 0, t.left
	}
	// Calls that left at about the same time may have been counted in any order.
	switch apart := t.left.Sub(w.toldAt); {
	case apart > together(took):
		w.take(t, l)
		w.stamp = l.stamp
	case apart >= -together(took):
		w.remain = min(w.remain, l.Remaining)
	}
	if l.Remaining > 0 && t.left.After(w.windows.last) {
		w.windows.since = time.Time{}
	}
}

// tell tells sliding from refilling, and how long the limit is.
func (w *limit) tell(t Ticket, l Limits, took time.Duration) {
	used := l.Limit - l.Remaining
	if t.number > w.anchor.number {
		w.anchor.counted++
	}
	// A reset that says when all is left again moves with each call. So does one that says when the
	// oldest call no longer counts, but not before there is such a one.
	way := l.stamp.Sub(w.first.stamp) - t.left.Sub(w.first.left)
	fresh := w.farthest == 0 || t.left.Sub(w.first.left) < w.farthest
	if dx := used - w.first.used; fresh && dx >= max(2, w.budget/3) && l.unit <= time.Second {
		if per := way / time.Duration(dx); way > 2*l.unit && per > 0 {
			w.kind = refilling
			w.rate = 1 / per.Seconds()
		}
	}
	if w.kind == refilling {
		w.meter(t, l)
		return
	}
	if w.most > 0 {
		w.others = max(0, used-w.inside(t.left.Add(together(took))))
	}
	// Of the calls so many are within the length.
	if used < 0 || used >= len(w.ledger) {
		return
	}
	at, _ := slices.BinarySearchFunc(w.ledger, t.left.Add(1), time.Time.Compare)
	// Calls that left at about the same time may have been counted in any order.
	early, _ := slices.BinarySearchFunc(w.ledger, t.left.Add(-together(took)), time.Time.Compare)
	late, _ := slices.BinarySearchFunc(w.ledger, t.left.Add(together(took)), time.Time.Compare)
	inside, outside := at-used+(late-early), at-used-1-(late-early)
	if outside < 0 || used > 0 && inside >= at {
		return
	}
	slack := 20*time.Millisecond + together(took)
	least, most := time.Duration(0), t.left.Sub(w.ledger[outside])+slack
	if used > 0 {
		least = t.left.Sub(w.ledger[inside]) - slack
	}
	w.least = max(w.least, least)
	if w.most == 0 || most < w.most {
		w.most = max(most, 0)
	}
	if w.least > w.most {
		w.kind = refilling
		w.meter(t, l)
	}
}

// meter measures how fast what is left grows.
func (w *limit) meter(t Ticket, l Limits) {
	took := t.left.Sub(w.anchor.left).Seconds()
	if took <= 1 || t.number <= w.anchor.number {
		return
	}
	credit := float64(l.Remaining + 1 + t.counted - w.anchor.remain)
	least, most := (credit-2)/took, (credit+3)/took
	if w.rate == 0 {
		w.rate = max(credit/took, 0)
	}
	w.rate = min(max(w.rate, least), most)
}
