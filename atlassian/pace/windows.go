package pace

import "time"

// span is a time that lies after from, and not after to. A zero to means that nobody knows.
type span struct{ from, to time.Time }

func (s span) middle() time.Time { return s.from.Add(s.to.Sub(s.from) / 2) }

// windows is when the windows of a limit open: each is known to lie in a span, which the next
// windows narrow. All times are those at which calls left, so that a steady latency cancels out.
type windows struct {
	length time.Duration    // from one opening to the next; 0: unknown
	about  [2]time.Duration // between these it lies, while it is measured
	opened span             // the present one
	opens  span             // the next one
	likely time.Time        // when the next one opens if what was told is exact; zero: unknown

	since time.Time     // nothing was left from then on; zero: some is
	step  time.Duration // between two trials in the span
	gap   time.Duration // between two trials where there is no span
	first time.Duration // the first gap

	unit  time.Duration // to which resets are written; 0: none are told
	most  time.Duration // that the length can be, as resets were never told to be further away; 0: unknown
	idle  bool          // the present window passed before it was used up, and perhaps others since
	quick int           // trials still to be made soon after each other, as the window may not be used up
	last  time.Time     // when the latest call that was refused left

	// A limit that slides or refills and is of a call or two opens one length after the latest call, however
	// often an earlier trial is made: then the windows follow the calls.
	tried   bool          // in vain, in the present span
	ends    int           // windows in a row that were open at the end of their span and not before
	follows bool          // they do so
	slack   time.Duration // that is added to their length then

	counted, refused int // calls let through, and trials in vain
	spare            int // trials in vain that are allowed for each 1,000 calls
}

const (
	// fineness is how near an opening is known, as a part of the length, that no trial is worth it.
	fineness = 40
	// finelyTold is the length up to which resets, which are rounded to seconds, do not tell it.
	finelyTold = 5 * time.Second
	// longestGap is between two trials at most.
	longestGap = 5 * time.Minute
	// quickTrials is how many trials are made soon where a window should not be used up.
	quickTrials = 3
	// enoughEnds is how many windows in a row open at the end of their span for them to follow the calls.
	enoughEnds = 3
	// parts is into how many steps a span is cut for trials.
	parts = 4
)

// exhaust notes that nothing is left of the window. seen is when the latest call left that the window
// let through: nobody saw whether the next one opened between then and now.
func (w *windows) exhaust(now, seen time.Time) {
	if w.since.IsZero() {
		w.since, w.step, w.gap = now, 0, w.first
		if w.opens.from.Before(seen) {
			w.opens.from = seen
		}
	}
}

// fine returns how near an opening need be known.
func (w *windows) fine() time.Duration {
	length := w.length
	if length == 0 {
		length = w.opens.to.Sub(later(w.opened.to, w.since))
	}
	return max(50*time.Millisecond, length/fineness)
}

// coarse reports whether windows may be far shorter than the unit to which their resets are written.
func (w *windows) coarse() bool { return w.unit > finelyTold && w.length < w.unit }

// thrifty reports whether trials in vain have used up what is allowed.
func (w *windows) thrifty() bool { return 1000*(w.refused-5) > w.spare*w.counted }

// trial returns when the next call may try whether the next window has opened.
func (w *windows) trial() time.Time {
	if w.quick > 0 {
		return w.last.Add(w.first << (quickTrials - w.quick))
	}
	from, to := w.opens.from, w.opens.to
	if !to.IsZero() && w.follows {
		return to
	}
	if to.IsZero() || !to.After(from) {
		next := later(from, w.since).Add(w.gap)
		if point, ok := w.usualPoint(from); ok && w.likely.IsZero() {
			return point
		}
		if w.likely.After(from) && w.likely.Before(next.Add(w.gap)) {
			return w.likely
		}
		if w.opened.from.IsZero() { // a limit that slides gives back the first call
			for _, u := range usual {
				if point := w.opened.to.Add(u + u/100); u >= time.Minute && point.After(from) && point.Before(next) {
					return point
				}
			}
		}
		return next
	}
	if w.likely.After(from) && w.likely.Before(to) { // what was told is more likely than what lies beyond
		if to = w.likely; to.Sub(from) <= max(2*w.fine(), 2*time.Second) {
			return to
		}
	}
	width := to.Sub(from)
	if width <= w.fine() || w.thrifty() {
		return to
	}
	switch {
	case w.length == 0 && w.coarse():
		w.step = max(w.step, min(width/parts, max(w.first, 2*from.Sub(w.opened.to))))
	case w.step == 0:
		w.step = width / parts
	}
	if next := from.Add(w.step); to.Sub(next) > w.fine() {
		return next
	}
	return to
}

// usualPoint returns when the next window opens if the windows have the shortest of the usual lengths
// that it may have.
func (w *windows) usualPoint(from time.Time) (time.Time, bool) {
	if w.length > 0 || w.opened.from.IsZero() || w.opened.to.Sub(w.opened.from) > w.gap+time.Second {
		return time.Time{}, false
	}
	for _, u := range usual {
		if point := w.opened.to.Add(u); point.After(from) && u >= w.about[0] && point.Sub(from) <= longestGap {
			return point, true
		}
	}
	return time.Time{}, false
}

// refuse notes that a call that left then was refused, as nothing was left.
func (w *windows) refuse(left time.Time) {
	w.refused++
	w.quick, w.last = max(0, w.quick-1), left
	w.tried = w.tried || !w.opens.to.IsZero()
	late := !w.opens.to.IsZero() && !left.Before(w.opens.to)
	switch {
	case late: // it opens later than anything said
		if left.Sub(w.opens.to) > w.length/20 {
			w.about[0] = max(w.about[0], min(left.Sub(w.opened.to), w.length+w.length/10))
		}
		w.since, w.gap, w.opens.to = w.opens.to, min(w.first, max(50*time.Millisecond, w.length/20)), time.Time{}
		w.slack = min(w.length/20, w.slack+max(10*time.Millisecond, w.length/400))
	case w.opens.to.IsZero():
		growth := time.Duration(3)
		if w.thrifty() {
			growth = 2
		}
		w.gap = min(max(w.gap, left.Sub(w.since)/growth), longestGap)
	}
	if left.After(w.opens.from) {
		w.opens.from = left
	}
}

// hint notes that the next window opens in that span, as an answer says.
func (w *windows) hint(from, to, likely time.Time) {
	if to.Before(w.opens.from) || w.length > 0 && to.Sub(from) > 2*w.length {
		return // it did not, or that is too coarse for windows so short
	}
	if from.After(w.opens.from) {
		w.opens.from = from
	}
	if w.opens.to.IsZero() || to.Before(w.opens.to) {
		w.opens.to = to
	}
	w.likely = likely
}

// open notes that a window has opened, from which a call that left then was the first one known.
// It returns how long the one before it was, at least and at most; 0 when that is unknown.
func (w *windows) open(left time.Time, told time.Duration) {
	was := w.opened
	switch early := !w.opens.to.IsZero() && left.Before(w.opens.to); {
	case early:
		w.ends, w.follows = 0, false
	case w.tried:
		w.ends++
		w.follows = w.follows || w.ends >= enoughEnds && w.length > 0 && w.length <= finelyTold
	}
	w.tried = false
	w.opened = span{w.opens.from, left}
	if w.opened.from.After(left) {
		w.opened.from = left
	}
	if w.idle { // nobody saw it open, nor others that passed since
		w.opened = w.foretold(left)
	}
	switch {
	case was.to.IsZero() || w.since.IsZero() || w.idle || w.follows:
	case !was.from.IsZero():
		w.measure(w.opened.from.Sub(was.to), left.Sub(was.from), told)
	case told > w.opened.from.Sub(was.to) && !w.coarse(): // nobody saw the one before open
		w.measure(w.opened.from.Sub(was.to), told, told)
	default:
		w.about[0] = w.opened.from.Sub(was.to)
	}
	w.since, w.likely, w.step, w.quick, w.idle = time.Time{}, time.Time{}, 0, 0, false
	w.predict()
}

// foretold returns when the window opened that is there at that time, by what is known of earlier ones.
func (w *windows) foretold(at time.Time) span {
	if w.length == 0 || w.opens.from.IsZero() || w.opens.to.IsZero() {
		return span{to: at}
	}
	since := at.Sub(w.opens.from).Truncate(w.length)
	return span{w.opens.from.Add(since), sooner(at, w.opens.to.Add(since))}
}

// predict says when the next window opens.
func (w *windows) predict() {
	w.opens = span{from: w.opened.to.Add(w.about[0] * 9 / 10)}
	switch {
	case w.length > 0 && w.follows:
		w.opened.from = w.opened.to
		w.opens = span{w.opened.to.Add(w.length + w.slack), w.opened.to.Add(w.length + w.slack)}
	case w.length > 0:
		w.opens = span{w.opened.from.Add(w.length), w.opened.to.Add(w.length)}
		if w.opened.from.IsZero() {
			w.opens.from = w.opened.to
		}
	case w.about[1] > 0 && !w.opened.from.IsZero():
		w.opens = span{w.opened.from.Add(w.about[0]), w.opened.to.Add(w.about[1])}
	}
}

// restart begins a first window.
func (w *windows) restart(left time.Time) {
	w.opened, w.opens, w.likely, w.since, w.step = span{to: left}, span{from: left}, time.Time{}, time.Time{}, 0
}

// usual are lengths that windows have.
var usual = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// measure takes in that a window was so long, at least and at most, and what its resets tell of it
// (0: nothing).
func (w *windows) measure(least, most, told time.Duration) {
	slack := max(20*time.Millisecond, most/500)
	least, most = least-slack, most+slack
	for _, u := range usual {
		if (u-told).Abs() <= 2*time.Second && u > finelyTold && u >= least && u <= most {
			told = u
		}
	}
	if told > finelyTold && told >= least && told <= most {
		w.length, w.about = told, [2]time.Duration{least, most}
		return
	}
	if w.about[1] > 0 && least <= w.about[1] && most >= w.about[0] {
		least, most = max(least, w.about[0]), min(most, w.about[1])
	}
	w.about = [2]time.Duration{max(least, 0), most}
	if w.length >= least && w.length <= most {
		return
	}
	w.length = 0
	for _, u := range usual {
		if u >= least && u <= most && (w.most == 0 || u <= w.most) {
			w.length = u // the shortest: a trial too early costs less than waiting for twice the time
			break
		}
	}
}
