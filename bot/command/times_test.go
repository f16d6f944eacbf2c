package command_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones are there wherever the tests run

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
)

func TestTimesOfCommands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]command.Times{
		"deactivate a@x.example at 18:00":                                 {At: "18:00"},
		"deactivate a@x.example AT monday 18:00 -- at 19:00":              {At: "monday 18:00"},
		"group add staff a@x.example until 2026-12-01 18:00 reason: help": {Until: "2026-12-01 18:00"},
		"suspend a@x.example b@x.example at tomorrow 9:00 for 8h":         {At: "tomorrow 9:00", For: "8h"},
		`set-name a@x.example "Ada For Real" for 3d`:                      {For: "3d"},
		"group remove for a@x.example":                                    {},
		"group remove for a@x.example for 90m":                            {For: "90m"},
		"deactivate a@x.example reason: gone at 18:00":                    {},
	} {
		got, err := command.Parse(text)
		if diff := cmp.Diff(want, got.Times); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
		if n := strings.Count(text, "@x.example"); len(got.Rows) != n {
			t.Errorf("%s: %d rows", text, len(got.Rows))
		}
	}
	for text, want := range map[string]string{
		"deactivate a@x.example at":                       "at needs a time after it; write it like 2026-12-01 18:00",
		"deactivate a@x.example at noon":                  "\"noon\" is not a time",
		"deactivate a@x.example at 24:00":                 "is not a time",
		"deactivate a@x.example at 2026-02-30 10:00":      "is not a time",
		"deactivate a@x.example for a while":              "is not a time; write it like 90m, 8h or 3d",
		"deactivate a@x.example at 18:00 at 19:00":        "at is there twice",
		"deactivate a@x.example until 18:00 for 8h":       "keep one of the two",
		"set-name a@x.example Ada For Real":               "is not a time",
		"remove a@x.example for 8h":                       "remove cannot be taken back",
		"revoke-tokens a@x.example until monday 18:00":    "revoke-tokens cannot be taken back",
		"deactivate a@x.example at 18:00 b@x.example":     "is not a time",
		"deactivate a@x.example for 99999999999999999999": "is not a time",
		"restore access for a@x.example":                  "\"a@x.example\" comes after for, which takes only a time",
		"suspend access for <mailto:a@x.example> for 3d":  "comes after for, which takes only a time",
	} {
		_, err := command.Parse(text)
		usage, is := errors.AsType[*command.UsageError](err)
		if !is || !strings.Contains(usage.Problem, want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Who names a time and nobody whom it is for lacks a word alone: the form has the time.
func TestTimesOfNobody(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]command.Times{
		"deactivate at 18:00":                            {At: "18:00"},
		"suspend until monday 18:00 reason: leave":       {Until: "monday 18:00"},
		"set-name at 18:00 for 8h":                       {At: "18:00", For: "8h"},
		"rename for 8h":                                  {For: "8h"},
		"invite at tomorrow 9:00 -- hello":               {At: "tomorrow 9:00"},
		"migrate-domain at 18:00":                        {At: "18:00"},
		"group add staff at 18:00":                       {At: "18:00"},
		"site group add main jira-users until mon 18:00": {Until: "mon 18:00"},
	} {
		_, err := command.Parse(text)
		usage, is := errors.AsType[*command.UsageError](err)
		if !is || usage.Missing == nil || usage.Missing.Times != want {
			t.Errorf("%s: %v, want a word missing and the times %+v", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"deactivate at noon":        "is not a time",
		"deactivate at":             "at needs a time after it",
		"remove for 8h":             "remove cannot be taken back",
		"restore for a@x.example":   "which takes only a time",
		"group add at a@x.example":  "",
		"group remove for until 3d": "is not a time",
	} {
		_, err := command.Parse(text)
		if usage, _ := errors.AsType[*command.UsageError](err); (err == nil) != (want == "") || err != nil && (usage.Missing != nil || !strings.Contains(usage.Problem, want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What clocks show is meant in the zone of who writes, also where clocks are put on or back.
func TestMoments(t *testing.T) {
	t.Parallel()
	zone := func(name string) *time.Location {
		at, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct{ zone, now, words, want string }{
		{"Europe/Berlin", "2026-11-30T16:59:00Z", "18:00", "2026-11-30T17:00:00Z"},
		{"Europe/Berlin", "2026-11-30T17:00:00Z", "18:00", "2026-12-01T17:00:00Z"},
		{"Europe/Berlin", "2026-11-30T10:00:00Z", "monday 18:00", "2026-11-30T17:00:00Z"},
		{"Europe/Berlin", "2026-11-30T18:00:00Z", "Mon 18:00", "2026-12-07T17:00:00Z"},
		{"Europe/Berlin", "2026-11-30T10:00:00Z", "sunday 9:05", "2026-12-06T08:05:00Z"},
		{"America/New_York", "2026-11-30T03:00:00Z", "tomorrow 9:00", "2026-11-30T14:00:00Z"}, // it is still the 29th there
		{"America/New_York", "2026-11-30T03:00:00Z", "2026-12-01 18:00", "2026-12-01T23:00:00Z"},
		{"UTC", "2026-11-30T03:00:00Z", "today 23:59", "2026-11-30T23:59:00Z"},
		// Clocks go from 2:00 to 3:00, and later from 3:00 back to 2:00.
		{"Europe/Berlin", "2026-03-20T10:00:00Z", "2026-03-29 02:30", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-03-20T10:00:00Z", "2026-03-29 03:00", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-03-20T10:00:00Z", "2026-03-29 01:59", "2026-03-29T00:59:00Z"},
		{"Europe/Berlin", "2026-10-20T10:00:00Z", "2026-10-25 02:30", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "2026-10-20T10:00:00Z", "2026-10-25 03:00", "2026-10-25T02:00:00Z"},
		{"America/New_York", "2026-03-01T10:00:00Z", "2026-03-08 02:00", "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-10-20T10:00:00Z", "2026-11-01 01:15", "2026-11-01T05:15:00Z"},
		{"Australia/Lord_Howe", "2026-09-20T10:00:00Z", "2026-10-04 02:10", "2026-10-03T15:30:00Z"}, // half an hour
		{"America/Sao_Paulo", "2018-10-20T10:00:00Z", "2018-11-04 00:30", "2018-11-04T03:00:00Z"},   // midnight is skipped
		{"Europe/Berlin", "2026-03-28T23:30:00Z", "tomorrow 0:10", "2026-03-29T22:10:00Z"},          // a day of 23 hours
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, times := range []command.Times{{At: c.words}, {Until: c.words}} {
			w, err := times.When(now, zone(c.zone))
			got := w.At
			if times.At == "" {
				got = w.Until
			}
			if err != nil || got.Format(time.RFC3339) != c.want || w.Zone != c.zone {
				t.Errorf("%s in %s at %s: %s %s, %v; want %s", c.words, c.zone, c.now, got, w.Zone, err, c.want)
			}
		}
	}
	now := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		times command.Times
		want  string
	}{
		{command.Times{At: "2026-11-30 10:59"}, "at 2026-11-30 10:59 CET is past"},
		{command.Times{At: "2026-11-30 11:00"}, "is past"},
		{command.Times{At: "2027-03-01 10:00"}, "is over 90 days ahead"},
		{command.Times{Until: "2027-03-01 10:00"}, "is over 90 days ahead"},
		{command.Times{At: "monday 18:00", Until: "monday 18:00"}, "is not later than at 2026-11-30 18:00 CET"},
		{command.Times{At: "tuesday 18:00", Until: "monday 18:00"}, "is not later"},
		{command.Times{For: "0s"}, "is not a time; write it like 90m"},
		{command.Times{For: "91d"}, "is over 90 days"},
		{command.Times{At: "noon"}, "is not a time"},
	} {
		_, err := c.times.When(now, zone("Europe/Berlin"))
		if _, is := errors.AsType[*workflow.WhenError](err); !is || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.times, err, c.want)
		}
	}
	w, err := command.Times{At: "18:00", For: "90m"}.When(now, zone("Europe/Berlin"))
	if err != nil || w.StepAt() != "2026-11-30T17:00:00Z" || w.StepUntil() != "+5400" ||
		w.Words() != "at Mon 2026-11-30 18:00 Europe/Berlin, for 90m from its start" {
		t.Errorf("%q %q %q %v", w.StepAt(), w.StepUntil(), w.Words(), err)
	}
}
