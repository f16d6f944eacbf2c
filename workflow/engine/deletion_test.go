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
	} {
		e := &Engine{store: test.store, cfg: Config{Nights: test.store}}
		got, err := e.deletion(t.Context(), "a")
		if err != nil || got.Before != test.want || got.Since.IsZero() == test.since {
			t.Errorf("%s: %+v, %v; want %q", name, got, err, test.want)
		}
	}
}
