package bot

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
)

const (
	// linkWait is how long an answer waits for the card that it is to link to.
	linkWait = 3 * time.Second
	// linkFor is for how long the link is sent by itself after that, when the card stands.
	linkFor = 10 * time.Minute
	// linksWaiting is how many answers may wait; more go without a link.
	linksWaiting = 1000
)

// links gives answers that lead to a card. No worker waits for the card, or for Slack to give its
// link: an answer is sent when the card stands; where that takes too long, without the link, which
// follows.
type links struct {
	bot  *Bot
	wake chan struct{}

	mu      sync.Mutex
	waiting []*linked
	ended   bool // nothing waits any more
}

// linked is an answer that is to lead to the card of a batch.
type linked struct {
	to     slackapi.Recipient
	words  string // "" once they were said
	number int64
	since  time.Time
	asks   bool // it is who asked for the batch, by command or form
	quiet  bool // the card is answer enough where it stands in time: they look at the channel that it is in
}

func newLinks(b *Bot) *links { return &links{bot: b, wake: make(chan struct{}, 1)} }

// answer has a person answered privately with the words and the link. It does not wait, unless the
// bot ends: then there is nobody to whom it could be left.
func (l *links) answer(ctx context.Context, to slackapi.Recipient, words string, number int64) {
	l.put(ctx, &linked{to: to, words: words, number: number, since: time.Now()})
}

// asked answers who asked for a batch, as answer does. In the requests channel the card is the answer;
// the words stand in for one that does not come in time.
func (l *links) asked(ctx context.Context, to slackapi.Recipient, words string, number int64) {
	l.put(ctx, &linked{to: to, words: words, number: number, since: time.Now(), asks: true, quiet: to.Channel == l.bot.cfg.Requests})
}

// asker returns where somebody who asked for a batch waits for its card.
func (l *links) asker(number int64) (to slackapi.Recipient, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.waiting {
		if a.asks && a.number == number {
			return a.to, true
		}
	}
	return to, false
}

func (l *links) put(ctx context.Context, a *linked) {
	l.mu.Lock()
	ended, full := l.ended, len(l.waiting) >= linksWaiting
	if !ended && !full {
		l.waiting = append(l.waiting, a)
	}
	l.mu.Unlock()
	switch {
	case ended:
		l.bot.api.Private(ctx, a.to, view.Said(a.words))
		return
	case full:
		l.send(*a, false)
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run sends answers when they are due. When stop ends, what has not been said is said as it is.
func (l *links) run(ctx context.Context, stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			l.sayRest(ctx)
			return
		case <-l.wake:
		case <-l.bot.deliver.CardsStand():
		case <-timer.C:
		}
		timer.Reset(l.look(ctx))
	}
}

// look sends what is due, and returns how long nothing else will be but for a card that comes.
func (l *links) look(ctx context.Context) time.Duration {
	l.mu.Lock()
	waiting := slices.Clone(l.waiting)
	l.mu.Unlock()
	next := time.Hour
	gone := map[*linked]bool{}
	for _, a := range waiting {
		age := time.Since(a.since)
		answered := a.asks && l.bot.deliver.Answered(ctx, a.number)
		stands := !answered && l.bot.deliver.CardStands(ctx, a.number) // once: it may come to stand at any moment
		switch {
		case answered, stands && a.quiet && a.words != "":
			gone[a] = true
		case stands:
			if gone[a] = l.send(*a, true); !gone[a] {
				next = min(next, linkWait)
			}
		case a.words != "" && age >= linkWait:
			if !l.send(*a, false) {
				next = min(next, linkWait)
				continue
			}
			a.words = "" // this goroutine alone reads it
			next = min(next, linkFor-age)
		case a.words == "" && age >= linkFor:
			gone[a] = true
		case a.words == "":
			next = min(next, linkFor-age)
		default:
			next = min(next, linkWait-age)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.DeleteFunc(l.waiting, func(a *linked) bool { return gone[a] })
	return max(next, time.Millisecond)
}

// send puts an answer on its lane; false when that is full.
func (l *links) send(a linked, withLink bool) bool {
	b := l.bot
	return b.lanes[answering].put("", "", b.guarded("answer", actTimeout, a.to, func(ctx context.Context) {
		words, url := a.words, ""
		if withLink {
			url = b.deliver.CardURL(ctx, a.number)
		}
		switch {
		case words == "" && url == "":
			return
		case words == "":
			words = view.CardStands(a.number)
		}
		if url != "" {
			words += view.CardLink(url)
		}
		b.api.Private(ctx, a.to, view.Said(words))
	}))
}

// sayRest says what waits for a card that nobody draws any more.
func (l *links) sayRest(ctx context.Context) {
	l.mu.Lock()
	rest := l.waiting
	l.waiting, l.ended = nil, true
	l.mu.Unlock()
	for _, a := range rest {
		if a.words != "" {
			l.bot.api.Private(ctx, a.to, view.Said(a.words))
		}
	}
}
