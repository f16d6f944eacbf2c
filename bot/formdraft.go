package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// draftRows is how many rows of a draft the form lists, one a line; of more it names the count.
const draftRows = 60

// drafting is a draft of a request that somebody else than the person made: a report, or a batch
// whose times have passed. It asks for nothing until the person sends it.
type drafting struct {
	draft view.Draft
	rows  []workflow.Row // where they are too many for lines
	file  string         // with all of them, to be corrected and sent; "" for none
	csv   slackapi.Content

	said      string // what is wrong with what it was made of, "" for nothing
	content   []byte // of its file
	contentOf string // the file's id
}

// openDraft opens the form filled in with a draft. Making one may take longer than a trigger lives, so
// that the modal is there first and says what is being done.
func (b *Bot) openDraft(ctx context.Context, at trigger, by sender, doing string, draw func(context.Context) (drafting, error)) {
	known, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
	defer cancel()
	if _, err := b.actor(known, by); err != nil {
		b.noForm(ctx, at, by, b.say(err, "open a draft"))
		return
	}
	c := view.Carried{Key: b.newKey(), Channel: by.Channel}
	modal, err := b.show(ctx, at, view.Waiting(c, doing))
	if err != nil {
		b.log.Warn().Err(err).Str("person", by.Person).Msg("open a draft")
		b.api.Private(ctx, by.Recipient, view.Said("I could not open the form in time. Press it again."))
		return
	}
	b.enlist(previewing, "form/"+modal.ID, "draft", fileTimeout, by.Recipient, func(ctx context.Context) {
		made, err := draw(ctx)
		if err != nil {
			if _, err := b.api.UpdateView(ctx, modal.ID, "", view.Notice("New request", b.say(err, "make a draft").Text)); err != nil {
				b.log.Warn().Err(err).Msg("say why there is no draft")
			}
			return
		}
		b.showDraft(ctx, modal, c, made, by)
	})
}

// showDraft puts the form in the place of the modal that waited for the draft.
func (b *Bot) showDraft(ctx context.Context, modal viewed, c view.Carried, made drafting, by sender) {
	if len(made.rows) > 0 && made.file != "" && b.sendDirectly(ctx, by.Person, made.file, made.csv).Err == nil {
		made.draft.ListedFile = made.file
	}
	made.draft.Listed = len(made.rows)
	c.Draft = made.draft
	f := openForm{person: by.Person, rows: made.rows, content: made.content, contentOf: made.contentOf}
	b.showForm(ctx, modal, c, f, made.said)
}

// accountsDraft is the draft of a request for some accounts.
func accountsDraft(from string, name workflow.ActionName, accounts []workflow.Account) drafting {
	d := drafting{draft: view.Draft{Action: name, From: from}}
	var rows []workflow.Row
	for i, a := range accounts {
		row := workflow.Row{Line: i + 1, Action: name, Values: workflow.Of(workflow.ColumnAccountID, a.ID)}
		if a.Email != "" {
			row.Set(workflow.ColumnEmail, a.Email)
		}
		rows = append(rows, row)
	}
	d.fill(rows)
	return d
}

// fill puts rows into the draft: as lines where they fit there, else beside it.
func (d *drafting) fill(rows []workflow.Row) {
	if lines, values, ok := linesOf(d.draft.Action, rows); ok && len(rows) <= draftRows {
		if ids, ok := idsOf(rows); ok {
			d.draft.Lines, d.draft.Values, d.draft.IDs = lines, values, ids
			return
		}
	}
	d.rows = rows
}

// idsOf are the ids of the accounts that rows name by their address, too; ok is false where one address
// stands for several.
func idsOf(rows []workflow.Row) (ids map[string]string, ok bool) {
	ids = map[string]string{}
	for _, row := range rows {
		if row.Email() == "" {
			continue
		}
		key := workflow.AddressKey(row.Email())
		if id, there := ids[key]; there && id != row.AccountID() {
			return nil, false
		}
		ids[key] = row.AccountID()
	}
	maps.DeleteFunc(ids, func(_, id string) bool { return id == "" })
	return ids, true
}

// linesOf writes rows as the form has them, one a line, with the values that all of them share; ok is
// false for rows that cannot be written so.
func linesOf(name workflow.ActionName, rows []workflow.Row) (lines string, values map[workflow.Column]string, ok bool) {
	it, built := action.For(name)
	if !built || len(rows) == 0 {
		return "", nil, false
	}
	values = map[workflow.Column]string{}
	for _, column := range view.FormColumns(name) {
		values[column] = rows[0].Values.Get(column)
	}
	var out []string
	for _, row := range rows {
		line := row.Email()
		if line == "" {
			line = row.AccountID()
		}
		if it.Subject.Absent {
			line = row.Address()
		}
		if line == "" || row.Action != name {
			return "", nil, false
		}
		for column, value := range values {
			if row.Values.Get(column) != value {
				return "", nil, false
			}
		}
		for _, use := range it.Arguments(action.Behind) {
			line += " → " + row.Values.Get(use.Column)
		}
		out = append(out, line)
	}
	lines = strings.Join(out, "\n")
	return lines, values, view.FitsLines(lines)
}

// askedAgain is the draft of a batch whose times have passed: its rows and its reason, with times to
// be filled in. Who was its author stays one.
func (b *Bot) askedAgain(ctx context.Context, number int64) (d drafting, err error) {
	batch, err := b.cfg.Store.Batch(ctx, number)
	if err != nil {
		return d, err
	}
	d.draft = view.Draft{
		Action: batch.Verb, Reason: batch.Reason, Author: batch.Author.ID,
		From: fmt.Sprintf("Request #%d again. Its times have passed: fill in others, or none.", number),
	}
	if move := batch.Source.Move; move != nil {
		if len(move.Except) > 0 { // the form takes them from a file alone
			return d, workflow.ErrTimePassed
		}
		d.draft.Action, d.draft.Author = view.MoveAction, ""
		d.draft.Move = view.DraftMove{Old: move.Old, New: move.New, Group: move.Group, Names: move.Names}
		return d, nil
	}
	rows, err := b.cfg.Store.Rows(ctx, number)
	if err != nil {
		return d, err
	}
	if len(rows) > 0 && !slices.ContainsFunc(rows, func(r workflow.Row) bool { return r.Action != rows[0].Action }) {
		d.draft.Action = rows[0].Action
	} else {
		d.draft.Action = ""
	}
	if d.fill(rows); len(d.rows) > 0 && batch.Source.FileName != "" {
		original, err := b.cfg.Store.Original(ctx, number)
		if err == nil {
			d.file, d.csv = batch.Source.FileName, slackapi.Bytes(original)
		} else if !errors.Is(err, workflow.ErrGone) {
			return d, err
		}
	}
	return d, nil
}
