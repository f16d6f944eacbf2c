package deliver

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// reminderName is the key of the one reminder of a batch.
const reminderName = "reminder"

// reminders has every batch looked at when its reminder falls due, until ctx ends. What fell due
// while nobody was there is found by the first look at a batch after the start.
func (d *Deliverer) reminders(ctx context.Context) {
	looked := map[int64]bool{}
	for {
		now := time.Now()
		next := now.Add(min(d.cfg.RemindAfter, sweepEvery)) // no plan that is sealed meanwhile is due sooner; and clocks jump
		batches, err := d.store.List(ctx, 0, workflow.AwaitingApproval)
		if err != nil && ctx.Err() == nil {
			d.log.Error().Err(err).Msg("look for batches to be reminded of")
		}
		waiting := map[int64]bool{}
		for _, b := range batches {
			switch due := b.Planned.Add(d.cfg.RemindAfter); {
			case !now.Before(due):
				waiting[b.Number] = true
				if !looked[b.Number] {
					d.rerunOn(b.Number, onWords)
				}
			case due.Before(next):
				next = due
			}
		}
		looked = waiting
		if sleep(ctx, time.Until(next)) != nil {
			return
		}
	}
}

// rerunOn has one lane of a batch looked at once more. A batch of which nothing is drawn yet will
// be anyway.
func (d *Deliverer) rerunOn(number int64, on int) {
	d.mu.Lock()
	if w := d.views[number]; w != nil {
		t := w.lanes[on]
		t.shown, t.rerun = 0, t.busy
	}
	d.mu.Unlock()
	poke(d.wake)
}

// remindable reports whether the reminder of a batch is due: nobody has decided, and still can.
func (d *Deliverer) remindable(b *workflow.Batch, now time.Time) bool {
	return d.cfg.RemindAfter > 0 && b.State == workflow.AwaitingApproval && !now.Before(b.Planned.Add(d.cfg.RemindAfter)) &&
		now.Before(b.Expires)
}

// remind reminds of a batch that nobody decided on, once. A decision that comes while the reminder
// waits for its turn stops it.
func (d *Deliverer) remind(ctx context.Context, t view.Thread, card place, on *lane) error {
	if !d.remindable(t.Batch, time.Now()) {
		return nil
	}
	at := below(t.Batch, card, reminderName, slackapi.RankCounts)
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if known && p.TS != "" {
		return nil
	}
	return d.whileUndecided(ctx, t.Batch.Number, func(ctx context.Context) error {
		_, err := d.put(ctx, at, t.Reminder(d.approversOf(ctx, t)), "", on)
		return err
	})
}

// approversOf returns the admins named in the settings who could approve the batch, as far as Slack
// says, at most adminsShown. Who is an admin by a group is not among them: a reminder calls no
// groups.
func (d *Deliverer) approversOf(ctx context.Context, t view.Thread) []string {
	var ids []string
	for _, id := range t.Admins {
		if workflow.IsUserGroup(id) || slices.Contains(ids, id) || len(ids) == view.AdminsShown {
			continue
		}
		actor, err := d.people.Asking(ctx, id, "")
		if err != nil {
			continue
		}
		if may, err := d.mayStill(ctx, t.Batch, actor); err == nil && len(may) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// whileUndecided does something whose context ends as soon as the batch waits for approval no more.
// It is no error then.
func (d *Deliverer) whileUndecided(ctx context.Context, number int64, do func(context.Context) error) error {
	within, cancel := context.WithCancel(ctx)
	decided := make(chan bool, 1)
	go func() {
		for sleep(within, d.intervals.Draw) == nil {
			if b, err := d.store.Batch(within, number); err == nil && b.State != workflow.AwaitingApproval {
				cancel()
				decided <- true
				return
			}
		}
		decided <- false
	}()
	err := do(within)
	cancel()
	if <-decided && ctx.Err() == nil {
		return nil
	}
	return err
}
