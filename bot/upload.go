package bot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// filesShared takes the files of a message: each is a request of its own. Files in other channels
// than the one for requests, and those of bots, are none of our business.
func (b *Bot) filesShared(ctx context.Context, m message, to slackapi.Recipient) {
	switch {
	case !slices.Contains([]string{"", "file_share", "thread_broadcast"}, m.Subtype):
		return // an edit of a message brings its files again
	case m.BotID != "", m.Person == "", m.Person == b.api.SelfID():
		return
	case m.Channel != b.cfg.Requests && !m.direct():
		return
	}
	var fresh []slackapi.File
	for _, f := range m.Files {
		if b.intake.beginDelivery(ctx, fileKey(m.Channel, m.TS, f.ID), m.TS) {
			fresh = append(fresh, f)
		}
	}
	if len(fresh) == 0 {
		return
	}
	actor, err := b.people.Asking(ctx, m.Person, m.Channel)
	ineligible, is := errors.AsType[*workflow.IneligibleError](err)
	if err == nil && m.Shared {
		err = &workflow.IneligibleError{Kind: workflow.SharedPlace}
	}
	note := command.ParseNote(m.Text)
	note.Said = momentOf(m.TS)
	for _, f := range fresh { // a large one does not hold up the others
		d := delivered{key: fileKey(m.Channel, m.TS, f.ID), ts: m.TS, direct: m.direct(), to: to}
		if is && ineligible.Kind == workflow.NotAPerson {
			b.intake.endDelivery(ctx, d.key, true)
			continue
		}
		take := b.guarded("file", fileTimeout, to, func(ctx context.Context) {
			b.takeFile(ctx, d, actor, err, f, note)
		})
		if !b.lanes[b.laneFor(asking, m.Person)].put("", m.Person, take) {
			take(ctx)
		}
	}
}

// complete asks Slack for what a file is when the message only names it (Slack Connect, file_access
// check_file_info).
func (b *Bot) complete(ctx context.Context, f slackapi.File) (slackapi.File, error) {
	if f.Access != "check_file_info" && (f.Name != "" || f.Mode == tombstone || f.Access == "file_not_found") {
		return f, nil
	}
	return b.fileInfo(ctx, f.ID)
}

func (b *Bot) fileInfo(ctx context.Context, id string) (slackapi.File, error) {
	info, err := b.api.FileInfo(ctx, id)
	if slices.Contains([]string{"file_deleted", "file_not_found"}, slackapi.Code(err)) {
		return slackapi.File{}, errDeleted()
	}
	if slackapi.Code(err) == "not_visible" {
		return slackapi.File{}, errHidden()
	}
	if err != nil {
		return slackapi.File{}, fmt.Errorf("ask for file %s: %w", id, err)
	}
	return info, nil
}

// tombstone is the mode of a file that was deleted (file object, mode).
const tombstone = "tombstone"

// errDeleted is the refusal of a file that is not there any more.
func errDeleted() error {
	return &sheet.FileError{Problem: "it was deleted", Remedy: "upload it again"}
}

// errHidden is the refusal of a file that Slack does not show us: none of its channels has us.
func errHidden() error {
	return &sheet.FileError{Problem: "Slack does not show it to me", Remedy: "invite me to its channel, or upload it to me"}
}

// whyNoBytes finds out whether a file whose bytes did not come was deleted meanwhile; else err is
// what it is.
func (b *Bot) whyNoBytes(ctx context.Context, f slackapi.File, err error) error {
	if errors.Is(err, slackapi.ErrTooLarge) || ctx.Err() != nil {
		return err
	}
	info, asked := b.fileInfo(ctx, f.ID)
	if _, is := errors.AsType[*sheet.FileError](asked); is {
		return asked
	}
	if asked == nil && info.Mode == tombstone {
		return errDeleted()
	}
	return err
}

// media reports whether a file in the channel is a picture, a film or a sound: people show each
// other such things. Everything else is meant for us, if only to be told what we can read.
func media(f slackapi.File) bool {
	kind, _, _ := strings.Cut(f.Mimetype, "/")
	return slices.Contains([]string{"image", "video", "audio"}, kind)
}

// takeFile makes a batch of one file, or says under it why not. Which batch it is, deliver says
// there. refused is why the person may not ask at all, nil when they may.
func (b *Bot) takeFile(
	ctx context.Context, d delivered, actor workflow.Actor, refused error, f slackapi.File, note command.Note,
) {
	dealt := false
	defer func() { b.intake.endDelivery(context.WithoutCancel(ctx), d.key, dealt) }()
	f, err := b.complete(ctx, f)
	if err == nil && !d.direct && media(f) {
		dealt = true
		return
	}
	err = cmp.Or(refused, err, note.Wrong)
	author := actor.Person
	if err == nil {
		author, err = b.uploader(ctx, f, actor.Person)
	}
	switch {
	case err != nil:
	case note.Compare:
		err = b.compareFile(ctx, d, actor, author, f)
	default:
		source := workflow.Source{
			Kind: workflow.SourceFile, Channel: d.to.Channel, Message: d.to.Thread, FileName: f.Name, Delivery: d.key,
		}
		err = b.submitFile(ctx, source, actor, author, f, note)
	}
	switch {
	case err == nil, errors.Is(err, workflow.ErrTaken):
		dealt = true
	case ctx.Err() != nil: // we are ending, or it took too long: nothing is known of the file
	case errors.Is(err, workflow.ErrNeedsAction):
		dealt = b.underFile(ctx, d, view.Menu(f, d.to.Person, d.ts, note.Meant, err))
	default:
		dealt = b.underFile(ctx, d, b.say(err, "take a file"))
	}
}

// uploader reads who put the file into Slack, which may be somebody else than who posted it: people
// share each other's files. They are its author, whatever they may do.
func (b *Bot) uploader(ctx context.Context, f slackapi.File, poster workflow.Person) (workflow.Person, error) {
	id := f.Person
	if id == "" && f.Mode != tombstone {
		info, err := b.fileInfo(ctx, f.ID)
		if err != nil {
			return workflow.Person{}, err
		}
		id = info.Person
	}
	if id == "" || id == poster.ID {
		return poster, nil
	}
	author, err := b.people.Author(ctx, id)
	if ineligible, is := errors.AsType[*workflow.IneligibleError](err); is && ineligible.Kind == workflow.NotAPerson {
		return author, &sheet.FileError{Problem: "a bot or an app uploaded it, and I take files of people only", Remedy: "upload it yourself"}
	}
	return author, err
}

// submitFile downloads a file and hands it in. The bytes read now are what counts: the file in
// Slack may change.
func (b *Bot) submitFile(
	ctx context.Context, source workflow.Source, actor workflow.Actor, author workflow.Person, f slackapi.File, note command.Note,
) error {
	content, err := b.download(ctx, f)
	if err != nil {
		return err
	}
	submit := b.submitRows
	if note.Move != nil {
		submit = b.submitExceptions
	}
	batch, err := submit(ctx, source, actor, author, note, content)
	if err != nil {
		return err
	}
	b.log.Info().Int64("batch", batch.Number).Str("person", actor.ID).Str("file", f.ID).Msg("asked by file")
	b.deliver.Redraw(batch.Number)
	return nil
}

// download reads a file's bytes from Slack, or says why they cannot be had.
func (b *Bot) download(ctx context.Context, f slackapi.File) ([]byte, error) {
	if err := readable(f, b.cfg.MaxFileBytes); err != nil {
		return nil, err
	}
	content, err := b.api.Download(ctx, cmp.Or(f.URL, f.Private), b.cfg.MaxFileBytes)
	if err != nil {
		return nil, b.whyNoBytes(ctx, f, err)
	}
	return content, nil
}

// submitRows hands in the rows of a file.
func (b *Bot) submitRows(
	ctx context.Context, source workflow.Source, actor workflow.Actor, author workflow.Person, note command.Note, content []byte,
) (*workflow.Batch, error) {
	when, err := note.When(time.Now(), actor.Location())
	if err != nil {
		return nil, err
	}
	limits := workflow.ReadLimits{MaxBytes: int(b.cfg.MaxFileBytes), MaxRows: b.cfg.MaxRows}
	sheet, err := sheet.ReadCSVWith(bytes.Clone(content), note.Verb, note.Values, b.cfg.OrgID, limits)
	if err != nil {
		return nil, err
	}
	return b.cfg.Engine.Submit(ctx, actor, workflow.Request{
		Requester: actor.Person, Author: author, Reason: note.Reason, OwnReason: note.Stated, Verb: note.Verb, When: when, Source: source,
		Sheet: *sheet, Original: content,
	})
}

// readable says why a file's bytes cannot be had from Slack at all, nil when they can (files: mode,
// is_external).
func readable(f slackapi.File, maxBytes int64) error {
	refuse := func(problem, remedy string) error { return &sheet.FileError{Problem: problem, Remedy: remedy} }
	switch {
	case f.External || f.Mode == "external" || f.Mode == "remote":
		return refuse("it is kept outside Slack, where I cannot read it", "upload the file itself")
	case f.Mode == tombstone, f.Access == "file_not_found":
		return errDeleted()
	case f.Mode == "hidden_by_limit":
		return refuse("Slack hides it because the workspace is over its limit", "upload it again")
	case f.Access == "access_denied":
		return refuse("Slack does not let me read it", "share it with me in this channel")
	case slices.Contains([]string{"canvas", "quip", "list", "email"}, f.Mode):
		return refuse("it is not a file ("+f.Mode+")", "send a CSV")
	case f.Size > maxBytes:
		return slackapi.ErrTooLarge
	case f.URL == "" && f.Private == "":
		return refuse("Slack does not say where its bytes are", "upload it again")
	}
	return nil
}

// reply answers in a thread under the message that brought a file.
func (b *Bot) reply(ctx context.Context, to slackapi.Recipient, m slackapi.Message) {
	if _, err := b.api.Post(ctx, to.Channel, to.Thread, "", m, slackapi.RankSaid); err != nil {
		b.log.Warn().Err(err).Str("channel", to.Channel).Msg("answer under a file")
		b.api.Private(ctx, slackapi.Recipient{Person: to.Person}, m)
	}
}

// chosen takes what somebody picked in the menu under a file. All it needs is in the entry and in
// Slack, so that a menu works also after a restart.
func (b *Bot) chosen(ctx context.Context, p press, by sender) {
	to := by.Recipient
	c, ok := view.ParseChoice(p.Selected)
	if !ok {
		b.log.Warn().Str("person", to.Person).Msg("an entry of a menu that is none of ours")
		return
	}
	actor, err := b.actor(ctx, by)
	if err != nil {
		b.api.Private(ctx, to, b.say(err, "choose an action"))
		return
	}
	menuKey := "menu/" + to.Channel + "/" + p.Message
	if _, taken, err := b.cfg.Store.Post(ctx, menuKey); err != nil || taken { // clicks on one menu come one after the other
		if err == nil {
			b.api.Private(ctx, to, view.Said("Somebody has chosen already; look at the answer under the file."))
			return
		}
		b.api.Private(ctx, to, b.say(err, "choose an action"))
		return
	}
	author, text, err := b.asker(ctx, c, to)
	if err != nil {
		b.api.Private(ctx, to, b.say(err, "choose an action"))
		return
	}
	f, err := b.fileInfo(ctx, c.File)
	if err != nil {
		b.api.Private(ctx, to, b.say(err, "choose an action"))
		return
	}
	if author, err = b.menuAuthor(ctx, actor.Person, author, f); err != nil {
		b.api.Private(ctx, to, b.say(err, "choose an action"))
		return
	}
	note := command.ParseNote(text)
	note.Verb, note.Stated, note.Said = c.Action, false, momentOf(c.TS) // who picks from a menu has written nothing
	source := workflow.Source{
		Kind: workflow.SourceFile, Channel: to.Channel, Message: cmp.Or(to.Thread, c.TS), FileName: f.Name, Delivery: menuKey,
	}
	err = b.submitFile(ctx, source, actor, author, f, note)
	if err != nil && !errors.Is(err, workflow.ErrTaken) { // else a crash came between the batch and the note below
		b.api.Private(ctx, to, b.say(err, "choose an action"))
		return
	}
	post := workflow.Post{Key: menuKey, Channel: to.Channel, TS: p.Message}
	if err := b.cfg.Store.SavePost(ctx, post); err != nil {
		b.log.Error().Err(err).Msg("remember that a menu was used")
	}
	m := view.Chose(to.Person, c.Action)
	if err = b.api.Updates().Wait(ctx, slackapi.RankSaid); err == nil {
		err = b.api.Update(ctx, to.Channel, p.Message, menuKey, m)
	}
	if err != nil {
		b.log.Warn().Err(err).Msg("take a used menu away")
	}
}

// asker gives who posted a file, with the words they sent with it: they may say from when until when,
// so that nothing is asked for without them. Who posted it counts as a requester, also when another
// person chose the action.
func (b *Bot) asker(ctx context.Context, c view.Choice, to slackapi.Recipient) (workflow.Person, string, error) {
	text, err := b.api.Text(ctx, to.Channel, c.TS)
	if err != nil {
		b.log.Warn().Err(err).Msg("read the message that brought a file")
		return workflow.Person{}, "", view.ErrMessageUnread
	}
	author, err := b.people.Author(ctx, c.Author)
	return author, text, err
}

// menuAuthor is the author of a batch that somebody picked the action of. A batch has one besides
// its requester: of a file that one person uploaded and another one posted, only these two can
// choose.
func (b *Bot) menuAuthor(
	ctx context.Context, picker, poster workflow.Person, f slackapi.File,
) (workflow.Person, error) {
	uploader, err := b.uploader(ctx, f, poster)
	switch {
	case err != nil, uploader.ID == poster.ID:
		return poster, err
	case picker.ID == uploader.ID:
		return poster, nil
	case picker.ID == poster.ID:
		return uploader, nil
	}
	return poster, &view.NotTheirsError{Poster: poster.ID, Uploader: uploader.ID}
}
