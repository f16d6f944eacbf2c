package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/countersign/countersign/bot/deliver"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// A database can go back in time: it was restored from a copy, or a disk was rolled back. Then Slack remembers more than it:
// cards of batches that it does not know, and a head of the log in a report that it does not have. Requests are not taken
// before that was looked at, so that no number is given twice.

// How far is looked for what the database may have forgotten.
const (
	restoredPages = 10               // of a channel, the newest first
	restoredWait  = 10 * time.Second // requests wait for it; afterwards they are taken, and it is tried again
	restoredAgain = time.Minute
	restoredMost  = 1_000_000 // numbers that are skipped at once; more are no numbers of ours

	restoredMemory = "database went back"
)

// Past is what the database remembers having done, to be held against what stands in Slack (store.Driver).
type Past interface {
	// LastNumber is the highest number that a batch was given or that was skipped.
	LastNumber(ctx context.Context) (int64, error)
	// HasEvent reports whether the log has the event with a hash that begins so, and how many events it has.
	HasEvent(ctx context.Context, seq int64, hash string) (has bool, last int64, err error)
	// Batch loads one batch; workflow.ErrNoBatch when there is none of that number.
	Batch(ctx context.Context, number int64) (*workflow.Batch, error)
	// Post gives what is known of one thing in Slack.
	Post(ctx context.Context, key string) (workflow.Post, bool, error)
	// Recall gives what was remembered last under a name; nil when there is nothing.
	Recall(ctx context.Context, name string) ([]byte, error)
}

// Restored looks in the channels for what the database no longer knows. reports may be the same channel as requests. What
// was found in one of them stands beside the error of the other.
func (s *Slack) Restored(ctx context.Context, past Past, requests, reports string) (found view.Restored, err error) {
	self, err := s.client.Self(ctx)
	if err != nil {
		return found, err
	}
	if found.Last, err = past.LastNumber(ctx); err != nil {
		return found, err
	}
	first := s.ours(ctx, self.Person, requests, func(m slackapi.Posted) (enough bool, err error) {
		key, revision := m.Key()
		number, ok := deliver.CardNumber(key)
		if !ok || number > found.Last+restoredMost {
			return false, nil
		}
		if number > found.Last { // requests may have been taken while Slack was asked
			if found.Last, err = past.LastNumber(ctx); err != nil {
				return false, err
			}
		}
		if number > found.Last {
			found.Number = max(found.Number, number)
			return true, nil
		}
		b, err := past.Batch(ctx, number)
		switch {
		case errors.Is(err, workflow.ErrNoBatch): // it was skipped
			return true, nil
		case err != nil:
			return true, err
		case revision > b.Revision:
			found.Newer = append(found.Newer, number)
		}
		p, _, err := past.Post(ctx, key)
		if err == nil && p.Sending.IsZero() && p.TS < m.TS { // it does not know of the card, or of a later one
			found.Forgotten = max(found.Forgotten, number)
		}
		return true, err
	})
	first = s.lastingOff("look through the requests channel", first)
	second := s.ours(ctx, self.Person, reports, func(m slackapi.Posted) (enough bool, err error) {
		told := toldHead.FindStringSubmatch(m.Text)
		if told == nil {
			return false, nil
		}
		seq, err := strconv.ParseInt(told[1], 10, 64)
		if err != nil {
			return false, nil //nolint:nilerr // no number of an event
		}
		has, last, err := past.HasEvent(ctx, seq, told[2])
		if err == nil && !has && seq > found.Event {
			found.Event, found.Events = seq, last
		}
		return true, err
	})
	second = s.lastingOff("look through the reports channel", second)
	return found, errors.Join(first, second)
}

// lastingOff logs an error that no other try takes away: that Slack refuses to show a channel for good, which doctor
// tells of. Others it gives back.
func (s *Slack) lastingOff(what string, err error) error {
	switch slackapi.Code(err) {
	case "missing_scope", "channel_not_found", "not_in_channel", "is_archived":
		s.cfg.Log.Warn().Err(err).Msg(what)
		return nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return err
}

// toldHead is the head of the log as reports end with it.
var toldHead = regexp.MustCompile("Log head: event ([0-9]{1,18}), `([0-9a-f]{16,64})…`")

// ours calls fn with the messages of ours that stand in a channel, the newest first, up to the end of a page in which one
// was enough.
func (s *Slack) ours(
	ctx context.Context, self, channel string, fn func(slackapi.Posted) (enough bool, err error),
) error {
	cursor := ""
	for page := 0; page == 0 || cursor != "" && page < restoredPages; page++ {
		messages, next, err := s.client.History(ctx, channel, "", cursor)
		if err != nil {
			return err
		}
		done := false
		for _, m := range messages {
			if m.Person != self {
				continue
			}
			enough, err := fn(m)
			if err != nil {
				return err
			}
			done = done || enough
		}
		if done {
			return nil
		}
		cursor = next
	}
	return nil
}

// RestoredBefore is what was found and said last, and when; the zero value when that never was.
func RestoredBefore(ctx context.Context, past Past) (said view.Restored, err error) {
	raw, err := past.Recall(ctx, restoredMemory)
	if err != nil || raw == nil {
		return said, err
	}
	return said, json.Unmarshal(raw, &said)
}

// lookRestored finds out whether the database went back, and goes on trying in the background when that takes too long. It
// returns when requests may be taken.
func (b *Bot) lookRestored(ctx context.Context, parts *sync.WaitGroup) {
	looked := make(chan struct{})
	defer close(b.mayTake)
	parts.Go(func() {
		defer close(looked)
		for wait := firstRetry; ; wait = min(2*wait, restoredAgain) {
			err := b.restored(ctx)
			if err == nil || ctx.Err() != nil {
				return
			}
			b.log.Warn().Err(err).Dur("again_in", wait).Msg("look whether the database is as new as the channel")
			if sleep(ctx, wait) != nil {
				return
			}
		}
	})
	timer := time.NewTimer(restoredWait)
	defer timer.Stop()
	select {
	case <-looked:
	case <-timer.C:
		b.log.Warn().Msg("requests are taken before it is known whether the database is as new as the channel")
	case <-ctx.Done():
	}
}

// WentBack returns when the database was last found to have gone back in time, the zero time when it never was. It waits
// until that was looked for since the start, or requests are taken without.
func (b *Bot) WentBack(ctx context.Context) (time.Time, error) {
	timer := time.NewTimer(restoredWait) // Slack may not let us in at all
	defer timer.Stop()
	select {
	case <-b.mayTake:
	case <-timer.C:
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	said, err := RestoredBefore(ctx, b.cfg.Store)
	return said.At, err
}

// restored does what is to be done when the database went back: it says so in the channel, once, and sees to it that no
// number is given again.
func (b *Bot) restored(ctx context.Context) error {
	found, err := b.cfg.Slack.Restored(ctx, b.cfg.Store, b.cfg.Requests, b.cfg.Reports)
	if found.Nothing() {
		return err
	}
	return errors.Join(err, b.sayRestored(ctx, found))
}

func (b *Bot) sayRestored(ctx context.Context, found view.Restored) error {
	for _, number := range found.Newer {
		b.deliver.Redraw(number)
	}
	said, err := RestoredBefore(ctx, b.cfg.Store)
	if err != nil {
		return err
	}
	if found.Number > found.Last {
		at := workflow.Event{At: time.Now(), Actor: workflow.Bot}
		if _, err := b.cfg.Store.SkipNumbers(ctx, found.Number, at); err != nil {
			return err
		}
	}
	if found.Same(said) {
		return nil
	}
	b.log.Error().Int64("batch", found.Last).Int64("batch_in_slack", found.Number).Int64("event", found.Events).
		Int64("event_in_slack", found.Event).Msg("the database went back in time: Slack shows more than it knows")
	found.At = time.Now()
	if _, err := b.api.Post(ctx, b.cfg.Requests, "", "", view.WentBack(found), slackapi.RankSaid); err != nil {
		return err
	}
	raw, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return b.cfg.Store.Remember(ctx, restoredMemory, raw)
}
