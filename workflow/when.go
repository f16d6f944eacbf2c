package workflow

import (
	"fmt"
	"strings"
	"time"
)

// The bounds of what may be asked for.
const (
	// Farthest is how far ahead a moment may be, and how long something may last.
	Farthest = 90 * 24 * time.Hour
	// shortest is the least that something may last.
	shortest = time.Second
)

// When is the time that a batch was asked for: when its changes are made, and for how long they
// last. The zero When is at once, and for good.
//
// The database owns every moment. A batch keeps its When from the request on, and each of its steps
// says it, too (Step.At, Step.Until), so that it is part of what is approved. Nothing else is kept:
// whoever waits asks the clock on the wall again, at least every half a minute, so a restart, a
// clock that is put right and summer time need nothing of their own.
//
// The way back of what has an end is a batch of its own (LinkReturn), written in the transaction of
// the last approval; see package engine.
type When struct {
	At    time.Time     `json:"at,omitzero"`    // no change is made before it; zero: at once
	Until time.Time     `json:"until,omitzero"` // the end; zero: none, or For says it
	For   time.Duration `json:"for,omitempty"`  // the end, counted from the start of the run; whole seconds
	Zone  string        `json:"zone,omitempty"` // IANA name of the asker's time zone, for reading
}

// IsZero reports whether it says no time at all.
func (w When) IsZero() bool { return w.At.IsZero() && !w.Ends() }

// Ends reports whether what is done is taken back at some time.
func (w When) Ends() bool { return !w.Until.IsZero() || w.For != 0 }

// StepAt and StepUntil spell the times as steps have them: RFC 3339 in UTC with whole seconds,
// "+<seconds>" for what counts from the start of the run, "" for none.
func (w When) StepAt() string { return stepMoment(w.At) }

// StepUntil is the end as steps spell it.
func (w When) StepUntil() string {
	if w.For != 0 {
		return fmt.Sprintf("+%d", int64(w.For/time.Second))
	}
	return stepMoment(w.Until)
}

func stepMoment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// End returns when a batch that was started then ends, the zero time when it never does. A batch
// that has not been started (the zero time) and lasts from its start on has no end yet.
func (w When) End(started time.Time) time.Time {
	switch {
	case !w.Until.IsZero():
		return w.Until
	case w.For != 0 && !started.IsZero():
		return started.Add(w.For)
	}
	return time.Time{}
}

// WhenError says what is wrong with the time that somebody asked for.
type WhenError struct {
	Problem string // a clause without a full stop
}

func (e *WhenError) Error() string { return e.Problem }

// Check returns a *WhenError for times that cannot be asked for at the moment: what is past, over
// Farthest ahead, or over before it begins.
func (w When) Check(now time.Time) error {
	refuse := func(format string, args ...any) error { return &WhenError{fmt.Sprintf(format, args...)} }
	for _, m := range []struct {
		word string
		at   time.Time
	}{{"at", w.At}, {"until", w.Until}} {
		switch {
		case m.at.IsZero():
		case !m.at.After(now):
			return refuse("%s %s is past", m.word, w.spell(m.at))
		case m.at.After(now.Add(Farthest)):
			return refuse("%s %s is over 90 days ahead", m.word, w.spell(m.at))
		}
	}
	switch {
	case !w.Until.IsZero() && w.For != 0:
		return refuse("until and for are both there; keep one of the two")
	case !w.Until.IsZero() && !w.Until.After(w.At):
		return refuse("until %s is not later than at %s", w.spell(w.Until), w.spell(w.At))
	case w.For != 0 && (w.For < shortest || w.For%time.Second != 0):
		return refuse("for %s is not a time of whole seconds", w.For)
	case w.For > Farthest:
		return refuse("for %s is over 90 days", Lasting(w.For))
	}
	return nil
}

// CheckLasting returns a *WhenError where an action that may last so long would last longer: from At, or
// from now where it is made at once.
func (w When) CheckLasting(name ActionName, longest time.Duration, now time.Time) error {
	from := now
	if w.At.After(now) {
		from = w.At
	}
	if w.For <= longest && (w.Until.IsZero() || w.Until.Sub(from) <= longest) {
		return nil
	}
	what := "until " + w.spell(w.Until)
	if w.For != 0 {
		what = "for " + Lasting(w.For)
	}
	return &WhenError{fmt.Sprintf("%s is over the %s after which %s cannot be taken back", what, LastingWords(longest), name)}
}

// Passed reports whether one of the moments has passed, so that the same cannot be asked for again.
func (w When) Passed(now time.Time) bool {
	past := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	return past(w.At) || past(w.Until)
}

// Rest returns the time of what is left of a batch that was started then and is asked for again: the
// end stays the same moment.
func (w When) Rest(started, now time.Time) When {
	rest := When{At: w.At, Until: w.End(started), Zone: w.Zone}
	if rest.Until.IsZero() {
		rest.For = w.For
	}
	if !rest.At.After(now) {
		rest.At = time.Time{}
	}
	if rest.IsZero() {
		return When{}
	}
	return rest
}

// spell writes a moment in the zone of who asked.
func (w When) spell(t time.Time) string { return t.In(w.location()).Format("2006-01-02 15:04 MST") }

// location returns the zone of who asked, UTC where it is not known here.
func (w When) location() *time.Location {
	if zone, err := time.LoadLocation(w.Zone); err == nil {
		return zone
	}
	return time.UTC
}

// Words returns the times as they were understood, with date and zone: "at Tue 2026-12-01 18:00
// Europe/Berlin, for 8h". They are "" for the zero When.
func (w When) Words() string {
	var out []string
	long := func(t time.Time) string {
		zone := w.location()
		return t.In(zone).Format("Mon 2006-01-02 15:04 ") + zone.String()
	}
	if !w.At.IsZero() {
		out = append(out, "at "+long(w.At))
	}
	if !w.Until.IsZero() {
		out = append(out, "until "+long(w.Until))
	}
	if w.For != 0 {
		out = append(out, "for "+Lasting(w.For)+" from its start")
	}
	return strings.Join(out, ", ")
}

// Lasting spells how long something lasts, as people write it: "90m", "8h", "3d".
func Lasting(d time.Duration) string {
	n, unit := inUnits(d)
	return fmt.Sprintf("%d%s", n, unit[:1])
}

// LastingWords spells how long something lasts, as people say it: "90 minutes", "1 hour", "3 days".
func LastingWords(d time.Duration) string {
	n, unit := inUnits(d)
	if n != 1 {
		unit += "s"
	}
	return Number(int(n)) + " " + unit
}

// inUnits counts the largest unit that a duration is a whole number of, in seconds at least.
func inUnits(d time.Duration) (n time.Duration, unit string) {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= unit.of && d%unit.of == 0 {
			return d / unit.of, unit.name
		}
	}
	return d / time.Second, "second"
}
