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

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/sheet"
)

// formCheckTimeout bounds the check of a form.
const formCheckTimeout = 10 * time.Minute

// lacking returns what is missing in a form, by block, nil for nothing. Slack shows it in the form
// that is still open.
func (s submission) lacking() map[string]string {
	c, ok := view.ParseCarried(s.View.Metadata)
	if !ok {
		return nil
	}
	d := filledIn(c.Draft, fieldsOf(s.Fields))
	wrong := map[string]string{}
	say := func(words string, fields ...string) { // below the first of them that there is
		for _, field := range fields {
			for block, there := range s.Fields {
				if _, is := there[field]; is {
					wrong[block] = words
					return
				}
			}
		}
	}
	switch {
	case d.Action == view.MoveAction && (d.Move.Old == "" || d.Move.New == ""):
		say(view.NoDomains, view.FieldOld)
	case d.Action == view.MoveAction && d.Move.Except && d.File == nil:
		say(view.NeedsExcept, view.FieldFile)
	case d.Action != view.MoveAction && d.File != nil && d.Lines != "": // the lines would be lost without a word
		say(view.TwoLists, view.FieldLines)
	case d.Action == view.MoveAction || d.File != nil || d.Listed > 0: // these bring what is needed, or their rows say what is missing
	default:
		if d.Lines == "" {
			say(view.NoAccount, view.FieldLines, view.FieldFile)
		}
		for column, words := range d.Lacking() {
			say(words, view.FieldOf(column))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// checking is what the form shows while it is checked.
func (s submission) checking() slack.ModalViewRequest {
	c, ok := view.ParseCarried(s.View.Metadata)
	if !ok {
		return view.Notice("New request", view.FormGone)
	}
	c.Draft = filledIn(c.Draft, fieldsOf(s.Fields))
	return view.Waiting(c, view.CheckingWords(c.Draft))
}

// checkForm shows in the form what would happen. It makes no batch.
func (b *Bot) checkForm(ctx context.Context, s submission, by sender) {
	c, f, ok := b.formOf(s.View, by.Person)
	if !ok {
		if sleep(ctx, b.cfg.Settle) == nil {
			b.formGone(ctx, s.View)
		}
		return
	}
	by.Channel = c.Channel
	c.Draft = c.Draft.Unchecked()    // what is checked now is what may be sent
	f.content, f.contentOf = nil, "" // the file may be edited in Slack between two checks
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.draft, f.stop = c.Draft, stop
	b.unsent.put(c.Key, f)
	shown := viewed{ID: s.View.ID} // as the answer to the submission made it
	began := time.Now()
	checked, err := b.check(ctx, &c, &f, by)
	if wait := sleep(ctx, b.cfg.Settle-time.Since(began)); wait != nil {
		err = wait
	}
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled): // closed, or we are ending
		return
	case ineligible(err):
		b.unsent.forget(c.Key)
		_, err = b.api.UpdateView(ctx, shown.ID, "", view.Notice("New request", b.say(err, "check a form").Text))
	case err != nil:
		b.showForm(context.WithoutCancel(ctx), shown, next(c), f, b.sayInForm(err, "check a form"))
		return
	default:
		f.stop = nil
		b.unsent.put(c.Key, f)
		_, err = b.api.UpdateView(ctx, shown.ID, "", checked.Draw())
	}
	if slackapi.ViewGone(err) { // closed meanwhile
		b.unsent.forget(c.Key)
	} else if err != nil {
		b.log.Warn().Err(err).Msg("show what a check came to")
	}
}

// next is what a form carries whose fields are filled in anew.
func next(c view.Carried) view.Carried {
	c.Turn++
	return c
}

// ineligible reports whether a person may not ask at all.
func ineligible(err error) bool {
	e, is := errors.AsType[*workflow.IneligibleError](err)
	return is && e.Kind != workflow.NotCheckable || errors.Is(err, workflow.ErrNoRole)
}

// check reads and checks what a form asks for.
func (b *Bot) check(ctx context.Context, c *view.Carried, f *openForm, by sender) (view.Checked, error) {
	actor, err := b.actor(ctx, by)
	if err != nil {
		return view.Checked{}, err
	}
	req, err := b.requestOf(ctx, actor, c, f)
	if err != nil {
		return view.Checked{}, err
	}
	preview, err := b.cfg.Engine.Preview(ctx, actor, req)
	checked := view.Checked{Carried: *c, Preview: preview, When: req.When}
	if err == nil {
		checked.Notes = view.FileNotes(c.Draft, req.Sheet, preview.Summary)
		if req.Author.ID != actor.ID {
			checked.Notes = append(checked.Notes, view.WritesIt(req.Author.ID))
		}
	}
	return checked, err
}

// requestOf reads what a form asks for. The bytes of its file are kept with the form, and so is
// their sum: what is sent is what was checked.
func (b *Bot) requestOf(ctx context.Context, actor workflow.Actor, c *view.Carried, f *openForm) (workflow.Request, error) {
	d := &c.Draft
	when, err := whenOf(*d, actor)
	if err != nil {
		return workflow.Request{}, err
	}
	d.When = &when
	req := workflow.Request{
		Requester: actor.Person, Author: actor.Person, Reason: d.Reason, OwnReason: d.Reason != "" && d.From == "", When: when,
		Source:   workflow.Source{Kind: workflow.SourceForm, Channel: c.Channel, Delivery: formDelivery(c.Key), Report: d.Report},
		Original: []byte(d.Lines),
	}
	if d.Action != view.MoveAction {
		req.Verb = d.Action
	}
	if d.File == nil {
		f.content, f.contentOf = nil, ""
	} else {
		file := *d.File // the remembered draft has the same
		d.File = &file
		if req.Author, err = b.formFile(ctx, actor.Person, d.File, f); err != nil {
			return req, err
		}
		req.Original, req.Source.Kind, req.Source.FileName = f.content, workflow.SourceFile, d.File.Name
	}
	if d.File == nil && d.Author != "" && d.Author != actor.ID {
		if req.Author, err = b.people.Author(ctx, d.Author); err != nil {
			return req, err
		}
	}
	f.draft = *d
	limits := workflow.ReadLimits{MaxBytes: int(b.cfg.MaxFileBytes), MaxRows: b.cfg.MaxRows}
	var read *workflow.Sheet
	switch {
	case d.Action == view.MoveAction:
		req.Source.Move, err = b.moveOf(*d, f.content, limits)
		return req, err
	case d.File != nil:
		read, err = sheet.ReadCSVWith(slices.Clone(f.content), d.Action, d.Given(), b.cfg.OrgID, limits)
	case len(f.rows) > 0:
		read = &workflow.Sheet{}
		if read.Rows, err = listedRows(f.rows, *d); err == nil {
			err = checkListed(read.Rows, b.cfg.OrgID, limits)
		}
	default:
		read, err = command.ReadLines(d.Action, d.Lines, d.Given(), b.cfg.OrgID, limits)
	}
	if err != nil {
		return req, err
	}
	if d.File == nil {
		d.Identified(read.Rows)
	} else {
		d.File.About = view.FileAbout(*read)
	}
	req.Sheet = *read
	return req, nil
}

// whenOf are the times of a draft: those that its check showed, or before one what its words mean now.
func whenOf(d view.Draft, actor workflow.Actor) (workflow.When, error) {
	if d.When != nil {
		return *d.When, nil
	}
	times := command.Times{At: d.At}
	if d.Ends() {
		times.Until, times.For = d.Until, d.For
	}
	return times.When(time.Now(), actor.Location())
}

// listedRows are the rows of a draft but for those that are left out, as its action and its values
// say. Who is named as left out and is in no row is a *view.NotListedError: a slip there must not
// leave somebody in.
func listedRows(rows []workflow.Row, d view.Draft) ([]workflow.Row, error) {
	named := command.ReadAccounts(d.LeaveOut)
	keys, found := make([]string, len(named)), make([]bool, len(named))
	for i, word := range named {
		keys[i] = workflow.AddressKey(word)
	}
	leftOut := func(row *workflow.Row) (out bool) {
		address := row.Email() // not the new one: that may be somebody else's now
		if it, built := action.For(row.Action); built && it.Subject.Absent {
			address = row.Address()
		}
		key := workflow.AddressKey(address)
		for i, word := range named {
			if word == row.AccountID() || address != "" && keys[i] == key {
				found[i], out = true, true
			}
		}
		return out
	}
	var left []workflow.Row
	for _, row := range rows {
		if leftOut(&row) {
			continue
		}
		if row.Values = slices.Clone(row.Values); d.Action != "" && row.Action != d.Action {
			row.Action, row.Problem = d.Action, "" // what was wrong was so for another action
		}
		for column, value := range d.Given().All() {
			row.Set(column, value)
		}
		left = append(left, row)
	}
	wrong := &view.NotListedError{All: len(left) == 0}
	for i, word := range named {
		if !found[i] {
			wrong.Named = append(wrong.Named, word)
		}
	}
	if wrong.All || len(wrong.Named) > 0 {
		return nil, wrong
	}
	return left, nil
}

// checkListed has the rows of a draft read as those of a file are: what its action needs and a row lacks,
// or what a field of the form says wrongly, is the row's problem.
func checkListed(rows []workflow.Row, orgID string, limits workflow.ReadLimits) error {
	header := []string{string(workflow.ColumnAction)}
	var columns []workflow.Column
	for _, row := range rows {
		for column := range row.Values.All() {
			if !slices.Contains(columns, column) {
				columns, header = append(columns, column), append(header, string(column))
			}
		}
	}
	var content bytes.Buffer
	err := sheet.WriteCSV(&content, header, func(yield func([]string) bool) {
		for _, row := range rows {
			record := []string{string(row.Action)}
			for _, column := range columns {
				record = append(record, row.Values.Get(column))
			}
			if !yield(record) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	limits.MaxBytes = 0 // of a file that somebody sent
	read, err := sheet.ReadCSVWith(content.Bytes(), "", nil, orgID, limits)
	if err != nil {
		return err
	}
	if len(read.Rows) != len(rows) || len(read.Ignored) > 0 {
		return fmt.Errorf("a draft of %d rows was read as %d, without %q", len(rows), len(read.Rows), read.Ignored)
	}
	for i := range rows {
		rows[i].Values, rows[i].Problem = read.Rows[i].Values, cmp.Or(rows[i].Problem, read.Rows[i].Problem)
	}
	return nil
}

// moveOf is the domain of a form, with the accounts of a file left out. It is read as the command
// is, so that the same is refused in the same words.
func (b *Bot) moveOf(d view.Draft, content []byte, limits workflow.ReadLimits) (*workflow.DomainMove, error) {
	words := []string{string(view.MoveAction), d.Move.Old, d.Move.New}
	if d.Move.Group != "" {
		words = append(words, "only-group", `"`+strings.ReplaceAll(d.Move.Group, `"`, "")+`"`)
	}
	if d.Move.Names {
		words = append(words, "names", "first.last")
	}
	c, err := command.Parse(strings.Join(words, " "))
	if err != nil {
		return nil, err
	}
	if content != nil {
		c.Move.Except, err = sheet.ReadExceptions(slices.Clone(content), b.cfg.OrgID, limits)
	}
	return c.Move, err
}

// sendForm makes a request of a form that was checked, and returns what the form shows then. The
// request is stored before that: from then on it does not matter what becomes of the form.
func (b *Bot) sendForm(ctx context.Context, s submission, by sender) any {
	show := func(modal slack.ModalViewRequest) any { return slack.NewUpdateViewSubmissionResponse(&modal) }
	c, f, ok := b.formOf(s.View, by.Person)
	if !ok {
		return show(b.gone(ctx, s.View))
	}
	by.Channel = c.Channel
	batch, err := func() (*workflow.Batch, error) {
		actor, err := b.actor(ctx, by)
		if err != nil {
			return nil, err
		}
		req, err := b.requestOf(ctx, actor, &c, &f)
		if err != nil {
			return nil, err
		}
		if req.Source.Move != nil {
			return b.cfg.Engine.SubmitMove(ctx, actor, req)
		}
		return b.cfg.Engine.Submit(ctx, actor, req)
	}()
	switch {
	case errors.Is(err, workflow.ErrTaken):
		return show(b.gone(ctx, s.View))
	case ineligible(err):
		b.unsent.forget(c.Key)
		return show(view.Notice("New request", b.say(err, "send a form").Text))
	case err != nil:
		asked := b.asked(next(c), b.sayInForm(err, "send a form"))
		f.draft = c.Draft
		b.unsent.put(c.Key, f)
		return show(asked.Draw())
	}
	b.unsent.forget(c.Key)
	b.log.Info().Int64("batch", batch.Number).Str("person", by.Person).Msg("asked by form")
	b.deliver.Redraw(batch.Number)
	b.links.asked(ctx, by.Recipient, fmt.Sprintf("#%d is being checked.", batch.Number), batch.Number)
	return show(view.Sent(batch.Number, b.cfg.Requests))
}
