package deliver

import (
	"context"
	"maps"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

const (
	// runningFor is how long it is believed which batches run, and how much is left of each.
	runningFor = 2 * time.Second
	// shutFrom is from when it is worth a word that Atlassian takes no calls.
	shutFrom = 5 * time.Second
)

// ahead is what is left of one batch.
type ahead struct {
	number int64
	left   map[workflow.ActionName]int
	total  int
}

func aheadOf(number int64, s workflow.Summary) ahead {
	a := ahead{number: number, left: map[workflow.ActionName]int{}}
	for _, g := range s.Groups {
		switch g.State {
		case workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown:
			a.left[g.Action] += g.Count
			a.total += g.Count
		}
	}
	return a
}

// estimate returns how fast a batch goes, and how long it has to go. Batches that run at the same
// time take turns at the limits, so that a short one has to wait for as much of a long one as it
// has itself.
func (d *Deliverer) estimate(ctx context.Context, l *snapshot) workflow.Estimate {
	if d.cfg.Estimator == nil || l.Batch.State != workflow.Running {
		return workflow.Estimate{}
	}
	mine := aheadOf(l.Batch.Number, l.Summary)
	if mine.total == 0 {
		return workflow.Estimate{}
	}
	all := maps.Clone(mine.left)
	for _, other := range d.running(ctx) {
		if other.number == mine.number || other.total == 0 {
			continue
		}
		for action, n := range other.left {
			all[action] += min(n, (n*mine.total+other.total-1)/other.total)
		}
	}
	out := action.EstimateOf(d.cfg.Estimator, all)
	if out.Remaining <= 0 {
		return workflow.Estimate{}
	}
	out.PerMinute = float64(mine.total) / out.Remaining.Minutes()
	return out
}

// running returns what is left of the batches that run.
func (d *Deliverer) running(ctx context.Context) []ahead {
	d.runs.Lock()
	defer d.runs.Unlock()
	if time.Since(d.runsAt) < runningFor {
		return d.runsLeft
	}
	batches, err := d.store.List(ctx, 0, workflow.Running)
	if err != nil {
		return d.runsLeft
	}
	var left []ahead
	for _, b := range batches {
		if s, err := d.store.Summary(ctx, b.Number); err == nil {
			left = append(left, aheadOf(b.Number, s))
		}
	}
	d.runsAt, d.runsLeft = time.Now(), left
	return left
}

// closed returns what an approved batch waits for and until when, "" when it waits for nothing but
// its turn.
func (d *Deliverer) closed(b *workflow.Batch) string {
	now := time.Now()
	if b.State != workflow.Approved && b.State != workflow.Running || d.cfg.Window.Open(now) {
		return ""
	}
	opens := d.cfg.Window.NextChange(now)
	return view.WindowOpens(opens)
}

// shut returns until when Atlassian takes no calls, "" when it does or soon will.
func (d *Deliverer) shut(b *workflow.Batch) string {
	if d.cfg.Shut == nil || b.State != workflow.Running {
		return ""
	}
	until := d.cfg.Shut()
	if time.Until(until) < shutFrom {
		return ""
	}
	return view.NoCallsUntil(until)
}

// waits returns what a run waits for that can do nothing else meanwhile, and until when; "" when it is at work.
func (d *Deliverer) waits(b *workflow.Batch) string {
	if b.State != workflow.Running {
		return ""
	}
	return view.RunWaits(d.cfg.Engine.Waits(b.Number))
}

// troubled returns what keeps a run from going on although it may, "" when nothing does.
func (d *Deliverer) troubled(b *workflow.Batch) string {
	if d.cfg.Trouble == nil || b.State != workflow.Running {
		return ""
	}
	return d.cfg.Trouble(b.Number)
}

// turnOfWindow returns a pulse when the run window next opens or closes; nil when it never does.
func (d *Deliverer) turnOfWindow() <-chan time.Time {
	next := d.cfg.Window.NextChange(time.Now())
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next) + pulseGap)
}
