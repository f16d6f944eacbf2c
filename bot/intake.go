package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
)

// Slack acknowledges nothing for us: what it brought is ours from the acknowledgement on, and it
// comes before the work. So what the database has of a file (seen) is written when the file has
// been dealt with: in the transaction that stores its request, or after the answer to it. What else
// was brought is found in Slack itself: see missed.go.

const (
	noteEvery   = time.Minute     // how often it is written down how far Slack has been heard
	longestLook = 5 * time.Minute // between two tries to look for what was missed
)

// heardName is what is remembered of that.
const heardName = "slack/heard"

// heard is what is remembered of how far Slack has been heard.
type heard struct {
	From  time.Time `json:"from"`  // when the first of all bots over this database started; nothing before is ours
	Until time.Time `json:"until"` // what came earlier has been dealt with
}

// fileKey names a file as one message brought it.
func fileKey(channel, ts, id string) string { return "file/" + channel + "/" + ts + "/" + id }

// delivered is a file that came.
type delivered struct {
	key    string
	ts     string // of its message
	direct bool
	to     slackapi.Recipient
}

// intake knows what came and has not been dealt with.
type intake struct {
	bot  *Bot
	born time.Time // before anything can have come
	wake chan struct{}

	mu         sync.Mutex
	open       map[string]*arrival
	heard      heard
	catchupDue bool // what was missed has not been found yet
	soon       bool // something was too young to be told from what comes itself
}

// arrival is something that came. It is busy while it is dealt with; else that did not succeed, and
// it is tried again.
type arrival struct {
	at   time.Time
	busy bool
}

func newIntake(b *Bot) *intake {
	return &intake{bot: b, born: time.Now(), wake: make(chan struct{}, 1), open: map[string]*arrival{}, catchupDue: true}
}

// beginDelivery reports whether a delivery is to be dealt with: it was not before, and nobody is at
// it. When that cannot be known it is taken all the same: the store takes no delivery twice.
func (i *intake) beginDelivery(ctx context.Context, key, ts string) bool {
	i.mu.Lock()
	a := i.open[key]
	if a != nil && a.busy {
		i.mu.Unlock()
		return false
	}
	if a == nil {
		a = &arrival{at: momentOf(ts)}
		i.open[key] = a
	}
	a.busy = true
	i.mu.Unlock()
	seen, err := i.bot.cfg.Store.WasSeen(ctx, key)
	if err != nil {
		i.bot.log.Error().Err(err).Msg("look whether something came before")
	}
	if seen {
		i.forgetDelivery(key)
	}
	return !seen
}

// endDelivery is told that somebody is done with a delivery. What was dealt with is noted; what was
// not is looked for again.
func (i *intake) endDelivery(ctx context.Context, key string, dealt bool) {
	if dealt {
		if _, err := i.bot.cfg.Store.Seen(ctx, key, time.Now()); err != nil {
			i.bot.log.Error().Err(err).Msg("note that something was dealt with")
			dealt = false
		}
	}
	if dealt {
		i.forgetDelivery(key)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if a := i.open[key]; a != nil {
		a.busy = false
	}
}

func (i *intake) forgetDelivery(key string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.open, key)
}

// requestCatchUp has what may have been missed looked for.
func (i *intake) requestCatchUp() {
	i.mu.Lock()
	i.catchupDue = true
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// run looks for what was missed whenever there is a reason to, and writes down how far Slack has
// been heard.
func (i *intake) run(ctx context.Context) {
	if i.recallHeard(ctx) != nil {
		return
	}
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	<-again.C
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-i.wake:
			wait = firstRetry
		case <-again.C:
		case <-tick.C:
			if i.noteHeard(ctx); !i.pending() {
				continue
			}
		}
		if err := i.catchUp(ctx); err != nil && ctx.Err() == nil {
			i.bot.log.Warn().Err(err).Dur("again_in", wait).Msg("look for files that were missed")
			again.Reset(wait)
			wait = min(2*wait, longestLook)
		} else if i.tooSoon() {
			again.Reset(comesItself)
		}
	}
}

// lookSoon has what is looked through now looked through once more a moment later.
func (i *intake) lookSoon() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.soon = true
}

// tooSoon reports whether lookSoon was called since.
func (i *intake) tooSoon() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	soon := i.soon
	i.soon = false
	return soon
}

// recallHeard loads how far Slack was heard before; the first bot of all begins now. An error is
// that of ctx.
func (i *intake) recallHeard(ctx context.Context) error {
	for {
		raw, err := i.bot.cfg.Store.Recall(ctx, heardName)
		var h heard
		if err == nil && raw != nil {
			if bad := json.Unmarshal(raw, &h); bad != nil {
				i.bot.log.Error().Err(bad).Msg("read how far Slack was heard; beginning anew")
			}
		}
		if err == nil {
			if h.From.IsZero() {
				h = heard{From: i.born, Until: i.born}
			}
			if now := time.Now(); h.Until.After(now) { // the clock has been put back since
				i.bot.log.Warn().Time("until", h.Until).Msg("Slack was heard until a time that is still to come; looking back a day")
				h.Until = now.Add(-lookBackMost)
				if h.From.After(now) {
					h.From = now // what came before may not be ours
				}
			}
			i.heard = h
			i.rememberHeard(ctx, h)
			return nil
		}
		i.bot.log.Error().Err(err).Msg("recall how far Slack was heard")
		if sleep(ctx, longestRetry) != nil {
			return ctx.Err()
		}
	}
}

// pending reports whether something came that could not be dealt with.
func (i *intake) pending() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	maps.DeleteFunc(i.open, func(_ string, a *arrival) bool { return !a.busy && time.Since(a.at) > lookBackMost })
	for _, a := range i.open {
		if !a.busy {
			return true
		}
	}
	return false
}

// noteHeard writes down that Slack has been heard until now, but for what is still open. While no
// connection stands nothing is heard, and what was missed before has to be found first.
func (i *intake) noteHeard(ctx context.Context) {
	if i.bot.sockets.deafFor() > 0 {
		return
	}
	i.mu.Lock()
	if i.catchupDue {
		i.mu.Unlock()
		return
	}
	until := time.Now()
	for _, a := range i.open {
		if a.at.Before(until) {
			until = a.at
		}
	}
	i.heard.Until = until
	h := i.heard
	i.mu.Unlock()
	i.rememberHeard(ctx, h)
}

func (i *intake) rememberHeard(ctx context.Context, h heard) {
	raw, err := json.Marshal(h)
	if err == nil {
		err = i.bot.cfg.Store.Remember(ctx, heardName, raw)
	}
	if err != nil && ctx.Err() == nil {
		i.bot.log.Error().Err(err).Msg("note how far Slack was heard")
	}
}

// underFile says under a file what became of it, once; false when it could not be said.
func (b *Bot) underFile(ctx context.Context, d delivered, m slackapi.Message) bool {
	err := b.deliver.Answer(ctx, "answer/"+d.key, d.to.Channel, d.to.Thread, m)
	if err == nil {
		return true
	}
	b.log.Warn().Err(err).Str("channel", d.to.Channel).Msg("answer under a file")
	return slackapi.Refused(err) && b.api.Private(ctx, slackapi.Recipient{Person: d.to.Person}, m)
}

// momentOf is when a message was sent, by its ts; now where that is not a time.
func momentOf(ts string) time.Time {
	var seconds, micros int64
	whole, part, _ := strings.Cut(ts, ".")
	if _, err := fmt.Sscan(whole, &seconds); err != nil {
		return time.Now()
	}
	if _, err := fmt.Sscan(strings.TrimLeft(part, "0"), &micros); err != nil {
		micros = 0 // only zeros
	}
	return time.Unix(seconds, micros*int64(time.Microsecond))
}
