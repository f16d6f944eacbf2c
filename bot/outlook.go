package bot

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/countersign/countersign/workflow"
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

// outlook is how fast a batch goes, and how long it has to go. Batches that run at the same time take turns at the limits,
// so that a short one has to wait for as much of a long one as it has itself.
func (d *deliver) outlook(ctx context.Context, l *look) workflow.Outlook {
	if d.cfg.Pacer == nil || l.Batch.State != workflow.Running {
		return workflow.Outlook{}
	}
	mine := aheadOf(l.Batch.Number, l.Summary)
	if mine.total == 0 {
		return workflow.Outlook{}
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
	out := d.cfg.Pacer.Outlook(all)
	if out.ToGo <= 0 {
		return workflow.Outlook{}
	}
	out.PerMinute = float64(mine.total) / out.ToGo.Minutes()
	return out
}

// running is what is left of the batches that run.
func (d *deliver) running(ctx context.Context) []ahead {
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

// closed says what an approved batch waits for and until when, "" when it waits for nothing but its turn.
func (d *deliver) closed(b *workflow.Batch) string {
	now := time.Now()
	if b.State != workflow.Approved && b.State != workflow.Running || d.cfg.Window.Open(now) {
		return ""
	}
	opens := d.cfg.Window.NextChange(now)
	if opens.IsZero() {
		return "the run window never opens (run.window)"
	}
	return "the run window opens " + moment(opens)
}

// shut says until when Atlassian takes no calls, "" when it does or soon will.
func (d *deliver) shut(b *workflow.Batch) string {
	if d.cfg.Shut == nil || b.State != workflow.Running {
		return ""
	}
	until := d.cfg.Shut()
	if time.Until(until) < shutFrom {
		return ""
	}
	return "Atlassian takes no calls until " + moment(until)
}

// troubled says what keeps a run from going on although it may, "" when nothing does.
func (d *deliver) troubled(b *workflow.Batch) string {
	if d.cfg.Trouble == nil || b.State != workflow.Running {
		return ""
	}
	return escape(d.cfg.Trouble(b.Number))
}

// turnOfWindow is a pulse when the run window next opens or closes; nil when it never does.
func (d *deliver) turnOfWindow() <-chan time.Time {
	next := d.cfg.Window.NextChange(time.Now())
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next) + pulseGap)
}

// perMinute is a rate as one says it.
func perMinute(n float64) string {
	if n < 1 {
		return "less than 1 a minute"
	}
	return fmt.Sprintf("%s a minute", number(int(n+0.5)))
}
