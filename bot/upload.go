package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// filesShared takes the files of a message: each is a request of its own. Files in other channels than the one for
// requests, and those of bots, are none of our business.
func (b *Bot) filesShared(ctx context.Context, e event, to where) {
	in := e.Inner
	direct := in.ChannelType == "im" || strings.HasPrefix(in.Channel, "D")
	switch {
	case in.Subtype != "" && in.Subtype != "file_share":
		return // an edit of a message brings its files again
	case in.BotID != "", in.Person == "", in.Person == b.self:
		return
	case in.Channel != b.cfg.Requests && !direct:
		return
	}
	var fresh []file
	for _, f := range in.Files {
		if b.intake.begin(ctx, fileKey(in.Channel, in.TS, f.ID), in.TS) {
			fresh = append(fresh, f)
		}
	}
	if len(fresh) == 0 {
		return
	}
	actor, err := b.people.asking(ctx, in.Person, in.Channel)
	stranger, is := errors.AsType[*StrangerError](err)
	if err == nil && e.Shared {
		err = &StrangerError{Kind: SharedPlace}
	}
	verb, reason := workflow.ParseVerb(in.Text)
	for _, f := range fresh { // a large one does not hold up the others
		d := delivered{key: fileKey(in.Channel, in.TS, f.ID), ts: in.TS, direct: direct, to: to}
		if is && stranger.Kind == NotAPerson {
			b.intake.end(ctx, d.key, true)
			continue
		}
		take := b.guarded("file", fileTimeout, to, func(ctx context.Context) {
			b.take(ctx, d, actor, err, f, verb, reason)
		})
		if !b.files.put("", take) {
			take(ctx)
		}
	}
}

// greet answers words that somebody writes to the bot directly with what it can do.
func (b *Bot) greet(ctx context.Context, e event, to where) {
	key := "event/" + cmp.Or(e.ID, e.Inner.Channel+"/"+e.Inner.TS)
	if !b.intake.begin(ctx, key, e.Inner.TS) {
		return
	}
	b.reply(ctx, to, help(b.cfg.Command))
	b.intake.end(ctx, key, true)
}

// complete asks Slack for what a file is when the message only names it (Slack Connect, file_access check_file_info).
func (b *Bot) complete(ctx context.Context, f file) (file, error) {
	if f.Access != "check_file_info" && (f.Name != "" || f.Mode == "tombstone") {
		return f, nil
	}
	return b.fileInfo(ctx, f.ID)
}

func (b *Bot) fileInfo(ctx context.Context, id string) (file, error) {
	info, err := b.api.file(ctx, id)
	if err != nil {
		return file{}, fmt.Errorf("ask for file %s: %w", id, err)
	}
	return ownFile(info), nil
}

func ownFile(f *slack.File) file {
	return file{
		ID: f.ID, Name: f.Name, Mimetype: f.Mimetype, Filetype: f.Filetype, Mode: f.Mode, External: f.IsExternal,
		Size: int64(f.Size), URL: f.URLPrivateDownload, Private: f.URLPrivate,
	}
}

// media says whether a file in the channel is a picture, a film or a sound: people show each other such things. Everything
// else is meant for us, if only to be told what we can read.
func media(f file) bool {
	kind, _, _ := strings.Cut(f.Mimetype, "/")
	return slices.Contains([]string{"image", "video", "audio"}, kind)
}

// take makes a batch of one file, or says under it why not. Which batch it is, deliver says there. refused is why the
// person may not ask at all, nil when they may.
func (b *Bot) take(
	ctx context.Context, d delivered, actor workflow.Actor, refused error, f file, verb workflow.ActionName, reason string,
) {
	dealt := false
	defer func() { b.intake.end(context.WithoutCancel(ctx), d.key, dealt) }()
	f, err := b.complete(ctx, f)
	if err == nil && !d.direct && media(f) {
		dealt = true
		return
	}
	if err = cmp.Or(refused, err); err == nil {
		source := workflow.Source{
			Kind: workflow.SourceFile, Channel: d.to.Channel, Message: d.to.Thread, FileName: f.Name, Delivery: d.key,
		}
		err = b.submitFile(ctx, source, actor, actor.Person, f, verb, reason)
	}
	switch {
	case err == nil, errors.Is(err, workflow.ErrTaken):
		dealt = true
	case ctx.Err() != nil: // we are ending, or it took too long: nothing is known of the file
	case errors.Is(err, workflow.ErrNeedsAction):
		dealt = b.underFile(ctx, d, menu(f, d.to.Person, d.ts))
	default:
		dealt = b.underFile(ctx, d, b.say(err, "take a file"))
	}
}

// submitFile downloads a file and hands it in. The bytes read now are what counts: the file in Slack may change.
func (b *Bot) submitFile(
	ctx context.Context, source workflow.Source, actor workflow.Actor, author workflow.Person, f file,
	verb workflow.ActionName, reason string,
) error {
	if err := b.readable(f); err != nil {
		return err
	}
	url := f.URL
	if url == "" {
		url = f.Private
	}
	content, err := b.api.download(ctx, url, b.cfg.MaxFileBytes)
	if err != nil {
		return err
	}
	batch, err := b.cfg.Engine.Submit(ctx, actor, workflow.Request{
		Requester: actor.Person, Author: author, Reason: reason, Verb: verb, Original: content, Source: source,
	})
	if err != nil {
		return err
	}
	b.log.Info().Int64("batch", batch.Number).Str("person", actor.ID).Str("file", f.ID).Msg("asked by file")
	b.deliver.redraw(batch.Number)
	return nil
}

// readable says why a file's bytes cannot be had from Slack at all, nil when they can (files: mode, is_external).
func (b *Bot) readable(f file) error {
	refuse := func(problem, remedy string) error { return &workflow.FileError{Problem: problem, Remedy: remedy} }
	switch {
	case f.External || f.Mode == "external" || f.Mode == "remote":
		return refuse("it is kept outside Slack, where I cannot read it", "upload the file itself")
	case f.Mode == "tombstone":
		return refuse("it was deleted", "upload it again")
	case f.Mode == "hidden_by_limit":
		return refuse("Slack hides it because the workspace is over its limit", "upload it again")
	case f.Access == "access_denied":
		return refuse("Slack does not let me read it", "share it with me in this channel")
	case slices.Contains([]string{"canvas", "quip", "list", "email"}, f.Mode):
		return refuse("it is no file but a "+f.Mode, "send a CSV")
	case f.Size > b.cfg.MaxFileBytes:
		return errTooLarge
	case f.URL == "" && f.Private == "":
		return refuse("Slack does not say where its bytes are", "upload it again")
	}
	return nil
}

// reply answers in a thread under the message that brought a file.
func (b *Bot) reply(ctx context.Context, to where, m message) {
	if _, err := b.api.post(ctx, to.Channel, to.Thread, "", m, rankSaid); err != nil {
		b.log.Warn().Err(err).Str("channel", to.Channel).Msg("answer under a file")
		b.api.private(ctx, where{Person: to.Person}, m)
	}
}

// chosen takes what somebody picked in the menu under a file. All it needs is in the entry and in Slack, so that a menu
// works also after a restart.
func (b *Bot) chosen(ctx context.Context, i interaction, to where) {
	c, ok := parseChoice(i.Actions[0].Selected.Value)
	if !ok {
		b.log.Warn().Str("person", to.Person).Msg("an entry of a menu that is none of ours")
		return
	}
	actor, err := b.people.asking(ctx, to.Person, to.Channel)
	if err != nil {
		b.api.private(ctx, to, b.say(err, "choose an action"))
		return
	}
	menuKey := "menu/" + to.Channel + "/" + i.Container.Message
	if _, taken, err := b.cfg.Store.Post(ctx, menuKey); err != nil || taken { // clicks on one menu come one after the other
		if err == nil {
			b.api.private(ctx, to, said("Somebody has chosen already; look at the answer under the file."))
			return
		}
		b.api.private(ctx, to, b.say(err, "choose an action"))
		return
	}
	author, text, err := b.asker(ctx, c, to)
	if err != nil {
		b.api.private(ctx, to, b.say(err, "choose an action"))
		return
	}
	f, err := b.fileInfo(ctx, c.File)
	if err != nil {
		b.api.private(ctx, to, b.say(err, "choose an action"))
		return
	}
	_, reason := workflow.ParseVerb(text)
	source := workflow.Source{
		Kind: workflow.SourceFile, Channel: to.Channel, Message: cmp.Or(to.Thread, c.TS), FileName: f.Name, Delivery: menuKey,
	}
	err = b.submitFile(ctx, source, actor, author, f, c.Action, reason)
	if err != nil && !errors.Is(err, workflow.ErrTaken) { // else a crash came between the batch and the note below
		b.api.private(ctx, to, b.say(err, "choose an action"))
		return
	}
	p := workflow.Post{Key: menuKey, Channel: to.Channel, TS: i.Container.Message}
	if err := b.cfg.Store.SavePost(ctx, p); err != nil {
		b.log.Error().Err(err).Msg("remember that a menu was used")
	}
	m := said(fmt.Sprintf("%s chose %s.", mention(to.Person), c.Action))
	if err = b.api.updates.wait(ctx, rankSaid); err == nil {
		err = b.api.update(ctx, to.Channel, i.Container.Message, menuKey, m)
	}
	if err != nil {
		b.log.Warn().Err(err).Msg("take a used menu away")
	}
}

// asker gives who posted a file, with the words they sent with it. They count as a requester, also when another person
// chose the action.
func (b *Bot) asker(ctx context.Context, c choice, to where) (workflow.Person, string, error) {
	text, err := b.api.text(ctx, to.Channel, c.TS)
	if err != nil {
		b.log.Warn().Err(err).Msg("read the message that brought a file") // only its reason is lost
	}
	u, err := b.api.person(ctx, c.Author)
	if err != nil {
		return workflow.Person{}, "", &StrangerError{Kind: NotCheckable, Err: err}
	}
	return workflow.Person{ID: u.ID, Name: nameOf(u), Email: u.Profile.Email}, text, nil
}
