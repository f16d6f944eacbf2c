package workflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// What is approved is what the steps say: the times are part of each step's hash.
func TestStepsSayTheirTimes(t *testing.T) {
	t.Parallel()
	plain := workflow.Step{Row: 1, Action: workflow.Deactivate, AccountID: "a"}
	seen := map[string]bool{plain.Hash(): true}
	berlin := time.FixedZone("", 3600)
	for _, w := range []workflow.When{
		{At: time.Date(2026, 12, 1, 18, 0, 0, 0, berlin)},
		{Until: time.Date(2026, 12, 1, 18, 0, 0, 0, berlin)},
		{For: 8 * time.Hour},
		{At: time.Date(2026, 12, 1, 18, 0, 0, 0, berlin), For: 8 * time.Hour},
	} {
		s := plain
		s.At, s.Until = w.StepAt(), w.StepUntil()
		if seen[s.Hash()] {
			t.Errorf("%+v has the hash of another", w)
		}
		seen[s.Hash()] = true
		if w.IsZero() || w.Ends() != (s.Until != "") {
			t.Errorf("%+v ends: %v", w, w.Ends())
		}
	}
	w := workflow.When{Until: time.Date(2026, 12, 1, 18, 0, 0, 999, berlin)}
	if got := w.StepUntil(); got != "2026-12-01T17:00:00Z" {
		t.Errorf("spelled %q", got)
	}
	if got := (workflow.When{For: 90 * time.Minute}).StepUntil(); got != "+5400" {
		t.Errorf("spelled %q", got)
	}
}

func TestLasting(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration][2]string{
		time.Second: {"1s", "1 second"}, 90 * time.Second: {"90s", "90 seconds"}, time.Minute: {"1m", "1 minute"}, 90 * time.Minute: {"90m", "90 minutes"},
		time.Hour: {"1h", "1 hour"}, 12 * time.Hour: {"12h", "12 hours"}, 24 * time.Hour: {"1d", "1 day"}, 72 * time.Hour: {"3d", "3 days"},
	} {
		if got := [2]string{workflow.Lasting(d), workflow.LastingWords(d)}; got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// What lasts too long is said as it was written.
func TestTooLongIsSaidInDays(t *testing.T) {
	t.Parallel()
	err := workflow.When{For: 200 * 24 * time.Hour}.Check(time.Now())
	if err == nil || !strings.Contains(err.Error(), "for 200d is over 90 days") {
		t.Errorf("refused with %v", err)
	}
}
