package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
)

// How far is looked back for files that no event told of: Slack gives up after three tries within
// some minutes (Events API, retries), and what it brought right before a crash is brought no more.
const (
	lookBackMost   = 24 * time.Hour   // what is older is no longer expected by anybody
	lookBackMore   = 10 * time.Minute // than what is noted: clocks differ, and what was on its way
	catchupPages   = 10               // of a channel: a thousand messages
	catchupThreads = 40               // whose latest replies are looked at
	comesItself    = 3 * time.Second  // so young words are left to their event, which may be on its way
)

// catchUp looks through the requests channel, its threads and the direct messages for files, and the
// latter for words, that were not dealt with, and takes them as if their events came now. Cards that were deleted meanwhile
// are posted again, and what was posted below them in that moment is taken back.
func (i *intake) catchUp(ctx context.Context) error {
	begin := time.Now()
	i.mu.Lock()
	since, from := i.heard.Until.Add(-lookBackMore), i.heard.From
	i.mu.Unlock()
	if since.Before(from) {
		since = from
	}
	if oldest := begin.Add(-lookBackMost); since.Before(oldest) {
		i.bot.log.Warn().Time("since", since).Msg("not heard for over a day; send again what was posted before")
		since = oldest
	}
	d := i.bot.deliver
	if err := errors.Join(i.searchAll(ctx, since), d.FindDeletedCards(ctx), d.FindStrays(ctx, begin.Add(-lookBackMost))); err != nil {
		return err
	}
	i.mu.Lock()
	i.catchupDue = false
	i.mu.Unlock()
	i.noteHeard(ctx)
	return nil
}

func (i *intake) searchAll(ctx context.Context, since time.Time) error {
	var failed []error
	if err := i.searchChannel(ctx, i.bot.cfg.Requests, since, true); err != nil {
		failed = append(failed, fmt.Errorf("look through the requests channel: %w", err))
	}
	directs, err := i.bot.api.Directs(ctx)
	switch {
	case slackapi.Code(err) == "missing_scope", errors.Is(err, slackapi.ErrTooManyPlaces): // trying again is of no use
		i.bot.log.Warn().Err(err).Msg("look through direct messages")
	case err != nil:
		failed = append(failed, fmt.Errorf("list direct messages: %w", err))
	}
	may := i.bot.people.MayAsk(ctx)
	for person, channel := range directs {
		if !may(person) {
			continue
		}
		if err := i.searchChannel(ctx, channel, since, false); err != nil {
			failed = append(failed, fmt.Errorf("look through direct messages: %w", err))
		}
	}
	return errors.Join(failed...)
}

// searchChannel takes the files of a place that were sent since. Replies stand in threads, whose
// parents may be older.
func (i *intake) searchChannel(ctx context.Context, channel string, since time.Time, threads bool) error {
	oldest := since
	if threads {
		oldest = time.Now().Add(-lookBackMost)
	}
	var found []slackapi.Posted
	var talked []string
	cursor := ""
	for page := 0; page == 0 || cursor != "" && page < catchupPages; page++ {
		messages, next, err := i.bot.api.History(ctx, channel, timestamp(oldest), cursor)
		if err != nil {
			return err
		}
		for _, m := range messages {
			found = append(found, m)
			if m.Latest != "" && !momentOf(m.Latest).Before(since) {
				talked = append(talked, m.TS)
			}
		}
		cursor = next
	}
	if cursor != "" {
		i.bot.log.Warn().Str("channel", channel).Int("messages", len(found)).Msg("more was said than is looked through")
	}
	if len(talked) > catchupThreads {
		i.bot.log.Warn().Int("threads", len(talked)).Msg("more threads were written in than are looked through")
		talked = talked[:catchupThreads]
	}
	for _, thread := range talked {
		replies, _, err := i.bot.api.Replies(ctx, channel, thread, timestamp(since), "")
		if err != nil {
			return err
		}
		found = append(found, slices.DeleteFunc(replies, func(m slackapi.Posted) bool { return m.TS == thread })...)
	}
	slices.SortFunc(found, func(a, b slackapi.Posted) int { return strings.Compare(a.TS, b.TS) }) // in the order people sent them
	for _, m := range found {
		m := message{Posted: m, Channel: channel}
		switch {
		case momentOf(m.TS).Before(since):
		case len(m.Files) > 0:
			i.bot.filesShared(ctx, m, under(m.Posted, channel))
		case m.plain() && m.Person != i.bot.api.SelfID():
			if time.Since(momentOf(m.TS)) < comesItself {
				i.lookSoon()
				continue
			}
			if err := i.bot.wordsMissed(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func timestamp(at time.Time) string { return fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000) }

// under is the place under a message.
func under(m slackapi.Posted, channel string) slackapi.Recipient {
	return slackapi.Recipient{Person: m.Person, Channel: channel, Thread: cmp.Or(m.Thread, m.TS)}
}
