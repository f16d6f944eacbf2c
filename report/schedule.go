package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// everyHour is how the parser marks an hour field of "*" (cron.SpecSchedule, the top bit).
const everyHour = 1 << 63

// Schedule is a cron line in a time zone. It reads the clock on the wall: a moment that summer time
// skips is taken where the clock goes on (02:30 becomes 03:00), one that comes twice is taken the
// first time, so that a line that names its hours fires once for each time it names, on these
// nights too. A line for every hour ("0 * * * *") follows the hours as they pass, of which such a
// day has 23 or 25.
type Schedule struct {
	line  string
	zone  *time.Location
	wall  *cron.SpecSchedule // in UTC, which stands for the clock on the wall
	hours *cron.SpecSchedule // in the zone, for lines for every hour
}

// ParseSchedule reads the five fields of a cron line, or a word like @daily. A time zone in the
// line is refused, as are @every, which has no moments of its own, and a line that never fires.
func ParseSchedule(line string, zone *time.Location) (*Schedule, error) {
	if zone == nil {
		return nil, errors.New("read a schedule: no time zone")
	}
	if strings.Contains(line, "TZ=") { // before the parser, which panics on a zone without fields (robfig/cron#554)
		return nil, fmt.Errorf("read schedule %q: the time zone is a setting of its own (timezone)", line)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, err := parser.Parse(line)
	if err != nil {
		return nil, fmt.Errorf("read schedule %q: %w", line, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("read schedule %q: @every is not supported; give the five fields of cron", line)
	}
	wall, hours := *spec, *spec
	wall.Location, hours.Location = time.UTC, zone
	if wall.Next(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("read schedule %q: it never fires", line)
	}
	return &Schedule{line: line, zone: zone, wall: &wall, hours: &hours}, nil
}

// String returns the line as it was given.
func (s *Schedule) String() string { return s.line }

// Zone returns the time zone in which the line is read.
func (s *Schedule) Zone() *time.Location { return s.zone }

// Next returns the first moment after t.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.wall.Hour&everyHour != 0 {
		return s.hours.Next(t.In(s.zone))
	}
	y, m, d := t.In(s.zone).Date()
	h, mi, sec := t.In(s.zone).Clock()
	// The moment of a wall time never lies before that of an earlier one, so that what is not later
	// than t on the wall need not be looked at.
	for w := time.Date(y, m, d, h, mi, sec, 0, time.UTC); ; {
		if w = s.wall.Next(w); w.IsZero() {
			return w
		}
		if at := onTheWall(w, s.zone); at.After(t) {
			return at
		}
	}
}

// Last returns the latest moment after `after` and not after now; ok is false when there is none.
func (s *Schedule) Last(after, now time.Time) (last time.Time, ok bool) {
	// Look at the last hour, then at twice as much, and so on: a line that fires each minute is not
	// walked through from the start of a long absence.
	for span := time.Hour; ; span *= 2 {
		from := now.Add(-span)
		if !from.After(after) || span < 0 {
			from = after
		}
		for at := s.Next(from); !at.IsZero() && !at.After(now); at = s.Next(at) {
			last, ok = at, true
		}
		if ok || from.Equal(after) {
			return last, ok
		}
	}
}

// onTheWall returns the moment at which the zone's clocks first show w (given as if in UTC); where
// they never do, the moment at which they are put forward over it.
func onTheWall(w time.Time, zone *time.Location) time.Time {
	at := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, zone)
	start, end := at.ZoneBounds()
	switch shown := showing(at); {
	case shown.Before(w): // time.Date took the offset of after the gap
		return end
	case shown.After(w): // or the one of before it
		return start
	case start.IsZero():
		return at
	}
	// The clocks show w at this moment; perhaps they did so before they were put back.
	_, offset := start.Add(-time.Second).Zone()
	if earlier := w.Add(-time.Duration(offset) * time.Second).In(zone); earlier.Before(start) && showing(earlier).Equal(w) {
		return earlier
	}
	return at
}

// showing returns what the clock on the wall shows at the moment, as if in UTC.
func showing(at time.Time) time.Time {
	y, m, d := at.Date()
	h, mi, sec := at.Clock()
	return time.Date(y, m, d, h, mi, sec, 0, time.UTC)
}
