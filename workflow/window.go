package workflow

import (
	"slices"
	"time"
)

// Window is when batches may run: on some days of the week, from one time of day to another, in a time zone. A window past
// midnight belongs to its first day. The zero Window is always open.
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

// onDay gives the opening that belongs to the day, ok false when there is none. A time that the day skips is the one that
// clocks show instead, as time.Date has it.
func (w Window) onDay(year int, month time.Month, day int) (s span, ok bool) {
	location := w.Location
	if location == nil {
		location = time.UTC
	}
	at := func(day int, c Clock) time.Time { return time.Date(year, month, day, c.Hour, c.Minute, 0, 0, location) }
	if noon := at(day, Clock{Hour: 12}); len(w.Days) > 0 && !slices.Contains(w.Days, noon.Weekday()) {
		return span{}, false
	}
	last := day
	if w.To.Hour*60+w.To.Minute < w.From.Hour*60+w.From.Minute {
		last++
	}
	s = span{at(day, w.From), at(last, w.To)}
	return s, s.from.Before(s.to)
}

// after gives the openings that end after the moment, the earliest first, until yield has enough. There is one within eight
// days; a window that never opens gives none.
func (w Window) after(t time.Time, yield func(span) bool) {
	if w.Location != nil {
		t = t.In(w.Location)
	} else {
		t = t.UTC()
	}
	year, month, day := t.Date()
	const farthest = 400 // days; finish_within may be long
	for i := -1; i < farthest; i++ {
		s, ok := w.onDay(year, month, day+i)
		if ok && s.to.After(t) && !yield(s) {
			return
		}
	}
}

// Open says whether batches may run at the moment.
func (w Window) Open(t time.Time) bool { return w.firstOpen(t).Equal(t) }

// firstOpen is the first moment, from t on, at which the window is open; the zero time when it never is.
func (w Window) firstOpen(t time.Time) (first time.Time) {
	if w.always() {
		return t
	}
	w.after(t, func(s span) bool {
		first = latest(s.from, t)
		return false
	})
	return first
}

// NextChange is when the window next opens or closes after the moment; the zero time when it never does.
func (w Window) NextChange(t time.Time) (next time.Time) {
	if w.always() {
		return time.Time{}
	}
	w.after(t, func(s span) bool {
		next = s.to
		if s.from.After(t) {
			next = s.from
		}
		return false
	})
	return next
}

// reach is the moment at which the window has been open for that long since t; the zero time when it is never.
func (w Window) reach(t time.Time, long time.Duration) (end time.Time) {
	if w.always() {
		return t.Add(long)
	}
	w.after(t, func(s span) bool {
		from := latest(s.from, t)
		if open := s.to.Sub(from); open < long {
			long -= open
			return true
		}
		end = from.Add(long)
		return false
	})
	return end
}
