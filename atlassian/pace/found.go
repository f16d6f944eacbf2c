package pace

import (
	"math"
	"slices"
	"time"
)

const (
	// A limit that answers do not tell is one of windows if it stays shut for longShut at least, for
	// longPart of a window at least, and lets through fewCalls at least. Any other is as good as a
	// rate.
	longShut = 3 * time.Second
	longPart = 0.2
	fewCalls = 5

	// blip is how soon calls get through again after a 429 that has nothing to do with the window.
	blip = 2500 * time.Millisecond
	// leastSliding is the budget from which on a limit is found to slide.
	leastSliding = 20
	// atPoint is how near to one length after the first call, as a part of it, one that is given back
	// gets through, as trials are made then.
	atPoint = 50

	mostBlips = 3   // in a window
	blipPart  = 0.8 // of the budget: a 429 before was a blip if it was over so soon

	firstGap = 250 * time.Millisecond // before the first trial after a 429
	// mostExplore is after how many calls, at most, a budget is tried to be larger. It is tried soon at
	// first, and after twice as many calls each time that this is refused.
	mostExplore = 400
)

// found is what 429s have shown of a limit that the answers do not tell: a rate, or a budget and
// windows.
type found struct {
	pacer    pacer
	windowed bool
	slides   bool          // the windows slide
	margin   time.Duration // that is added to their length then
	budget   int           // of a window; 0: unknown
	windows  windows
	used     int         // calls let through since the present window opened
	blips    int         // in the present window
	seen     bool        // the present window was seen to open
	since    int         // calls let through since the budget was last found to be no larger
	every    int         // calls after which it is tried again
	beyond   int         // calls let through in a row that the budget did not allow
	ledger   []time.Time // when the calls of the last windows left

	before time.Time // when the window before the present one began, of which less was left than of others; zero: it was not
	grewAt time.Time // when a call was let through that the budget did not allow

	back      time.Time // when the next call is given back of a budget that was used up when one was refused; zero: unknown
	rate      float64   // at which calls left when nothing was left
	refusedAt time.Time // when the first call left that was refused then
	sumUsed   float64   // of the last short cycles
	sumTook   float64
}

func newFound(r Rate) found {
	return found{pacer: newPacer(r), windows: windows{first: firstGap, spare: 12}}
}

// shut reports whether nothing is left of the window.
func (f *found) shut() bool { return !f.windows.since.IsZero() }

// admits reports whether a call may leave that needs so much room for itself and what belongs to it, and if
// not, when to ask again.
func (f *found) admits(now time.Time, inFlight, need int) (bool, time.Time) {
	if f.shut() {
		return true, time.Time{} // it is a trial
	}
	if !f.windowed {
		return f.pacer.mayLeave(now)
	}
	explores := f.since >= max(f.every, f.budget) && (inFlight == 0 || inFlight < f.beyond)
	if length := f.windows.length + f.margin; f.slides {
		over := f.inside(now, length) + inFlight + need - 1 - f.budget
		if over < 0 || over >= len(f.ledger) {
			return true, time.Time{}
		}
		from := len(f.ledger) - f.inside(now, length)
		if from+over >= len(f.ledger) {
			return false, time.Time{}
		}
		back := f.ledger[from+over].Add(length)
		if explores && back.Sub(now) >= longShut { // else it may be a call that is given back
			return true, time.Time{}
		}
		return false, laterThan(now, back)
	}
	if to := f.windows.opens.to; !to.IsZero() && !now.Before(to) {
		f.windows.idle = true
		f.exhaust(to, f.lastPassed()) // a trial shows whether the next one has opened
		return false, laterThan(now, now)
	}
	if f.budget == 0 || f.used+inFlight+need-1 < f.budget {
		return f.pacer.mayLeave(now)
	}
	from := f.windows.opens.from
	if f.used+inFlight < f.budget { // just before the next one, what belongs to the call finds room there
		from = from.Add(-f.windows.fine())
		return !now.Before(from), from
	}
	if explores && (f.windows.length == 0 || now.Before(from)) { // else the next one may have opened
		return true, time.Time{}
	}
	if inFlight == 0 {
		f.exhaust(now, f.lastPassed())
		return false, laterThan(now, f.windows.trial())
	}
	return false, time.Time{}
}

func (f *found) exhaust(now, seen time.Time) {
	f.windows.first = max(firstGap, min(6*time.Second/5, fromFloat(1/f.pacer.rate)))
	if f.windowed || f.pacer.slowStart {
		f.windows.first = firstGap
	}
	f.windows.exhaust(now, seen)
}

// lastPassed returns when the latest call left that was let through.
func (f *found) lastPassed() time.Time {
	if len(f.ledger) == 0 {
		return time.Time{}
	}
	return f.ledger[len(f.ledger)-1]
}

// passed notes that a call was let through.
func (f *found) passed(left time.Time) {
	f.used++
	f.since++
	f.windows.counted++
	i := len(f.ledger)
	for i > 0 && f.ledger[i-1].After(left) {
		i--
	}
	f.ledger = slices.Insert(f.ledger, i, left)
	if len(f.ledger) > mostLedger {
		f.ledger = f.ledger[len(f.ledger)-mostLedger/2:]
	}
	used := f.used
	if f.slides { // the oldest may have been given back a little before
		used = f.inside(left, f.windows.length-max(50*time.Millisecond, f.windows.length/200))
	}
	if f.windowed && f.budget > 0 && used > f.budget {
		f.budget = used
		f.beyond++
		f.grewAt = left
	}
}

// spent returns how much of the budget is used up at that time.
func (f *found) spent(at time.Time) int {
	if f.slides {
		return f.inside(at, f.windows.length)
	}
	return f.used
}

// refused notes a 429; rate is how fast calls left, first that it is the first in a row, and inFlight how
// many calls may have been counted, too.
func (f *found) refused(now, left time.Time, first bool, rate float64, inFlight int) {
	if first && !f.shut() {
		f.rate, f.refusedAt = rate, left
		if f.slides || f.windowed && float64(f.used) < blipPart*float64(f.budget) {
			f.windows.quick = quickTrials + 1
		}
	}
	n := f.spent(left)
	if first && f.windowed && n >= f.budget {
		f.since, f.every = 0, min(mostExplore, 2*max(f.every, f.budget))
	}
	if f.slides && float64(n+inFlight) >= blipPart*float64(f.budget) {
		f.back = later(f.givenBack(left), left.Add(firstGap))
	}
	f.beyond = 0
	f.exhaust(now, left)
	f.windows.refuse(left)
}

// givenBack returns when the next call after that time is given back of windows that slide.
func (f *found) givenBack(after time.Time) time.Time {
	length := f.windows.length + f.margin
	i, _ := slices.BinarySearchFunc(f.ledger, after.Add(-length+1), time.Time.Compare)
	if i == len(f.ledger) {
		return after
	}
	return f.ledger[i].Add(length)
}

// trial returns when the next call may try whether anything is left.
func (f *found) trial() time.Time {
	if f.slides && f.windows.last.Before(f.back) {
		return f.back
	}
	return f.windows.trial()
}

// opened notes that a call got through after 429s.
func (f *found) opened(left time.Time, wasRefused bool) {
	if !f.shut() {
		return
	}
	shut := left.Sub(f.windows.since)
	if f.slides {
		shut = left.Sub(f.refusedAt)
	}
	used := f.spent(f.refusedAt)
	early := f.slides || f.blips < mostBlips && !f.due(left)
	foretold := f.slides && !f.back.IsZero() && left.Sub(f.back) <= blip
	back := f.back
	f.back = time.Time{}
	if f.windowed && wasRefused && f.budget > 0 && (shut <= blip || foretold) && early &&
		(f.windows.length > 0 || float64(used) < blipPart*float64(f.budget)) {
		f.blips++
		f.windows.since, f.windows.quick = time.Time{}, 0 // it had nothing to do with the window, or the windows slide
		if f.slides && back.Sub(f.refusedAt) < longShut { // else a larger budget was tried
			f.margin = min(f.windows.length/20, f.margin+20*time.Millisecond)
		}
		f.slides = f.slides || f.looksSliding(f.refusedAt)
		f.windows.predict()
		return
	}
	f.before = time.Time{}
	f.windows.idle = f.windows.idle || f.slides // nobody saw windows open
	f.slides = false
	was, due := f.windows.opened, f.windowed && f.due(left) && float64(used) >= blipPart*float64(f.budget)
	took := left.Sub(was.to)
	f.windows.open(left, 0)
	long := due || shut >= longShut && shut.Seconds() >= longPart*took.Seconds()
	switch {
	case long && (used >= fewCalls || f.windowed && f.budget >= fewCalls):
		if f.windowed && f.seen && (wasRefused || f.budget == 0) {
			if used < f.budget {
				f.before = was.to
			}
			f.budget = used
		}
		if !f.windowed {
			f.windowed, f.budget, f.since, f.every = true, max(used, fewCalls), 0, 0
			f.sumUsed, f.sumTook = 0, 0
			f.slides = f.gaveBack(used)
		}
		f.pacer.off = true
	case long: // so few got through that they show no rate
		f.windowed, f.slides, f.budget = false, false, 0
		f.pacer.restart()
		f.windows.restart(left)
		f.windows.length, f.windows.about = 0, [2]time.Duration{}
	case wasRefused || !f.windowed:
		f.windowed, f.slides, f.budget = false, false, 0
		f.sumUsed, f.sumTook = 0.8*f.sumUsed+float64(used), 0.8*f.sumTook+took.Seconds()
		if used >= fewCalls && f.windows.opened.from.After(was.to) { // it opened between then and the call that showed it
			took = f.windows.opened.middle().Sub(was.to)
		}
		measured, since := 0.0, took-shut
		switch {
		case !f.seen && (used < fewCalls || was.to.IsZero()):
			f.sumUsed, f.sumTook = 0, 0
			if shut > 0 {
				measured = max(1, float64(used)) / max(took, shut).Seconds()
			}
		case used >= fewCalls:
			measured = float64(used) / took.Seconds()
		case f.sumTook > 0:
			measured = f.sumUsed / f.sumTook
		}
		f.pacer.backOff(f.rate, measured, shut, since)
		f.windows.restart(left)
		f.windows.length, f.windows.about = 0, [2]time.Duration{}
	}
	f.used, f.seen, f.blips = 0, true, 0
}

// due reports whether the next window may have opened by then.
func (f *found) due(left time.Time) bool {
	return !f.windows.opened.from.IsZero() && f.windows.length > 0 && !left.Before(f.windows.opened.from.Add(f.windows.length))
}

// gaveBack reports whether the window opened one of the usual lengths after the first of so many calls
// that used it up, as it does if the windows slide, and notes that length. Where it is chance, nothing
// is lost but the rest of that window: calls that leave one length after those before them are within
// windows of that length, wherever they begin.
func (f *found) gaveBack(used int) bool {
	if used < leastSliding || used > len(f.ledger) {
		return false
	}
	took := f.windows.opened.to.Sub(f.ledger[len(f.ledger)-used])
	for _, u := range usual {
		if u > longShut && took >= u && took <= u+u/atPoint {
			f.windows.length = u
			return true
		}
	}
	return false
}

// looksSliding reports whether as many calls as the budget were made within one length before that
// time, as there are if the windows slide. It finds the length if that is unknown.
func (f *found) looksSliding(left time.Time) bool {
	length := f.windows.length
	if length == 0 && len(f.ledger) > 0 && len(f.ledger) < mostLedger/2 {
		first := f.ledger[0] // which was given back when the window opened
		for _, u := range usual {
			const about = 100 * time.Millisecond
			if u >= f.windows.opened.from.Sub(first)-about && u <= f.windows.opened.to.Sub(first)+about {
				length = u
			}
		}
	}
	for _, u := range usual {
		if length == 0 && u > longShut && math.Abs(float64(f.inside(left, u)-f.budget)) <= 0.03*float64(f.budget)+1 {
			length = u
		}
	}
	if f.budget < leastSliding || length == 0 || math.Abs(float64(f.inside(left, length)-f.budget)) > 0.1*float64(f.budget)+2 {
		return false
	}
	f.windows.length = length
	return true
}

// inside returns how many calls that were let through left in the length up to that time.
func (f *found) inside(at time.Time, length time.Duration) int {
	from, _ := slices.BinarySearchFunc(f.ledger, at.Add(-length), time.Time.Compare)
	to, _ := slices.BinarySearchFunc(f.ledger, at.Add(1), time.Time.Compare)
	return max(0, to-from)
}

// begin notes that calls begin to leave after a time without any.
func (f *found) begin(now time.Time) {
	if f.shut() || f.windowed {
		return
	}
	f.used, f.seen = 0, false
	f.windows.restart(now)
}
