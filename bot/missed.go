package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How far is looked back for files that no event told of: Slack gives up after three tries within some minutes (Events API,
// retries), and what it brought right before a crash is brought no more.
const (
	lookBackMost  = 24 * time.Hour   // what is older is no longer expected by anybody
	lookBackMore  = 10 * time.Minute // than what is noted: clocks differ, and what was on its way
	missedPages   = 10               // of a channel: a thousand messages
	missedThreads = 40               // whose latest replies are looked at
)

// catchUp looks through the requests channel, its threads and the direct messages for files that were not dealt with, and
// takes them as if their events came now.
func (i *intake) catchUp(ctx context.Context) error {
	begin := time.Now()
	i.mu.Lock()
	since, from := i.heard.Until.Add(-lookBackMore), i.heard.From
	i.mu.Unlock()
	if since.Before(from) {
		since = from
	}
	if oldest := begin.Add(-lookBackMost); since.Before(oldest) {
		i.bot.log.Warn().Time("since", since).Msg("not heard for over a day; files that were posted before have to be sent again")
		since = oldest
	}
	if err := i.search(ctx, since); err != nil {
		return err
	}
	i.mu.Lock()
	i.behind = false
	i.mu.Unlock()
	i.note(ctx)
	return nil
}

func (i *intake) search(ctx context.Context, since time.Time) error {
	var failed []error
	if err := i.searchChannel(ctx, i.bot.cfg.Requests, since, true); err != nil {
		failed = append(failed, fmt.Errorf("look through the requests channel: %w", err))
	}
	directs, err := i.bot.api.directs(ctx)
	switch {
	case slackCode(err) == "missing_scope", errors.Is(err, errTooManyPlaces): // trying again is of no use
		i.bot.log.Warn().Err(err).Msg("look through direct messages")
	case err != nil:
		failed = append(failed, fmt.Errorf("list direct messages: %w", err))
	}
	may := i.bot.people.mayAsk(ctx)
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

// searchChannel takes the files of a place that were sent since. Replies stand in threads, whose parents may be older.
func (i *intake) searchChannel(ctx context.Context, channel string, since time.Time, threads bool) error {
	oldest := since
	if threads {
		oldest = time.Now().Add(-lookBackMost)
	}
	var found []posted
	var talked []string
	cursor := ""
	for page := 0; page == 0 || cursor != "" && page < missedPages; page++ {
		messages, next, err := i.bot.api.history(ctx, channel, timestamp(oldest), cursor)
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
	if len(talked) > missedThreads {
		i.bot.log.Warn().Int("threads", len(talked)).Msg("more threads were written in than are looked through")
		talked = talked[:missedThreads]
	}
	for _, thread := range talked {
		replies, _, err := i.bot.api.replies(ctx, channel, thread, timestamp(since), "")
		if err != nil {
			return err
		}
		found = append(found, slices.DeleteFunc(replies, func(m posted) bool { return m.TS == thread })...)
	}
	slices.SortFunc(found, func(a, b posted) int { return strings.Compare(a.TS, b.TS) }) // in the order people sent them
	for _, m := range found {
		if len(m.Files) > 0 && !momentOf(m.TS).Before(since) {
			i.bot.filesShared(ctx, m.event(channel), m.where(channel))
		}
	}
	return nil
}

func timestamp(at time.Time) string { return fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000) }

// event is the event that told of the message, or should have.
func (m posted) event(channel string) event {
	var e event
	e.Inner.Type, e.Inner.Subtype, e.Inner.Person, e.Inner.BotID = "message", m.Subtype, m.Person, m.BotID
	e.Inner.Channel, e.Inner.Text, e.Inner.TS, e.Inner.Thread, e.Inner.Files = channel, m.Text, m.TS, m.Thread, m.Files
	return e
}

func (m posted) where(channel string) where {
	return where{Person: m.Person, Channel: channel, Thread: cmp.Or(m.Thread, m.TS)}
}
