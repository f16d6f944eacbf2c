package bot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// useCSV opens the form for the file of a message. Who posted it counts as a requester, too.
func (b *Bot) useCSV(ctx context.Context, s shortcut, by sender) {
	at := slices.IndexFunc(s.Message.Files, isCSV)
	if at < 0 { // a file may have any name, and Slack may not say what it is
		at = slices.IndexFunc(s.Message.Files, func(f slackapi.File) bool { return f.ID != "" && !media(f) })
	}
	switch {
	case at < 0:
		b.noForm(ctx, trigger{id: s.Trigger}, by, view.Said(view.NoCSV))
		return
	case s.Message.BotID != "" || s.Message.Person == "":
		b.noForm(ctx, trigger{id: s.Trigger}, by, view.Said(view.CSVOfABot))
		return
	}
	file := s.Message.Files[at]
	note := command.ParseNote(s.Message.Text)
	draft := view.Draft{Action: note.Verb, Values: map[workflow.Column]string{}, File: &view.FormFile{ID: file.ID, Name: file.Name}}
	if s.Message.Person != by.Person {
		draft.File.Poster = s.Message.Person
	}
	maps.Insert(draft.Values, note.Values.All())
	note.Said = momentOf(s.Message.TS)
	if note.Move != nil {
		draft.Action, draft.Move = view.MoveAction, draftOf(note.Move).Move
	}
	b.openDraft(ctx, trigger{id: s.Trigger}, by, view.ReadingWords(file.Name), func(ctx context.Context) (drafting, error) {
		return b.fileDraft(ctx, draft, note, by)
	})
}

// isCSV reports whether a file says that it is a list.
func isCSV(f slackapi.File) bool {
	name := strings.ToLower(f.Name)
	return f.ID != "" && (slices.Contains([]string{"csv", "tsv"}, f.Filetype) || strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".tsv"))
}

// fillTimes puts the times of a message into the draft as the moments that they mean for somebody in
// that zone, so that "tomorrow" stays the day that its author had in mind, also where something else is
// wrong. What is no time is left as it is written, and the error says why.
func fillTimes(d *view.Draft, note command.Note, zone *time.Location) error {
	d.At, d.Until, d.For = strings.TrimSpace(note.Times.At), strings.TrimSpace(note.Times.Until), strings.TrimSpace(note.Times.For)
	const form = "2006-01-02 15:04"
	at, until := note.Moments(time.Now(), zone)
	if !at.IsZero() {
		d.At = at.Format(form)
	}
	if !until.IsZero() {
		d.Until = until.Format(form)
	}
	when, err := note.When(time.Now(), zone)
	switch {
	case err != nil:
		return err
	case when.Ends() && !d.Ends():
		return &workflow.WhenError{Problem: fmt.Sprintf("%s cannot be taken back, so it takes neither until nor for", d.Action)}
	}
	return nil
}

// fileDraft is the draft of a request for a file, with what is known of it. One that cannot be read is
// not in it, and it says why.
func (b *Bot) fileDraft(ctx context.Context, draft view.Draft, note command.Note, by sender) (drafting, error) {
	actor, err := b.actor(ctx, by)
	if err != nil {
		return drafting{}, err
	}
	wrong := cmp.Or(note.Wrong, fillTimes(&draft, note, actor.Location()))
	var f openForm
	_, err = b.formFile(ctx, actor.Person, draft.File, &f)
	limits := workflow.ReadLimits{MaxBytes: int(b.cfg.MaxFileBytes), MaxRows: b.cfg.MaxRows}
	switch {
	case err != nil:
	case draft.Action == view.MoveAction:
		_, err = sheet.ReadExceptions(slices.Clone(f.content), b.cfg.OrgID, limits)
	default:
		var read *workflow.Sheet
		if read, err = sheet.ReadCSVWith(slices.Clone(f.content), draft.Action, draft.Given(), b.cfg.OrgID, limits); err == nil {
			draft.File.About = view.FileAbout(*read)
		}
	}
	d := drafting{draft: draft.Unchecked(), content: f.content, contentOf: f.contentOf}
	if wrong != nil {
		d.said = b.sayInForm(wrong, "use the file of a message")
	}
	if _, is := errors.AsType[*sheet.FileError](err); is || errors.Is(err, slackapi.ErrTooLarge) || errors.Is(err, slackapi.ErrSignIn) {
		d.said, err = b.say(err, "use the file of a message").Text, nil
		if d.content == nil {
			d.draft.File = nil
		}
	}
	return d, err
}

// formFile reads the file of a form, once, and returns its author.
func (b *Bot) formFile(ctx context.Context, asks workflow.Person, of *view.FormFile, f *openForm) (author workflow.Person, err error) {
	info, err := b.fileInfo(ctx, of.ID)
	if err != nil {
		return author, err
	}
	if of.Poster == "" {
		author, err = b.uploader(ctx, info, asks)
	} else if author, err = b.people.Author(ctx, of.Poster); err == nil {
		author, err = b.menuAuthor(ctx, asks, author, info)
	}
	if err != nil {
		return author, err
	}
	if f.content == nil || f.contentOf != of.ID {
		content, err := b.download(ctx, info)
		if err != nil {
			return author, err
		}
		f.content, f.contentOf = content, of.ID
	}
	sum := sha256.Sum256(f.content)
	name := hex.EncodeToString(sum[:])
	if of.SHA256 != "" && of.SHA256 != name {
		return author, &sheet.FileError{Problem: "it is not the file that was checked", Remedy: "press Check"}
	}
	of.Name, of.SHA256, of.Author = info.Name, name, ""
	if author.ID != asks.ID {
		of.Author = author.ID
	}
	return author, nil
}
