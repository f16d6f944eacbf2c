package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// entry says how one command, action or form is taken.
type entry[T any] struct {
	// key is under which it waits: those of one key are done one after the other. nil waits for
	// none.
	key   func(T) string
	lane  lane
	limit time.Duration // how long it may take; 0 is actTimeout
	// fresh has the person who did it read from Slack after it came. What was read up to a minute
	// ago will do for others.
	fresh bool
	// holds returns what is wrong with it by field, while its form is still open; nil for nothing.
	holds func(T) map[string]string
	// meanwhile is what the form shows at once, until do has found out more; nil closes it.
	meanwhile func(T) slack.ModalViewRequest
	// answers does it and returns what Slack is answered, in place of do: the form stays open, or
	// closes, by what came of it. nil for what is acknowledged first.
	answers func(b *Bot, ctx context.Context, in T, by sender) any
	do      func(b *Bot, ctx context.Context, in T, by sender)
}

// suggestTimeout bounds a search as somebody types: Slack waits for three seconds.
const suggestTimeout = 2 * time.Second

// sender is who did something, and when that reached us.
type sender struct {
	slackapi.Recipient
	came  workflow.LogicalTime
	fresh bool // whether they have to be read from Slack after that
}

// actor reads who somebody is, as fresh as what they did needs it. Every error is a
// *workflow.IneligibleError.
func (b *Bot) actor(ctx context.Context, by sender) (actor workflow.Actor, err error) {
	if by.fresh {
		actor, err = b.people.Deciding(ctx, by.Person, by.Channel, by.came)
	} else {
		actor, err = b.people.Asking(ctx, by.Person, by.Channel)
	}
	actor.Received = by.came
	return actor, err
}

// actions are what can be pressed, by the id that comes back from Slack: the acts on a batch, and
// the menu under a file.
func actions() map[string]entry[press] {
	all := map[string]entry[press]{
		view.ActionChoose: {key: func(p press) string { return "file/" + p.Message }, do: (*Bot).chosen},
		view.ActionDraft:  {key: func(p press) string { return "draft/" + p.By.Person }, lane: deciding, do: (*Bot).drafted},
	}
	for _, act := range workflow.Acts() {
		if act.Name != workflow.ActAsk { // there is no batch yet, and no button
			all[string(act.Name)] = entry[press]{key: batchOf, lane: deciding, fresh: act.Fresh, do: (*Bot).pressed}
		}
	}
	// A rejection is decided when its form comes back; the click only opens it.
	all[view.ActionReject] = entry[press]{key: batchOf, lane: deciding, do: (*Bot).openRejection}
	all[view.ActionDetails] = entry[press]{lane: deciding, do: (*Bot).openDetails}
	for _, turn := range []string{view.ActionRows, view.ActionEarlier, view.ActionMore} {
		all[turn] = entry[press]{key: inView, lane: deciding, do: (*Bot).turnDetails}
	}
	all[view.ActionPlan] = entry[press]{key: inView, do: (*Bot).downloadPlan}
	for _, field := range []string{view.FieldAction, view.FieldPerson, view.ActionNoFile} {
		all[field] = entry[press]{key: inView, lane: deciding, do: (*Bot).formChanged}
	}
	all[view.HomeNew] = entry[press]{lane: deciding, do: (*Bot).beginFromHome}
	all[view.HomeFind] = entry[press]{lane: deciding, do: (*Bot).openFind}
	all[view.HomeAll] = entry[press]{lane: deciding, do: (*Bot).ownRequests}
	all[view.HomeReport] = entry[press]{do: (*Bot).reportFromHome}
	all[view.FieldFind] = entry[press]{key: inView, do: (*Bot).findChosen}
	for _, hit := range []string{view.HitRename, view.HitDisable, view.HitMore} {
		all[hit] = entry[press]{lane: deciding, do: (*Bot).hit}
	}
	all[view.ActionForm] = entry[press]{lane: deciding, do: (*Bot).formOffered}
	all[view.ActionFix] = entry[press]{key: inView, lane: deciding, do: (*Bot).fixRows}
	return all
}

// forms are the forms that can come back, by their callback ids.
func forms() map[string]entry[submission] {
	return map[string]entry[submission]{
		view.RejectForm: {
			key: func(s submission) string {
				f, _ := view.ParseForm(s.Metadata)
				return batchKey(f.Value)
			},
			lane:  deciding,
			fresh: true,
			holds: func(s submission) map[string]string {
				if s.reason() != "" {
					return nil
				}
				return map[string]string{view.ReasonBlock: view.NeedsReason}
			},
			do: (*Bot).rejected,
		},
		view.RequestForm: {
			key: formKey, lane: previewing, limit: formCheckTimeout, holds: submission.lacking, meanwhile: submission.checking, do: (*Bot).checkForm,
		},
		view.CheckedForm: {key: formKey, lane: deciding, answers: (*Bot).sendForm},
	}
}

// inView puts in order what is pressed in one view.
func inView(p press) string { return "view/" + p.View.ID }

// formKey puts in order what is sent of one form.
func formKey(s submission) string { return "form/" + s.View.ID }

// shortcuts are those of the app and of messages, by their callback ids.
func shortcuts() map[string]entry[shortcut] {
	return map[string]entry[shortcut]{
		view.ShortcutNew: {lane: deciding, do: (*Bot).newByShortcut},
		view.ShortcutCSV: {lane: deciding, do: (*Bot).useCSV},
	}
}

// batchOf puts in order what is pressed on the card of one batch.
func batchOf(p press) string { return batchKey(p.Value) }

// batchKey is the key of the batch that a button's value names, "" when it names none.
func batchKey(value string) string {
	if n, _, ok := view.ParseValue(value); ok {
		return fmt.Sprintf("batch/%d", n)
	}
	return ""
}

// delivery is one envelope's payload on its way.
type delivery struct {
	bot  *Bot
	kind string
	in   incoming // nil when it is nothing to us
	said said     // of a slash, or of a message that is plain
}

// said is what somebody's words say as a command.
type said struct {
	command command.Command
	err     error
}

func read(words string) said {
	c, err := command.Parse(words)
	if err == nil && c.Except { // the file that it speaks of is what is missing
		err = &command.UsageError{Problem: view.ExceptLacksFile, Usage: command.UsageFor(c.Name), Say: view.ExceptByFile, Missing: &c}
	}
	return said{c, err}
}

// decode reads a payload, once, and the words in it: they may be long.
func (b *Bot) decode(kind string, payload json.RawMessage) envelope {
	in, err := decode(kind, payload)
	if err != nil {
		b.log.Warn().Str("kind", kind).Err(err).Msg("read what Slack sent")
		in = nil
	}
	d := delivery{bot: b, kind: kind, in: in}
	switch in := in.(type) {
	case slash:
		d.said = read(in.Text)
	case message:
		if in.plain() {
			d.said = read(in.Text)
		}
	}
	return d
}

// answer holds back a form with something wrong in it while it is still open; else it is what the
// form shows until more is known.
func (d delivery) answer() (says any, final bool) {
	form, is := d.in.(submission)
	if !is {
		return nil, false
	}
	e := d.bot.forms[form.Form]
	if e.holds != nil {
		if wrong := e.holds(form); wrong != nil {
			return slack.NewErrorsViewSubmissionResponse(wrong), true
		}
	}
	if e.meanwhile != nil {
		modal := e.meanwhile(form)
		return slack.NewUpdateViewSubmissionResponse(&modal), false
	}
	return nil, false
}

// asks reports whether the answer has to be found out before it is acknowledged.
func (d delivery) asks() bool {
	switch in := d.in.(type) {
	case suggestion:
		return true
	case submission:
		return d.bot.forms[in.Form].answers != nil
	}
	return false
}

// ask finds the answer out. One that comes twice is answered twice, and done once.
func (d delivery) ask(acknowledge func(says any)) {
	b := d.bot
	switch in := d.in.(type) {
	case suggestion:
		by := sender{Recipient: in.By, came: b.people.Now()}
		b.enlist(d.lane(), "", "search", suggestTimeout, in.By, func(ctx context.Context) { acknowledge(b.suggest(ctx, in, by)) })
	case submission:
		e := b.forms[in.Form]
		by := sender{Recipient: in.By, came: b.people.Now(), fresh: e.fresh}
		b.enlist(e.lane, e.key(in), "form", actTimeout, in.By, func(ctx context.Context) { acknowledge(e.answers(b, ctx, in, by)) })
	}
}

// receive puts what came to where it is done.
func (d delivery) receive() {
	b := d.bot
	switch in := d.in.(type) {
	case slash:
		if b.first(in.Trigger) {
			b.given(in, d.said)
		}
	case press:
		if b.first(in.Once) {
			put(b, "click", b.actions, in.Action, in, in.By)
		}
	case submission:
		if b.first(in.Once) {
			put(b, "form", b.forms, in.Form, in, in.By)
		}
	case shortcut:
		if b.first(in.Trigger) {
			put(b, "shortcut", b.shortcuts, in.Name, in, in.By)
		}
	case closed:
		b.formClosed(in)
	case homeOpened:
		to := slackapi.Recipient{Person: in.Person}
		look := b.guarded("home", actTimeout, to, func(ctx context.Context) { b.homes.look(ctx, in.Person) })
		b.lanes[b.laneFor(asking, in.Person)].put("home/"+in.Person, in.Person, look)
	case personChanged:
		b.homes.rolesChanged()
		if b.people.PersonChanged(in.Person) {
			b.deliver.LookAgain() // a card may say that nobody can approve it
		}
	case groupsChanged:
		b.people.GroupsChanged()
		b.homes.rolesChanged()
		b.deliver.LookAgain() // a card may say that nobody can approve it
	case joined:
		if in.Person != b.api.SelfID() {
			return
		}
		b.deliver.ReportFinished() // a result may wait for the channel
		if in.Channel == b.cfg.Requests {
			b.deliver.Rejoined()
			b.intake.requestCatchUp()
		}
	case deletion:
		b.deliver.MessageDeleted(in.Channel, in.TS)
	case message:
		b.receiveMessage(in, d.said)
	}
}

func (b *Bot) receiveMessage(m message, words said) {
	switch {
	case m.Person == b.api.SelfID():
		if m.Thread == "" && !m.direct() {
			b.deliver.MessagePosted(m.Channel, m.TS)
		}
	case m.plain():
		b.receiveWords(m, words)
	case len(m.Files) > 0:
		to := slackapi.Recipient{Person: m.Person, Channel: m.Channel, Thread: cmp.Or(m.Thread, m.TS)}
		b.enlist(asking, "", "file", fileTimeout, to, func(ctx context.Context) { b.filesShared(ctx, m, to) })
	}
}

// put has done what the table says. The unknown is logged and dropped.
func put[T any](b *Bot, what string, table map[string]entry[T], name string, in T, to slackapi.Recipient) {
	e, known := table[name]
	if !known {
		b.log.Warn().Str(what, name).Str("person", to.Person).Msg("none of ours")
		return
	}
	key := ""
	if e.key != nil {
		key = e.key(in)
	}
	by := sender{Recipient: to, came: b.people.Now(), fresh: e.fresh}
	b.enlist(e.lane, key, what, cmp.Or(e.limit, actTimeout), to, func(ctx context.Context) { e.do(b, ctx, in, by) })
}

// busy has the person told that nothing was done. It goes beside the lane, which is full. It reports
// whether there is room for that, at least: else Slack tells them, by what is not acknowledged.
func (d delivery) busy() bool {
	var to slackapi.Recipient
	switch in := d.in.(type) {
	case slash:
		to = in.by()
	case press:
		to = in.By
	case submission:
		to = in.By
	case shortcut:
		to = in.By
	default:
		return true
	}
	b := d.bot
	return b.lanes[answering].put("", to.Person, b.guarded("busy", actTimeout, to, func(ctx context.Context) {
		b.api.Private(ctx, to, view.Said("I have too much to do; nothing was done. Try again in a minute."))
	}))
}

// first reports whether an interaction is seen for the first time. Slack does not deliver clicks
// again, so that memory is enough; what they change is guarded by the database.
func (b *Bot) first(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for k, at := range b.recent {
		if now.Sub(at) > onceFor {
			delete(b.recent, k)
		}
	}
	if _, there := b.recent[id]; there && id != "" {
		return false
	}
	b.recent[id] = now
	return true
}

// guarded bounds a piece of work in time, and keeps a fault in it from taking everything else
// along.
func (b *Bot) guarded(
	what string, limit time.Duration, to slackapi.Recipient, do func(context.Context),
) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the %s took over %s", what, limit))
		defer cancel()
		defer func() {
			if fault := recover(); fault != nil {
				ref := b.reference()
				b.log.Error().Str("reference", ref).Str("what", what).Any("fault", fault).Bytes("stack", debug.Stack()).
					Msg("a fault of countersign")
				b.api.Private(ctx, to, view.Said(view.Fault(ref)))
			}
		}()
		do(ctx)
	}
}

// reference is a short word by which a line of the log is found again.
func (b *Bot) reference() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%06x", b.cfg.Rand.IntN(1<<24))
}
