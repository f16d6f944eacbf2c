package bot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// How Home tabs are kept up to date.
const (
	homeFor     = 24 * time.Hour   // after somebody has opened it
	homeEvery   = 10 * time.Second // between two drawings for one person, when something changes
	homeSlow    = 5 * time.Minute  // and when nothing is heard of: roles and keys change, too
	homesMost   = 200              // people for whom it is kept
	homeTimeout = 20 * time.Second // for one drawing
	ownLooked   = 2000             // batches that are looked through for all of somebody's own
	homeRecent  = 200              // batches that are looked through for somebody's own
	homesName   = "slack/homes"    // what is remembered of who opened it
	homeRole    = 10 * time.Minute // how old a role may be by which a tab is drawn anew; a press is checked by itself
)

// homes keeps the Home tabs of those who opened theirs in the last day.
type homes struct {
	bot  *Bot
	wake chan struct{}

	mu     sync.Mutex
	opened map[string]time.Time // person → when they last looked
	shown  map[string][32]byte  // what stands there
	roles  map[string]homeActor

	pacing sync.Mutex
	paces  map[int64]*view.Speed // of the batches that run, as they were seen here

	admins   chan struct{} // a pulse when an admin's tab is drawn
	channels []string      // what needs care of our channels, as it was last looked at
}

// homeActor is who somebody was when it was last asked, or why they may do nothing.
type homeActor struct {
	actor workflow.Actor
	err   error
	at    time.Time
}

func newHomes(b *Bot) *homes {
	return &homes{bot: b, wake: make(chan struct{}, 1), admins: make(chan struct{}, 1), opened: map[string]time.Time{}, paces: map[int64]*view.Speed{}, shown: map[string][32]byte{}, roles: map[string]homeActor{}}
}

// changed has the tabs looked at. It does not block.
func (h *homes) changed() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// look draws the tab of somebody who opened it, and keeps it from then on.
func (h *homes) look(ctx context.Context, person string) {
	h.mu.Lock()
	h.opened[person] = time.Now()
	delete(h.shown, person) // it is shown anew, whatever stood there
	delete(h.roles, person)
	for len(h.opened) > homesMost {
		oldest := person
		for who, at := range h.opened {
			if at.Before(h.opened[oldest]) {
				oldest = who
			}
		}
		delete(h.opened, oldest)
	}
	raw, err := json.Marshal(h.opened)
	h.mu.Unlock()
	h.draw(ctx, person, &homeData{bot: h.bot})
	if err == nil {
		err = h.bot.cfg.Store.Remember(ctx, homesName, raw)
	}
	if err != nil && ctx.Err() == nil {
		h.bot.log.Warn().Err(err).Msg("remember who opened Home")
	}
}

// run redraws what has changed, until ctx ends.
func (h *homes) run(ctx context.Context) {
	h.recall(ctx)
	for {
		data := &homeData{bot: h.bot}
		for _, person := range h.people() {
			h.draw(ctx, person, data)
		}
		if sleep(ctx, h.bot.cfg.HomeEvery) != nil {
			return
		}
		slow := time.NewTimer(homeSlow)
		select {
		case <-ctx.Done():
		case <-h.wake:
		case <-slow.C:
		}
		slow.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// recall takes up who had opened it before a restart.
func (h *homes) recall(ctx context.Context) {
	raw, err := h.bot.cfg.Store.Recall(ctx, homesName)
	opened := map[string]time.Time{}
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &opened)
	}
	if err != nil {
		h.bot.log.Warn().Err(err).Msg("recall who opened Home")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for person, at := range opened {
		if at.After(h.opened[person]) {
			h.opened[person] = at
		}
	}
}

// people are those who opened it in the last day.
func (h *homes) people() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for person, at := range h.opened {
		if time.Since(at) >= homeFor {
			delete(h.opened, person)
			delete(h.shown, person)
			delete(h.roles, person)
			continue
		}
		out = append(out, person)
	}
	return out
}

// draw publishes a person's tab, unless it says what it would say.
func (h *homes) draw(ctx context.Context, person string, data *homeData) {
	b := h.bot
	ctx, cancel := context.WithTimeoutCause(ctx, homeTimeout, errors.New("to draw Home took over "+homeTimeout.String()))
	defer cancel()
	home, err := h.home(ctx, person, data)
	if err != nil {
		if ctx.Err() == nil {
			b.log.Warn().Err(err).Str("person", person).Msg("draw Home")
		}
		return
	}
	tab := home.Draw()
	raw, err := json.Marshal(tab.Blocks)
	if err != nil { // blocks are plain data: cannot fail
		return
	}
	mark := sha256.Sum256(raw)
	h.mu.Lock()
	same := h.shown[person] == mark
	h.mu.Unlock()
	if same {
		return
	}
	if err := b.api.PublishHome(ctx, person, tab); err != nil {
		b.log.Warn().Err(err).Str("person", person).Msg("publish Home")
		return
	}
	h.mu.Lock()
	h.shown[person] = mark
	h.mu.Unlock()
}

// RedrawHome has the Home tabs looked at: something that they show has changed. It does not block.
func (b *Bot) RedrawHome() { b.homes.changed() }

// rolesChanged is called when somebody may be allowed other things than before.
func (h *homes) rolesChanged() {
	h.mu.Lock()
	clear(h.roles)
	h.mu.Unlock()
	h.changed()
}

// actor returns who somebody is, as of some minutes ago: it only chooses what is shown.
func (h *homes) actor(ctx context.Context, person string) (workflow.Actor, error) {
	h.mu.Lock()
	known, there := h.roles[person]
	h.mu.Unlock()
	if there && time.Since(known.at) < homeRole {
		return known.actor, known.err
	}
	actor, err := h.bot.people.Asking(ctx, person, "")
	if e, is := errors.AsType[*workflow.IneligibleError](err); is && e.Kind == workflow.NotCheckable {
		return actor, err
	}
	h.mu.Lock()
	h.roles[person] = homeActor{actor, err, time.Now()}
	h.mu.Unlock()
	return actor, err
}

// home returns what a person's tab shows. Somebody without a role sees whom to ask.
func (h *homes) home(ctx context.Context, person string, data *homeData) (view.Home, error) {
	b := h.bot
	home := view.Home{Command: b.cfg.Command, Version: b.cfg.Version}
	if b.cfg.Organisation != nil {
		home.Organisation = b.cfg.Organisation()
	}
	actor, err := h.actor(ctx, person)
	if e, is := errors.AsType[*workflow.IneligibleError](err); is && e.Kind == workflow.NotCheckable {
		return home, err
	} else if err != nil {
		home.Refused = b.say(err, "open Home").Text
		return home, nil
	}
	if err := data.load(ctx); err != nil {
		return home, err
	}
	home.Admin, home.Night, home.Before = actor.Admin, data.night, data.before
	var mine []*workflow.Batch
	for _, batch := range data.waiting {
		is, err := b.waitsFor(ctx, batch, actor)
		if err != nil { // the click decides
			b.log.Warn().Err(err).Int64("batch", batch.Number).Msg("find out whether a batch waits for a person")
		}
		if is || err != nil {
			mine = append(mine, batch)
		}
	}
	if home.Waiting, err = data.lines(ctx, mine, func(*workflow.Batch) bool { return true }); err != nil {
		return home, err
	}
	seen := func(batch *workflow.Batch) bool { return !batch.Unseen() }
	if home.Running, err = data.lines(ctx, data.running, seen); err != nil {
		return home, err
	}
	h.goes(ctx, home.Running)
	own := func(batch *workflow.Batch) bool { return batch.Requester.ID == person && seen(batch) }
	if home.Own, err = data.lines(ctx, data.recent, own); err != nil {
		return home, err
	}
	if len(data.recent) == homeRecent {
		home.OwnOf = homeRecent
	}
	if actor.Admin {
		home.Care = slices.Concat(data.careOnce(ctx), h.channelCare())
		h.watch()
	}
	return home, nil
}

// goes says of the first batches of a list how fast they go and how long they have to.
func (h *homes) goes(ctx context.Context, running []view.Summarised) {
	h.pacing.Lock()
	defer h.pacing.Unlock()
	paces := map[int64]*view.Speed{}
	for i := range running[:min(len(running), view.HomeOfEach)] {
		b := running[i].Batch
		if b.State != workflow.Running || b.Cancelling() { // its state says it
			continue
		}
		pace := cmp.Or(h.paces[b.Number], &view.Speed{})
		paces[b.Number] = pace
		running[i].Goes = h.bot.deliver.Progress(ctx, b, running[i].Summary, pace).Goes()
	}
	h.paces = paces
}

// waitsFor reports whether a batch waits for the person's approval, by what a click is decided by: no
// human approves their own, under whichever account, nor twice.
func (b *Bot) waitsFor(ctx context.Context, batch *workflow.Batch, actor workflow.Actor) (bool, error) {
	if may := workflow.May(workflow.ActApprove, batch, actor) == nil; !may {
		return false, nil
	}
	var people []workflow.Actor
	for _, d := range batch.Decisions {
		if d.Verdict == workflow.Approve && d.Digest == batch.Digest {
			people = append(people, workflow.Actor{Person: d.Person, Admin: true})
		}
	}
	able, _, err := b.cfg.Engine.CanApprove(ctx, batch, append(people, actor)...)
	return len(able) > 0 && able[len(able)-1].ID == actor.ID, err
}

// homeData is what all tabs of one round are drawn from.
type homeData struct {
	bot                      *Bot
	loaded                   bool
	waiting, running, recent []*workflow.Batch
	night, before            *report.Snapshot
	counted                  map[int64]view.Summarised
	care                     []string
	cared                    bool
}

func (d *homeData) load(ctx context.Context) (err error) {
	if d.loaded {
		return nil
	}
	store := d.bot.cfg.Store
	if d.waiting, err = store.List(ctx, 0, workflow.AwaitingApproval); err != nil {
		return err
	}
	if d.running, err = store.List(ctx, 0, workflow.Running, workflow.Paused, workflow.Approved); err != nil {
		return err
	}
	if d.recent, err = store.List(ctx, homeRecent); err != nil {
		return err
	}
	nights, err := store.ListSnapshots(ctx, report.SnapshotQuery{Limit: 2})
	if err != nil {
		return err
	}
	for i, to := range []**report.Snapshot{&d.night, &d.before} {
		if i < len(nights) {
			*to = &nights[i]
		}
	}
	d.counted, d.loaded = map[int64]view.Summarised{}, true
	return nil
}

// lines are the batches that belong into a list, the first of them with their counts.
func (d *homeData) lines(ctx context.Context, all []*workflow.Batch, belongs func(*workflow.Batch) bool) ([]view.Summarised, error) {
	var out []view.Summarised
	for _, batch := range all {
		if !belongs(batch) {
			continue
		}
		line, counted := d.counted[batch.Number]
		if !counted {
			line = view.Summarised{Batch: batch}
		}
		if !counted && len(out) < view.HomeOfEach {
			var err error
			if line, err = d.bot.summarised(ctx, batch); err != nil {
				return nil, err
			}
			d.counted[batch.Number] = line
		}
		out = append(out, line)
	}
	return out, nil
}

func (d *homeData) careOnce(ctx context.Context) []string {
	if !d.cared {
		d.care, d.cared = d.bot.care(ctx), true
	}
	return d.care
}

// beginFromHome opens the form.
func (b *Bot) beginFromHome(ctx context.Context, p press, by sender) {
	b.openForm(ctx, p.trigger(), by, view.Draft{})
}

// ownRequests opens the list of a person's requests.
func (b *Bot) ownRequests(ctx context.Context, p press, by sender) {
	modal, err := func() (modal slack.ModalViewRequest, err error) {
		ctx, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
		defer cancel()
		if _, err := b.actor(ctx, by); err != nil {
			return modal, err
		}
		recent, err := b.cfg.Store.List(ctx, ownLooked)
		if err != nil {
			return modal, err
		}
		var own []view.Summarised
		for _, batch := range recent {
			if batch.Requester.ID != by.Person || batch.Unseen() {
				continue
			}
			line := view.Summarised{Batch: batch}
			if len(own) < view.OwnMost {
				if line, err = b.counted(ctx, batch); err != nil {
					return modal, err
				}
			}
			own = append(own, line)
		}
		return view.OwnModal(own), nil
	}()
	if err != nil {
		b.noForm(ctx, p.trigger(), by, b.say(err, "list somebody's requests"))
		return
	}
	if _, err := b.show(ctx, p.trigger(), modal); err != nil {
		b.log.Warn().Err(err).Msg("open the list of somebody's requests")
	}
}

// reportFromHome sends the report of last night's directory.
func (b *Bot) reportFromHome(ctx context.Context, p press, by sender) {
	c := given{Command: command.Command{Name: "report show", Report: p.Value, Supported: true}}
	answered((*Bot).report)(b, ctx, c, by)
}

// openFind opens the modal that finds an account.
func (b *Bot) openFind(ctx context.Context, p press, by sender) {
	known, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
	defer cancel()
	if _, err := b.actor(known, by); err != nil {
		b.noForm(ctx, p.trigger(), by, b.say(err, "find an account"))
		return
	}
	if _, err := b.show(ctx, p.trigger(), view.FindModal(view.Carried{Key: b.newKey(), Channel: by.Channel}, nil)); err != nil {
		b.log.Warn().Err(err).Msg("open the search")
		b.api.Private(ctx, by.Recipient, view.Said("I could not open the search in time. Press it again."))
	}
}

// findChosen shows in the modal who was chosen there.
func (b *Bot) findChosen(ctx context.Context, p press, by sender) {
	c, ok := view.ParseCarried(p.View.Metadata)
	if !ok || p.Selected == "" {
		return
	}
	by.Channel = c.Channel
	m, err := func() (slackapi.Message, error) {
		if _, err := b.actor(ctx, by); err != nil {
			return slackapi.Message{}, err
		}
		chosen := view.ParseAccountRef(p.Selected)
		accounts, err := b.cfg.Engine.Find(ctx, cmp.Or(chosen.ID, chosen.Email))
		return view.Found(cmp.Or(chosen.Email, chosen.ID), accounts), err
	}()
	if err != nil {
		m = b.say(err, "find an account")
	}
	if _, err := b.api.UpdateView(ctx, p.View.ID, "", view.FindModal(c, m.Blocks)); err != nil && !slackapi.ViewGone(err) {
		b.log.Warn().Err(err).Msg("show who was found")
	}
}

// hit opens the form filled in with an account that was found.
func (b *Bot) hit(ctx context.Context, p press, by sender) {
	action := map[string]workflow.ActionName{view.HitRename: workflow.Rename, view.HitDisable: workflow.Deactivate}[p.Action]
	draft := view.Draft{Action: action}.With(view.ParseAccountRef(p.Value))
	if c, ok := view.ParseCarried(p.View.Metadata); ok {
		by.Channel = c.Channel
	}
	b.openForm(ctx, p.trigger(), by, draft)
}
