package policy

import (
	"slices"
	"time"
)

// Window is when batches may run: on some days of the week, from one time of day to another, in a
// time zone. A window past midnight belongs to its first day. Where clocks change, an hour that comes
// twice is the first of the two, and one that is skipped the first moment after it. The zero Window
// is always open.
type Window struct {
	From, To Clock
	Days     []time.Weekday // none means every day
	Location *time.Location // nil means UTC
}

// Clock is a time of day.
type Clock struct{ Hour, Minute int }

// span is one opening of a window.
type span struct{ from, to time.Time }

func (w Window) always() bool { return w.From == w.To }

// onDay returns the opening that belongs to the day, ok false when there is none.
func (w Window) onDay(year int, month time.Month, day int) (s span, ok bool) {
	at := func(day int, c Clock) time.Time { return time.Date(year, month, day, c.Hour, c.Minute, 0, 0, time.UTC) }
	if len(w.Days) > 0 && !slices.Contains(w.Days, at(day, w.From).Weekday()) {
		return span{}, false
	}
	last := day
	if w.To.Hour*60+w.To.Minute < w.From.Hour*60+w.From.Minute {
		last++
	}
	s = span{firstShown(at(day, w.From), w.location()), firstShown(at(last, w.To), w.location())}
	return s, s.from.Before(s.to)
}

// firstShown returns the first moment at which clocks of the location show what wall shows in UTC:
// the first of two, and where it is skipped the first moment after it. (time.Date promises neither.)
func firstShown(wall time.Time, location *time.Location) time.Time {
	const farthest = 36 * time.Hour // more than any clock differs from UTC
	at := wall.Add(-farthest).In(location)
	for {
		start, end := at.ZoneBounds()
		_, offset := at.Zone()
		moment := wall.Add(-time.Duration(offset) * time.Second).In(location)
		switch {
		case !start.IsZero() && moment.Before(start):
			return start
		case end.IsZero() || moment.Before(end):
			return moment
		}
		at = end
	}
}

func (w Window) location() *time.Location {
	if w.Location == nil {
		return time.UTC
	}
	return w.Location
}

// after yields the openings that end after the moment, the earliest first, until yield returns
// false. There is one within eight days; for a window that never opens none.
func (w Window) after(t time.Time, yield func(span) bool) {
	year, month, day := t.In(w.location()).Date()
	const farthest = 400 // days; finish_within may be long
	for i := -1; i < farthest; i++ {
		s, ok := w.onDay(year, month, day+i)
		if ok && s.to.After(t) && !yield(s) {
			return
		}
	}
}

// Open reports whether batches may run at the moment.
func (w Window) Open(t time.Time) bool { return w.FirstOpen(t).Equal(t) }

// FirstOpen returns the first moment, from t on, at which the window is open; the zero time when it
// never is.
func (w Window) FirstOpen(t time.Time) (first time.Time) {
	if w.always() {
		return t
	}
	w.after(t, func(s span) bool {
		first = later(s.from, t)
		return false
	})
	return first
}

// NextChange returns when the window next opens or closes after the moment; the zero time when it
// never does.
func (w Window) NextChange(t time.Time) (next time.Time) {
	if w.always() {
		return time.Time{}
	}
	w.after(t, func(s span) bool {
		switch {
		case next.IsZero() && s.from.After(t):
			next = s.from
			return false
		case !next.IsZero() && s.from.After(next):
			return false
		}
		next = s.to // one that follows at once goes on with it
		return true
	})
	return next
}

// Reach returns the moment at which the window has been open for that long since t; the zero time
// when it is never.
func (w Window) Reach(t time.Time, long time.Duration) (end time.Time) {
	if w.always() {
		return t.Add(long)
	}
	w.after(t, func(s span) bool {
		from := later(s.from, t)
		if open := s.to.Sub(from); open < long {
			long -= open
			return true
		}
		end = from.Add(long)
		return false
	})
	return end
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
