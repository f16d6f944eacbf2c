package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
)

// lane is where something is done. Each has workers of its own, so that none waits for another: a
// stop does not wait for a hundred commands, nor a file for greetings.
type lane int

// The lanes.
const (
	asking     lane = iota // files and commands
	deciding               // decisions, stops, and whatever else is done to a batch
	greeting               // what the bot can do, for those who write to it, and all that people without a role send
	answering              // answers that waited for something; nothing of Slack's begins here
	searching              // searches as somebody types: each is over in two seconds
	previewing             // checks of forms, and what is read for one, which may take minutes
	allLanes
)

// How much each lane does at once, and how much may wait there.
const (
	askingAtOnce, askingWaiting       = 8, 2000
	decidingAtOnce, decidingWaiting   = 8, 2000
	greetingAtOnce, greetingWaiting   = 1, 2000
	answeringAtOnce, answeringWaiting = 4, 2000
	searchingAtOnce, searchingWaiting = 4, 200
	previewAtOnce, previewWaiting     = 6, 500
)

// greetOnce is how long somebody who was greeted is not greeted again.
const greetOnce = 10 * time.Minute

type lanes [allLanes]*queue

func newLanes() lanes {
	return lanes{
		asking:     newQueue(askingWaiting, askingAtOnce),
		deciding:   newQueue(decidingWaiting, decidingAtOnce),
		greeting:   newQueue(greetingWaiting, greetingAtOnce),
		answering:  newQueue(answeringWaiting, answeringAtOnce),
		searching:  newQueue(searchingWaiting, searchingAtOnce),
		previewing: newQueue(previewWaiting, previewAtOnce),
	}
}

// work does what is put on the lanes, as queue.work does.
func (l lanes) work(ctx context.Context, stop <-chan struct{}) {
	var all sync.WaitGroup
	for on, workers := range [allLanes]int{
		asking: askingAtOnce, deciding: decidingAtOnce, greeting: greetingAtOnce, answering: answeringAtOnce,
		searching: searchingAtOnce, previewing: previewAtOnce,
	} {
		all.Go(func() { l[on].work(ctx, stop, workers) })
	}
	all.Wait()
}

// lane is the lane on which a delivery is done.
func (d delivery) lane() lane {
	on, person := asking, ""
	switch in := d.in.(type) {
	case slash:
		on, person = d.bot.laneOf(d.said), in.Person
	case press:
		on, person = d.bot.actions[in.Action].lane, in.By.Person
	case submission:
		on, person = d.bot.forms[in.Form].lane, in.By.Person
	case suggestion:
		on, person = searching, in.By.Person
	case shortcut:
		on, person = deciding, in.By.Person
	case message:
		person = in.Person
		if in.plain() {
			on = d.bot.laneOf(d.said)
		}
	}
	return d.bot.laneFor(on, person)
}

// laneOf is the lane for the words of a command.
func (b *Bot) laneOf(words said) lane {
	if words.err == nil {
		return b.commands[words.command.Name].lane
	}
	if usage, is := errors.AsType[*command.UsageError](words.err); is && usage.Missing != nil {
		return deciding // the form opens within three seconds, or not at all
	}
	return asking
}

// laneFor is the lane for something that a person sends and that belongs on a lane: what people
// without a role send holds up nobody who has one.
func (b *Bot) laneFor(on lane, person string) lane {
	if b.people.Stranger(person) {
		return greeting
	}
	return on
}

// enlist has something done that a person sent, for which there is room. Whoever turns out to have no
// role when its turn has come has it done with the greetings.
func (b *Bot) enlist(on lane, key, what string, limit time.Duration, to slackapi.Recipient, do func(context.Context)) {
	guarded := b.guarded(what, limit, to, do)
	begin := b.laneFor(on, to.Person)
	b.lanes[begin].mustPut(key, to.Person, func(ctx context.Context) {
		if now := b.laneFor(on, to.Person); now == begin || !b.lanes[now].put(key, to.Person, guarded) {
			guarded(ctx)
		}
	})
}

// room reports whether there is room on the delivery's lane. Events that are no work for a lane
// have it always, and so have greetings, which may be left out.
func (d delivery) room() bool {
	if m, is := d.in.(message); d.kind == socketmode.RequestTypeEventsAPI && (!is || m.plain() && !m.command(d.said)) {
		return true
	}
	if _, is := d.in.(closed); is {
		return true
	}
	return d.bot.lanes[d.lane()].room()
}

// notGreeted is called when somebody could not be greeted.
func (b *Bot) notGreeted(person string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.greeted, person)
}

// mayGreet reports whether somebody is to be greeted: not when they were a moment ago.
func (b *Bot) mayGreet(person string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for who, at := range b.greeted {
		if now.Sub(at) >= greetOnce {
			delete(b.greeted, who)
		}
	}
	if _, recently := b.greeted[person]; recently {
		return false
	}
	b.greeted[person] = now
	return true
}
