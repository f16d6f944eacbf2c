package report

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // the zones are there wherever the tests run

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func schedule(t testing.TB, line, name string) *Schedule {
	t.Helper()
	s, err := ParseSchedule(line, zone(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScheduleRefuses(t *testing.T) {
	for _, line := range []string{
		"", "x", "0 2 * *", "0 2 * * * *", "61 2 * * *", "TZ=Europe/London", "CRON_TZ=UTC 0 2 * * *", "TZ=Local 0 2 * * *",
		"@every 5m", "0 2 30 2 *", "0 2 31 4,6 *",
	} {
		if s, err := ParseSchedule(line, time.UTC); err == nil {
			t.Errorf("%q was taken; it next fires at %v", line, s.Next(time.Now()))
		}
	}
	if _, err := ParseSchedule("0 2 * * *", nil); err == nil {
		t.Error("a schedule without a time zone was taken")
	}
}

func TestScheduleOnTheNightsOfSummerTime(t *testing.T) {
	for _, test := range []struct {
		line, zone, from string
		want             []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2027-03-27T00:00:00Z", // the clocks go from 02:00 to 03:00 on the 28th
			[]string{"2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"}},
		{
			"0 2 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z",
			[]string{"2027-03-28T03:00:00+02:00", "2027-03-29T02:00:00+02:00"},
		},
		{"30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", // the clocks go from 03:00 to 02:00 on the 31st
			[]string{"2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"}},
		{"0 2 * * *", "Europe/Berlin", "2027-10-31T00:30:00Z", // 02:30, the first time: not again at the second 02:00
			[]string{"2027-11-01T02:00:00+01:00"}},
		{"*/20 1-3 * * *", "Europe/Berlin", "2027-03-28T00:30:00Z", // all that was skipped is one moment
			[]string{"2027-03-28T01:40:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-28T03:20:00+02:00"}},
		{"0 * * * *", "Europe/Berlin", "2027-10-30T23:30:00Z", // each hour that passes
			[]string{"2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00", "2027-10-31T03:00:00+01:00"}},
		{"15 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", // midnight itself is skipped
			[]string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:15:00+03:00"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", // half an hour, from 02:00 to 02:30
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"0 2 29 2 *", "UTC", "2026-11-23T00:00:00Z", []string{"2028-02-29T02:00:00Z"}},
	} {
		s := schedule(t, test.line, test.zone)
		at, err := time.Parse(time.RFC3339, test.from)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range test.want {
			at = s.Next(at)
			got = append(got, at.In(s.Zone()).Format(time.RFC3339))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s in %s after %s (-want +got)\n%s", test.line, test.zone, test.from, diff)
		}
	}
}

// A daily line fires once on each date, in any zone, in any year, at the time it names unless the
// clocks skip that.
func TestScheduleFiresOnceADay(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/Havana",
		"Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Tehran", "Africa/Cairo", "Africa/Casablanca", "Pacific/Auckland",
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		year := rapid.IntRange(2000, 2036).Draw(t, "year")
		s, err := ParseSchedule(fmt.Sprintf("%d %d * * *", minute, hour), zone)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(year, 1, 1, 0, 0, 0, 0, zone).Add(-time.Nanosecond)
		for day := range 370 {
			next := s.Next(at)
			date := time.Date(year, 1, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
			local := next.In(zone)
			if got := local.Format(time.DateOnly); got != date {
				t.Fatalf("after %v comes %v, want one on %s", at, local, date)
			}
			named := time.Date(local.Year(), local.Month(), local.Day(), hour, minute, 0, 0, zone)
			exact := local.Hour() == hour && local.Minute() == minute
			skipped := named.Hour() != hour || named.Minute() != minute
			if exact == skipped {
				t.Fatalf("%v for %02d:%02d, which the clocks skip: %t", local, hour, minute, skipped)
			}
			if before := s.Next(next.Add(-time.Nanosecond)); !before.Equal(next) {
				t.Fatalf("just before %v comes %v", next, before)
			}
			at = next
		}
	})
}

func TestScheduleLast(t *testing.T) {
	s := schedule(t, "0 2 * * *", "Europe/Berlin")
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	today := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		after time.Time
		want  time.Time
	}{
		{now.Add(-1000 * 24 * time.Hour), today},
		{today.Add(-time.Second), today},
		{today, time.Time{}},
		{now, time.Time{}},
		{now.Add(time.Hour), time.Time{}}, // the clock was put back
	} {
		got, ok := s.Last(test.after, now)
		if !got.Equal(test.want) || ok == test.want.IsZero() {
			t.Errorf("after %v: %v, %t; want %v", test.after, got, ok, test.want)
		}
	}
	minutely := schedule(t, "* * * * *", "UTC")
	if got, ok := minutely.Last(now.AddDate(-50, 0, 0), now); !ok || !got.Equal(now) {
		t.Errorf("the last minute is %v, %t", got, ok)
	}
	if got, ok := schedule(t, "0 2 29 2 *", "UTC").Last(now.AddDate(-3, 0, 0), now); !ok || got.Year() != 2024 {
		t.Errorf("the last 29 February is %v, %t", got, ok)
	}
}
