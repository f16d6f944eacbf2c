package bot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// reminderName is the key of the one reminder of a batch.
const reminderName = "reminder"

// reminders has every batch looked at when its reminder falls due, until ctx ends. What fell due while nobody was there is
// found by the first look at a batch after the start.
func (d *deliver) reminders(ctx context.Context) {
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
					d.again(b.Number, onWords)
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

// again has one track of a batch looked at once more. A batch of which nothing is drawn yet will be anyway.
func (d *deliver) again(number int64, on int) {
	d.mu.Lock()
	if w := d.drawn[number]; w != nil {
		t := w.tracks[on]
		t.shown, t.again = 0, t.busy
	}
	d.mu.Unlock()
	poke(d.wake)
}

// remindable says whether the reminder of a batch is due: nobody has decided, and still can.
func (d *deliver) remindable(b *workflow.Batch, now time.Time) bool {
	return d.cfg.RemindAfter > 0 && b.State == workflow.AwaitingApproval && !now.Before(b.Planned.Add(d.cfg.RemindAfter)) &&
		now.Before(b.Expires)
}

// remind reminds of a batch that nobody decided on, once. A decision that comes while the reminder waits for its turn stops
// it.
func (d *deliver) remind(ctx context.Context, t thread, card place, on *track) error {
	if !d.remindable(t.Batch, time.Now()) {
		return nil
	}
	at := below(t.Batch, card, reminderName, rankCounts)
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if known && p.TS != "" {
		return nil
	}
	return d.whileUndecided(ctx, t.Batch.Number, func(ctx context.Context) error {
		_, err := d.put(ctx, at, t.reminder(d.approversOf(ctx, t)), "", on)
		return err
	})
}

// approversOf are the admins named in the settings who could approve the batch just now, as far as Slack says, at most
// adminsShown. Who is an admin by a group is not among them: a reminder calls no groups.
func (d *deliver) approversOf(ctx context.Context, t thread) []string {
	var ids []string
	for _, id := range t.Admins {
		if workflow.IsUserGroup(id) || slices.Contains(ids, id) || len(ids) == adminsShown {
			continue
		}
		actor, err := d.people.asking(ctx, id, "")
		if err == nil {
			err = workflow.MayApprove(t.Batch, actor)
		}
		if err == nil && t.Summary.State(workflow.ChangeReady) == 1 { // in larger ones nobody's own account can run
			err = d.cfg.Engine.Approvable(ctx, t.Batch, actor)
		}
		if err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// whileUndecided does something whose context ends as soon as the batch waits for approval no more. It is no error then.
func (d *deliver) whileUndecided(ctx context.Context, number int64, do func(context.Context) error) error {
	within, cancel := context.WithCancel(ctx)
	decided := make(chan bool, 1)
	go func() {
		for sleep(within, d.tempo.draw) == nil {
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

// reminder is a word in the thread about a batch that waits. It calls people who may approve and nobody else, no groups.
func (t thread) reminder(may []string) message {
	names := make([]string, len(may))
	for i, id := range may {
		names[i] = mention(id)
	}
	text := fmt.Sprintf("%s still waits for %s. ", t.name(), many(t.Batch.Missing(), "approval", "approvals"))
	others := slices.ContainsFunc(t.Admins, workflow.IsUserGroup)
	switch {
	case len(names) == 0:
		text += "An admin other than the requester may give it."
	case others:
		text += list(names) + " may give it, and so may other admins."
	default:
		text += list(names) + " may give it."
	}
	return t.message(reminderName, text+" It ends undecided "+moment(t.Batch.Expires)+".")
}
