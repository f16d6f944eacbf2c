package bot

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/countersign/countersign/workflow"
)

// eventRefused is the kind of event for an act that somebody tried and may not do.
const eventRefused = "refused"

// refusedFor is the reason why a person may not do something, as the log of events names it. It is
// "" for a refusal that has nothing to do with the person or the plan that they saw: an outage, or
// being too late.
func refusedFor(err error) string {
	if ineligible, is := errors.AsType[*workflow.IneligibleError](err); is {
		if ineligible.Kind == workflow.NotCheckable {
			return ""
		}
		return string(ineligible.Kind)
	}
	if guard, is := errors.AsType[*workflow.GuardError](err); is {
		return string(guard.Code)
	}
	if more, is := errors.AsType[*workflow.NeedsMoreError](err); is {
		return more.Error()
	}
	for _, known := range []error{
		workflow.ErrNoRole, workflow.ErrNotAdmin, workflow.ErrOwnBatch, workflow.ErrSameHuman, workflow.ErrHiddenAddress,
		workflow.ErrOwnAccount, workflow.ErrStaleDigest, workflow.ErrNotRequester, workflow.ErrMayNotResume,
		workflow.ErrRequesterLost,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return ""
}

// noteRefusal records in the log of events that somebody tried what they may not do.
func (b *Bot) noteRefusal(ctx context.Context, person, action string, number int64, err error) {
	why := refusedFor(err)
	if why == "" {
		return
	}
	if _, err := b.cfg.Store.Batch(ctx, number); err != nil {
		return // a number that somebody made up
	}
	facts, err := json.Marshal(map[string]string{"action": action, "why": why})
	if err == nil {
		err = b.cfg.Store.LogEvent(ctx, workflow.Event{
			At: time.Now(), Batch: number, Actor: person, Kind: eventRefused, Data: facts,
		})
	}
	if err != nil && ctx.Err() == nil {
		b.log.Error().Err(err).Str("person", person).Int64("batch", number).Msg("write down a refusal")
	}
}
