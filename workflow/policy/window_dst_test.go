package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow/policy"
)

func clock(t *testing.T, text string) policy.Clock {
	t.Helper()
	at, err := time.Parse("15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Clock{Hour: at.Hour(), Minute: at.Minute()}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// On a night when clocks change the window opens and closes at the hours it names: at the first of two, and where the hour
// is skipped at the first moment after it.
func TestWindowOnTheNightsWhenClocksChange(t *testing.T) {
	const berlin, havana, beirut, johns = "Europe/Berlin", "America/Havana", "Asia/Beirut", "America/St_Johns"
	for _, tt := range []struct {
		zone, from, to string
		day            string // a moment before the opening, local
		opens, closes  string // RFC 3339, UTC
	}{
		{berlin, "19:00", "06:00", "2026-03-28T12:00:00", "2026-03-28T18:00:00Z", "2026-03-29T04:00:00Z"},
		{berlin, "19:00", "06:00", "2026-10-24T12:00:00", "2026-10-24T17:00:00Z", "2026-10-25T05:00:00Z"},
		{berlin, "02:30", "05:00", "2026-03-29T00:30:00", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"}, // skipped
		{berlin, "22:00", "02:30", "2026-03-28T12:00:00", "2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z"},
		{berlin, "02:15", "02:45", "2026-03-28T12:00:00", "2026-03-30T00:15:00Z", "2026-03-30T00:45:00Z"}, // the whole of it: not that day
		{berlin, "02:30", "05:00", "2026-10-25T00:30:00", "2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"}, // twice
		{berlin, "22:00", "02:30", "2026-10-24T12:00:00", "2026-10-24T20:00:00Z", "2026-10-25T00:30:00Z"},
		{berlin, "02:15", "02:45", "2026-10-25T00:30:00", "2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z"},
		{berlin, "02:00", "03:00", "2026-10-25T00:30:00", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"},
		{havana, "00:00", "06:00", "2026-03-07T12:00:00", "2026-03-08T05:00:00Z", "2026-03-08T10:00:00Z"}, // 00:00 is 01:00
		{havana, "00:30", "06:00", "2026-03-07T12:00:00", "2026-03-08T05:00:00Z", "2026-03-08T10:00:00Z"},
		{havana, "20:00", "00:30", "2026-03-07T12:00:00", "2026-03-08T01:00:00Z", "2026-03-08T05:00:00Z"},
		{havana, "00:30", "06:00", "2026-10-31T12:00:00", "2026-11-01T04:30:00Z", "2026-11-01T11:00:00Z"}, // 01:00 is 00:00
		{havana, "20:00", "00:30", "2026-10-31T12:00:00", "2026-11-01T00:00:00Z", "2026-11-01T04:30:00Z"},
		{beirut, "00:00", "06:00", "2026-03-28T12:00:00", "2026-03-28T22:00:00Z", "2026-03-29T03:00:00Z"},
		{beirut, "19:00", "00:00", "2026-10-24T12:00:00", "2026-10-24T16:00:00Z", "2026-10-24T22:00:00Z"}, // 24:00 is 23:00
		{beirut, "23:30", "01:00", "2026-10-24T12:00:00", "2026-10-24T20:30:00Z", "2026-10-24T23:00:00Z"},
		{beirut, "00:00", "06:00", "2026-10-24T12:00:00", "2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z"},
		{johns, "00:00", "06:00", "2010-11-06T12:00:00", "2010-11-07T02:30:00Z", "2010-11-07T09:30:00Z"}, // 00:01 is 23:01
	} {
		t.Run(fmt.Sprintf("%s %s to %s from %s", tt.zone, tt.from, tt.to, tt.day), func(t *testing.T) {
			w := policy.Window{From: clock(t, tt.from), To: clock(t, tt.to), Location: zone(t, tt.zone)}
			before, err := time.ParseInLocation("2006-01-02T15:04:05", tt.day, w.Location)
			if err != nil {
				t.Fatal(err)
			}
			for w.Open(before) { // a night's window may not be over
				before = before.Add(time.Minute)
			}
			opens := w.NextChange(before)
			closes := w.NextChange(opens)
			if got := opens.UTC().Format(time.RFC3339); got != tt.opens {
				t.Errorf("opens at %s, want %s", got, tt.opens)
			}
			if got := closes.UTC().Format(time.RFC3339); got != tt.closes {
				t.Errorf("closes at %s, want %s", got, tt.closes)
			}
		})
	}
}

// Over the days around each change of clocks, what the window says of a moment is what clocks showed until then, read minute by
// minute: an opening begins when they first show its hour or a later one, and ends likewise.
func TestWindowAgreesWithTheClocks(t *testing.T) {
	const around = 2 // days before and behind the change
	for _, change := range []struct {
		zone string
		days []time.Time // on which clocks change
	}{
		{"Europe/Berlin", []time.Time{date(2026, 3, 29), date(2026, 10, 25)}},
		{"America/Havana", []time.Time{date(2026, 3, 8), date(2026, 11, 1)}},
		{"Asia/Beirut", []time.Time{date(2026, 3, 29), date(2026, 10, 25)}},
		{"America/St_Johns", []time.Time{date(2010, 3, 14), date(2010, 11, 7)}},
		{"Australia/Lord_Howe", []time.Time{date(2026, 4, 5), date(2026, 10, 4)}}, // by half an hour
		{"Pacific/Apia", []time.Time{date(2011, 12, 30)}},                         // a whole day is skipped
		{"UTC", []time.Time{date(2026, 3, 29)}},
	} {
		location := zone(t, change.zone)
		for _, hours := range [][2]string{
			{"19:00", "06:00"},
			{"02:30", "05:00"},
			{"22:00", "02:30"},
			{"02:15", "02:45"},
			{"02:45", "02:15"},
			{"00:00", "06:00"},
			{"00:30", "00:10"},
			{"20:00", "00:00"},
			{"23:30", "00:30"},
			{"01:00", "03:00"},
			{"09:00", "17:00"},
			{"00:00", "23:59"},
		} {
			for _, days := range [][]time.Weekday{nil, {time.Saturday}, {time.Sunday, time.Monday, time.Friday}} {
				w := policy.Window{From: clock(t, hours[0]), To: clock(t, hours[1]), Days: days, Location: location}
				for _, day := range change.days {
					compareWithClocks(t, w, day.AddDate(0, 0, -around), day.AddDate(0, 0, around))
				}
			}
		}
	}
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// compareWithClocks reads the window's clock every minute from start to end, in UTC.
func compareWithClocks(t *testing.T, w policy.Window, start, end time.Time) {
	t.Helper()
	open := openMinutes(w, start, end)
	next := time.Time{} // the next change behind the minute, going back from the end
	for i, is := range slices.Backward(open) {
		at := start.Add(time.Duration(i) * time.Minute)
		if got := w.Open(at); got != is {
			t.Fatalf("%s %v: at %s open is %v, by the clocks %v", w.Location, w, at.In(w.Location), got, open[i])
		}
		if i+1 < len(open) && open[i] != open[i+1] {
			next = at.Add(time.Minute)
		}
		if next.IsZero() {
			continue
		}
		if got := w.NextChange(at); !got.Equal(next) {
			t.Fatalf("%s %v: after %s the next change is at %s, by the clocks at %s", w.Location, w, at.In(w.Location), got, next.In(w.Location))
		}
		first := at
		if !open[i] {
			first = next
		}
		if got := w.FirstOpen(at); !got.Equal(first) {
			t.Fatalf("%s %v: from %s it is first open at %s, by the clocks at %s", w.Location, w, at.In(w.Location), got, first.In(w.Location))
		}
	}
}

// openMinutes returns for each minute from start on whether the window is open, found by reading a clock of its zone.
func openMinutes(w policy.Window, start, end time.Time) []bool {
	open := make([]bool, int(end.Sub(start)/time.Minute))
	const lead = 3 * 24 * time.Hour // an opening may have begun before
	for day := start.Add(-lead); day.Before(end.Add(lead)); day = day.AddDate(0, 0, 1) {
		named := len(w.Days) == 0
		for _, d := range w.Days {
			named = named || d == day.Weekday()
		}
		if !named {
			continue
		}
		from := day.Add(time.Duration(w.From.Hour)*time.Hour + time.Duration(w.From.Minute)*time.Minute)
		to := day.Add(time.Duration(w.To.Hour)*time.Hour + time.Duration(w.To.Minute)*time.Minute)
		if to.Before(from) {
			to = to.AddDate(0, 0, 1)
		}
		opened, closed := false, false
		for m := day.Add(-lead); m.Before(day.Add(lead)); m = m.Add(time.Minute) {
			_, offset := m.In(w.Location).Zone()
			shown := m.Add(time.Duration(offset) * time.Second)
			opened = opened || !shown.Before(from)
			closed = closed || !shown.Before(to)
			if i := int(m.Sub(start) / time.Minute); opened && !closed && !m.Before(start) && i < len(open) {
				open[i] = true
			}
		}
	}
	return open
}
