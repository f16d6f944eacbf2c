package engine

import (
	"context"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// remembered is a store that knows one deletion, and what the nights have seen.
type remembered struct {
	workflow.Store
	change *workflow.Change
	seen   []workflow.SeenStatus
	logged []workflow.Logged
}

// past is what a store remembers of accounts.
type past struct {
	Past
	remembered
}

func (p past) Sightings(context.Context, string) ([]workflow.Sighting, error) { return nil, nil }

func (p past) TrailOf(context.Context, string, []string) (workflow.Trail, error) {
	return workflow.Trail{Events: p.logged}, nil
}

func (r remembered) Deleted(context.Context, string) (*workflow.Change, error) { return r.change, nil }

func (r remembered) StatusSeen(context.Context, string) ([]workflow.SeenStatus, error) {
	return r.seen, nil
}

// What an account was before its deletion: by our own batch as long as that deletion can be the one,
// else by the nights, which cannot tell a deactivation of the last 14 days from the deletion.
func TestEarlierStatus(t *testing.T) {
	const day = 24 * time.Hour
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	ours := func(status workflow.AccountStatus, since time.Duration) *workflow.Change {
		return &workflow.Change{Called: ago(since), Steps: []workflow.Step{{Expect: workflow.Of(workflow.FieldStatus, string(status))}}}
	}
	seen := func(status workflow.AccountStatus, first time.Duration) []workflow.SeenStatus {
		return []workflow.SeenStatus{{Status: status, First: ago(first), Last: ago(day / 2)}}
	}
	logged := func(toward workflow.Toward, since time.Duration) workflow.Logged {
		fits := []workflow.Field{workflow.FieldStatus, workflow.FieldGone, workflow.FieldBillable, workflow.FieldProducts}
		return workflow.Logged{At: ago(since), Fits: fits, Toward: toward}
	}
	less, more := workflow.TowardLess, workflow.TowardMore
	turned := func(toward workflow.Toward, since time.Duration) workflow.Logged {
		fits := []workflow.Field{workflow.FieldStatus, workflow.FieldBillable, workflow.FieldProducts}
		return workflow.Logged{At: ago(since), Fits: fits, Toward: toward}
	}
	nights := []workflow.SeenStatus{
		{Status: workflow.StatusInactive, First: ago(2 * day), Last: ago(day / 2)},
		{Status: workflow.StatusActive, First: ago(40 * day), Last: ago(3 * day)},
	}
	between, later := 5*day/2, 9*day/4
	both := append(seen("inactive", day), seen("active", 40*day)...)
	deactivated := append(seen("inactive", 5*day), seen("active", 40*day)...)
	for name, test := range map[string]struct {
		store remembered
		want  workflow.AccountStatus
		since bool
	}{
		"ours, active before":              {remembered{change: ours("active", day), seen: seen("inactive", 40*day)}, "active", true},
		"ours, inactive before":            {remembered{change: ours("inactive", 13*day), seen: seen("active", 40*day)}, "inactive", true},
		"ours, of an earlier time":         {remembered{change: ours("inactive", 20*day), seen: seen("active", day)}, "active", false},
		"active in the last night":         {remembered{seen: seen("active", day)}, "active", false},
		"inactive for a month":             {remembered{seen: seen("inactive", 30*day)}, "inactive", false},
		"inactive since yesterday":         {remembered{seen: seen("inactive", day)}, "", false},
		"shown as closed since last night": {remembered{seen: seen("closed", day)}, "", false},
		"never seen":                       {remembered{}, "", false},

		"logged, never seen":           {remembered{logged: []workflow.Logged{logged(less, day)}}, "", true},
		"logged, active until then":    {remembered{seen: both, logged: []workflow.Logged{logged(less, 2*day)}}, "active", true},
		"logged, inactive before":      {remembered{seen: deactivated, logged: []workflow.Logged{logged(less, 2*day)}}, "inactive", true},
		"logged while a night is read": {remembered{seen: both, logged: []workflow.Logged{logged(less, day-time.Minute)}}, "active", true},
		"logged and cancelled":         {remembered{seen: both, logged: []workflow.Logged{logged(less, 3*day), logged(more, 2*day)}}, "", false},
		"logged for the second time": {
			remembered{seen: both, logged: []workflow.Logged{logged(less, 30*day), logged(more, 20*day), logged(less, 2*day)}}, "active", true,
		},
		"logged, of an earlier time": {remembered{seen: both, logged: []workflow.Logged{logged(less, 20*day)}}, "", false},
		"logged, another thing": {
			remembered{seen: both, logged: []workflow.Logged{{At: ago(2 * day), Fits: []workflow.Field{workflow.FieldStatus}, Toward: less}}}, "", false,
		},
		"logged, active in the night, deactivated the day that it began": {
			remembered{seen: nights, logged: []workflow.Logged{turned(less, between), logged(less, later)}}, "inactive", true,
		},
		"logged while a night is read, deactivated before": {
			remembered{seen: nights, logged: []workflow.Logged{turned(less, between), logged(less, 2*day-time.Minute)}}, "inactive", true,
		},
		"logged, active in the last night, deactivated since": {
			remembered{seen: nights[1:], logged: []workflow.Logged{turned(less, between), logged(less, later)}}, "inactive", true,
		},
		"logged, deactivated and activated that day": {
			remembered{seen: nights, logged: []workflow.Logged{turned(less, between), turned(more, between-time.Hour), logged(less, later)}}, "active", true,
		},
		"logged, deactivated before the night that shows it active": {
			remembered{seen: nights, logged: []workflow.Logged{turned(less, 4*day), logged(less, later)}}, "active", true,
		},
		"logged, deactivated while it was being deleted": {
			remembered{seen: nights, logged: []workflow.Logged{logged(less, later), turned(less, day)}}, "active", true,
		},
		"ours and logged": {
			remembered{change: ours("inactive", 3*day), logged: []workflow.Logged{logged(less, 2*day)}}, "inactive", true,
		},
	} {
		e := &Engine{store: test.store, cfg: Config{Nights: test.store, Past: past{remembered: test.store}}}
		got, err := e.deletion(t.Context(), "a")
		if err != nil || got.Before != test.want || got.Since.IsZero() == test.since {
			t.Errorf("%s: %+v, %v; want %q", name, got, err, test.want)
		}
	}
}
