package pace

import (
	"math"
	"time"
)

// kind is how a limit counts.
type kind int

const (
	windowed  kind = iota // the budget begins anew with each window
	sliding               // the budget counts for any time of the length
	refilling             // what is left grows evenly, by the budget in the length, up to the budget
)

const (
	// mostForOthers bounds the part of a limit that is left to other users of the key.
	mostForOthers = 0.5
	// leastSeen is the shortest time over which the rate of others' calls is computed: a call or
	// two prove little.
	leastSeen = 5 * time.Second
	// keptTold is how many of the last remaining values are kept, to see one given out twice.
	keptTold = 32
	// enoughSigns is how many answers must speak against windows before a limit is taken for one
	// that slides or refills.
	enoughSigns = 2
	// mostWrong is how many 429s in a row show that a limit neither slides nor refills as was thought.
	mostWrong = 4
	// mostLedger is how many calls a sliding limit keeps track of.
	mostLedger = 10_000
	// guess is the length of a window of which nothing but its number of calls is known.
	guess = time.Minute
	// longestLimit is the longest time in which a limit refills that is believed.
	longestLimit = 25 * time.Hour
)

// reading is what one answer said of a limit.
type reading struct {
	limit, remaining int
	stamp            time.Time // the reset as written, which identifies the window
}

// told is what an answer told.
type told struct {
	reading
	by    *operation
	ended int64 // calls that had ended when the call left that was told it
}

// complete reports whether the headers tell limit, remaining and reset.
func (l Limits) complete() bool { return l.Limit >= 0 && l.Remaining >= 0 && !l.stamp.IsZero() }

// limit is a limit of which the answers tell: what it is, and what is left of it. Calls in flight
// may or may not be part of what was told, and are subtracted from it, so that what is left is never
// overestimated and errors do not add up.
type limit struct {
	kind    kind
	budget  int
	windows windows // when the windows of a windowed limit open

	stamp  time.Time // the reset as written, of the window or of the latest answer; zero: no answer ever told of one
	remain int       // what was told: the least of a window, or the latest otherwise
	number int64     // of the call that was told it
	toldAt time.Time // when that call left
	from   int64     // readings of calls with a lower number belong to an earlier window

	assumed bool // the next window should have opened, and no answer of it has come

	// What is told falls by one with each call as long as no window opens. credit is by how much it
	// fell less since the anchor.
	anchor struct {
		remain  int
		number  int64 // only later calls count
		counted int   // those answered
		left    time.Time
	}
	heard    told          // by the latest answer
	mixed    bool          // several operations were told
	signs    int           // answers that spoke against windows
	farthest time.Duration // that a reset was told to be away

	first       sample // of the window: by the reset's way from there sliding and refilling are told apart
	rate        float64
	caution     float64       // part of the rate that is not used
	ledger      []time.Time   // when the latest calls left
	least, most time.Duration // between these lies the length of a sliding limit
	margin      time.Duration // that is added to it
	row         int           // 429s of such a limit in a row, those together counted once
	refusedAt   time.Time     // when the latest of them came
	others      int           // calls within the length that were not ours

	unanswered     int   // calls of this window without an answer
	unansweredUpTo int64 // the number of the last call that had left by then

	startedAt  time.Time
	countedAt  time.Time // when the last answer was counted
	base       int       // remaining before our first counted call; below 0: unknown
	spent      int       // our calls counted since
	othersSeen int       // calls of others since, at least
	othersRate float64   // calls of others per second, in earlier windows
	values     []value
	usedBy     map[int64]int // by party: calls that left in this window
}

// sample is an answer's reset and what was used, when its call left.
type sample struct {
	left  time.Time
	stamp time.Time
	used  int
}

func newLimit() limit {
	return limit{windows: windows{first: 2 * time.Second, spare: 1}}
}

func (w *limit) known() bool { return !w.stamp.IsZero() }

// size returns the length of the limit, or a guess while it is unknown.
func (w *limit) size() time.Duration {
	switch {
	case w.kind == refilling && w.rate > 0:
		return min(fromFloat(float64(w.budget)/w.rate), longestLimit)
	case w.kind == sliding && w.most > 0:
		return w.most
	case w.windows.length > 0:
		return w.windows.length
	case w.windows.opens.to.After(w.windows.opened.to):
		return w.windows.opens.to.Sub(w.windows.opened.to)
	}
	return guess
}

// end returns when the present window ends at the latest as far as is known, or when a limit of
// another kind has the next call to give.
func (w *limit) end(now time.Time, inFlight int) time.Time {
	if w.kind != windowed {
		return w.next(now, inFlight, 1)
	}
	if w.windows.opens.to.IsZero() {
		return w.windows.trial()
	}
	return w.windows.opens.to
}

// advance takes the window for a new one when it must have opened: all calls are available again,
// but for those in flight.
func (w *limit) advance(now time.Time) {
	if !w.known() || w.kind != windowed || w.assumed {
		return
	}
	if to := w.windows.opens.to; !to.IsZero() && !now.Before(to) {
		w.windows.idle = w.windows.since.IsZero()
		w.windows.exhaust(to, w.toldAt)
		w.assumed, w.remain = true, w.budget
	}
}

// room returns how many calls may leave now.
func (w *limit) room(now time.Time, inFlight int) float64 {
	room := float64(w.remain - inFlight - w.unanswered)
	if w.kind == sliding && w.most > 0 {
		return float64(w.budget - w.inside(now) - w.others)
	}
	if w.kind != windowed {
		room = min(room+w.gained(now), float64(w.budget-inFlight))
	}
	return room
}

// admits reports whether need calls are left, or one may try whether they are, and if not, when to ask
// again. led is that one tries already.
func (w *limit) admits(now time.Time, inFlight, need int, led bool) (ok bool, at time.Time) {
	if w.advance(now); w.assumed {
		return !led, time.Time{}
	}
	if w.kind == refilling || w.known() && w.size() <= reservationTime {
		need = 1 // what belongs to the call finds room soon after
	}
	room := w.room(now, inFlight) - float64(need)
	kept := w.othersShare(now) * max(0, w.end(now, inFlight).Sub(now).Seconds())
	if w.kind != windowed {
		kept = 0
	}
	if room >= kept {
		if w.kind == windowed || !w.since() {
			return true, time.Time{}
		}
		if !led {
			at := w.windows.trial() // it was refused a moment ago
			return !now.Before(at), laterThan(now, at)
		}
	}
	if led {
		return false, time.Time{}
	}
	if room >= 0 { // the share of others shrinks towards the end of the window
		return w.asks(now, laterThan(now, w.windows.opens.to.Add(-fromFloat(room/w.othersShare(now)))))
	}
	if w.kind != windowed {
		latest := w.latest()
		if inFlight == 0 && !now.Before(latest) {
			return true, time.Time{} // by all that was told there must be some
		}
		if at := w.next(now, inFlight, need); !at.IsZero() {
			if inFlight == 0 {
				at = sooner(at, latest)
			}
			if w.windows.since.IsZero() {
				return false, at
			}
			return false, later(at, w.windows.trial())
		}
	}
	if w.room(now, inFlight) >= 1 { // what is left does not suffice for the call and what belongs to it
		if w.windows.opens.to.IsZero() { // a limit that refills may never have room for both
			at := w.toldAt.Add(reservationTime)
			return !now.Before(at), at
		}
		return w.asks(now, w.windows.opens.to)
	}
	if inFlight > 0 && w.remain > w.unanswered { // those in flight tell, unless they are lost
		at := w.windows.opens.to
		if !w.windows.likely.IsZero() {
			at = w.windows.likely
		}
		if at.IsZero() {
			at = w.toldAt.Add(reservationTime)
		}
		if now.Before(at) {
			return false, at
		}
	}
	w.windows.exhaust(now, w.toldAt)
	at = w.windows.trial()
	return !now.Before(at), at
}

// asks reports whether a call is to see if the next window has opened, though some is left of this one
// that the call may not use before that time; and if not, when to ask again. What is told ends the
// window, not the latest time at which it can end: that may be a whole unit of the reset later.
// If it may end long before that, too, half of what is kept for newcomers serves to see it.
func (w *limit) asks(now, before time.Time) (bool, time.Time) {
	v := &w.windows
	at := v.likely
	if at.IsZero() {
		at = v.opens.to
	}
	switch from := later(v.opens.from, w.toldAt); {
	case at.IsZero():
		return false, before
	case !w.toldAt.Before(at): // it had not: the reset was rounded
		at = w.toldAt.Add(max(v.fine(), v.opens.to.Sub(at)/parts))
	case w.remain-w.unanswered > newMost/2 && !v.thrifty() && at.Sub(from) > max(2*v.fine(), 2*time.Second): // it may be rounded up
		at = from.Add(max(v.fine(), at.Sub(from)/parts))
	}
	if !at.Before(before) {
		return false, before
	}
	if now.Before(at) {
		return false, at
	}
	w.windows.exhaust(now, w.toldAt)
	return true, time.Time{}
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func laterThan(now, at time.Time) time.Time {
	if soon := now.Add(time.Millisecond); at.Before(soon) {
		return soon
	}
	return at
}

// left returns how many calls can still leave in this window.
func (w *limit) left(now time.Time, inFlight int) int {
	room := w.room(now, inFlight)
	if w.kind == windowed {
		room -= math.Ceil(w.othersShare(now) * max(0, w.windows.opens.to.Sub(now).Seconds()))
	}
	return max(0, int(room))
}

// update applies a reading. counted is false for a 429; inFlight is the number of calls in flight
// without this one; departed is the number of the last call that left.
func (w *limit) update(now time.Time, t Ticket, l Limits, c clock, counted bool, inFlight int, departed int64) {
	if t.number < w.from {
		return // the window, or the limit, is a past one
	}
	if l.dated {
		w.farthest = max(w.farthest, l.stampAt(t.left, c.ahead).Sub(t.left))
		w.windows.most = w.farthest + 3*l.unit/4
	}
	w.windows.unit = l.unit
	if counted {
		w.windows.counted++
		w.row = 0
	} else {
		w.forget(t.left)
	}
	switch {
	case !w.known():
		w.startedAt, w.base = now, -1
		w.windows.restart(t.left)
		w.begin(t, l, departed)
		if !counted && l.Remaining == 0 {
			w.windows.exhaust(now, t.left)
			w.windows.refuse(t.left)
		}
	case l.Limit != w.budget && w.kind == windowed && !l.stamp.Before(w.stamp):
		w.changed(now, t, l, departed)
	case !counted:
		w.refused(now, t, l, departed)
	case w.kind != windowed:
		w.follow(t, l, now.Sub(t.left))
		w.tell(t, l, now.Sub(t.left))
	case (w.led(t) || w.assumed && l.Remaining > 0 && t.left.After(w.windows.opens.from)) && !w.goesOn(t, l):
		w.opened(now, t, l, departed)
	case w.assumed: // it tells of the window before
	default:
		if w.led(t) && w.remain > w.unanswered {
			w.windows.since = time.Time{}
		}
		if w.led(t) {
			w.windows.refused++
			w.windows.idle = w.windows.idle || w.windows.coarse() // it may be of the next window all the same
		}
		w.within(now, t, l, inFlight, departed)
	}
	w.hint(t, l, c)
	if counted {
		w.count(now, t, inFlight)
	}
}

// led reports whether the call tried if anything is left.
func (w *limit) led(t Ticket) bool { return t.leads && w.since() && !t.left.Before(w.windows.since) }

// goesOn reports whether the reading does not show that the next window has opened: it tells of the same
// one, and its operation's own count has not risen. If it must have opened, that counts only where the
// operation may have another count than those for which nothing was left.
func (w *limit) goesOn(t Ticket, l Limits) bool {
	if w.assumed && (t.operation.shares || !w.mixed) {
		return false
	}
	if w.budget < leastTold && !t.own.stamp.IsZero() && l.Remaining >= t.own.remaining {
		return false // counts so small tell nothing of each other
	}
	return l.stamp.Sub(w.stamp) <= l.unit/2 && !w.rose(t, l)
}

// rose reports whether the reading cannot be of the window of which its operation was told before. What
// another operation was told proves nothing: it may have another count.
func (w *limit) rose(t Ticket, l Limits) bool {
	return w.stamp.Sub(t.own.stamp) <= l.unit/2 && l.Remaining >= t.own.remaining
}

// begin begins to count from the reading.
func (w *limit) begin(t Ticket, l Limits, departed int64) {
	w.budget, w.stamp, w.assumed = l.Limit, l.stamp, false
	if w.first.left.IsZero() {
		w.first = sample{t.left, l.stamp, l.Limit - l.Remaining}
	}
	w.take(t, l)
	w.fix(t, departed)
}

// take takes in what is left as the call was told.
func (w *limit) take(t Ticket, l Limits) {
	w.remain, w.number, w.toldAt = l.Remaining, t.number, t.left
}

// fix sets the anchor at what is left now.
func (w *limit) fix(t Ticket, departed int64) {
	w.anchor.remain, w.anchor.number, w.anchor.counted, w.anchor.left = w.remain, departed, 0, t.left
}

// changed takes in that the other side changed the budget.
func (w *limit) changed(now time.Time, t Ticket, l Limits, departed int64) {
	w.rotate(now)
	w.othersRate, w.base, w.spent = 0, -1, 0
	if l.stamp.After(w.stamp) && w.since() {
		w.opened(now, t, l, departed)
	}
	w.from = departed
	w.begin(t, l, departed)
	w.windows.since = time.Time{}
}

func (w *limit) since() bool { return !w.windows.since.IsZero() }

// opened takes in the first answer of a window.
func (w *limit) opened(now time.Time, t Ticket, l Limits, departed int64) {
	w.rotate(now)
	if soon := t.left.Sub(w.windows.opened.to) <= finelyTold; soon && w.windows.coarse() && l.Remaining < w.budget/2 {
		w.windows.idle = true // so little is no window's beginning
	}
	w.windows.open(t.left, max(0, l.stamp.Sub(w.stamp)))
	w.begin(t, l, departed)
	w.base, w.spent = l.Limit, 0
}

// refused takes in a 429 that tells what is left.
func (w *limit) refused(now time.Time, t Ticket, l Limits, departed int64) {
	if l.Remaining > 0 {
		return // it was for another reason
	}
	if w.kind != windowed {
		w.follow(t, l, now.Sub(t.left))
		w.caution = min(0.1, w.caution+0.004)
		w.margin = min(w.most/20, w.margin+max(10*time.Millisecond, w.most/400))
		w.windows.opens.to = time.Time{}
		w.windows.exhaust(now, t.left)
		w.windows.refuse(t.left)
		if t.left.After(w.refusedAt) {
			w.refusedAt = now
			w.row++
		}
		if w.row >= mostWrong { // it is none of that kind
			w.apart()
			w.windows.restart(t.left)
			w.windows.exhaust(now, t.left)
			w.windows.refuse(t.left)
		}
		return
	}
	if t.number < w.number && !w.assumed {
		return
	}
	w.remain, w.number = 0, t.number
	w.assumed = false
	w.fix(t, departed)
	w.windows.exhaust(now, t.left)
	w.windows.refuse(t.left)
}

// within takes in an answer of the window, or what speaks against it.
func (w *limit) within(now time.Time, t Ticket, l Limits, inFlight int, departed int64) {
	credit := 0
	if t.number > w.anchor.number {
		credit = l.Remaining + 1 + t.counted - w.anchor.remain
		w.anchor.counted++
	}
	moved, own := l.stamp.Sub(w.stamp), w.stamp.Sub(t.own.stamp) <= l.unit/2
	rose := credit > 0 && w.rose(t, l)
	switch full := w.budget * 4 / 5; {
	case credit > 0 && !t.left.Before(w.windows.opens.from) && w.budget > 1 && (rose && l.Remaining+1 >= full ||
		moved > l.unit/2 && w.signs == 0 && l.Remaining+1+inFlight >= full):
		w.windows.exhaust(t.left, w.toldAt)
		w.opened(now, t, l, departed)
		return
	case rose && l.Remaining+1 >= full && t.left.Sub(w.windows.opened.to) > w.size()/4:
		// It opened long before it was expected: what was known of the length is wrong.
		w.windows.length, w.windows.about = 0, [2]time.Duration{}
		w.windows.opens = span{from: w.toldAt}
		w.windows.idle = true
		w.opened(now, t, l, departed)
		return
	case rose || credit > 0 && t.operation.shares:
		w.signs++
		w.take(t, l)
		w.fix(t, departed)
	case moved > l.unit && credit <= 0 && own && l.stamp.After(t.own.stamp) && t.number > w.number:
		w.signs++
	}
	if w.signs >= enoughSigns {
		w.move(now, t, l)
		return
	}
	if l.Remaining <= w.remain {
		w.take(t, l)
	}
	if w.remain <= 0 {
		w.windows.exhaust(now, w.toldAt)
	}
}

// hint takes in when the reset is told to be.
func (w *limit) hint(t Ticket, l Limits, c clock) {
	at := l.Reset
	if w.kind != windowed || w.assumed || !l.stamp.Equal(w.stamp) || at.Sub(t.left) > maxShut {
		return
	}
	if !l.dated {
		if w.windows.length == 0 && w.windows.likely.IsZero() && at.After(t.left) {
			w.windows.likely = at
		}
		return
	}
	slack := time.Second
	if c.settled() {
		slack = 250 * time.Millisecond
	}
	at = l.stampAt(t.left, c.ahead)
	w.windows.hint(at.Add(-l.unit-slack), at.Add(l.unit), at)
}
