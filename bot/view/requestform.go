package view

import (
	"errors"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// The ids of the form for a request: its modals, the shortcuts that open it, and its fields.
const (
	RequestForm = "request"         // to fill in
	CheckedForm = "request_checked" // what the check came to
	WaitingForm = "request_waiting" // nothing to press

	ShortcutNew = "new_request" // of the app
	ShortcutCSV = "use_csv"     // of a message

	FieldAction  = "form_action"
	FieldPerson  = "form_person" // a search; what is chosen becomes a line
	FieldLines   = "form_lines"
	FieldFile    = "form_file"
	FieldLeave   = "form_leave_out"
	FieldOld     = "form_old"
	FieldNew     = "form_new"
	FieldOnly    = "form_only_group"
	FieldNames   = "form_names"
	FieldReason  = "form_reason"
	FieldAt      = "form_at"
	FieldUntil   = "form_until"
	FieldFor     = "form_for"
	fieldColumn  = "form_column_" // and the column
	ActionFix    = "form_fix"
	ActionForm   = "form_open" // under an answer to a command that lacks a word
	ActionNoFile = "form_no_file"

	namesFirstLast = "first.last"
	byTheFile      = "file"
)

// FieldOf is the field of a column that all rows have.
func FieldOf(c workflow.Column) string { return fieldColumn + string(c) }

// ColumnOf is the column whose field that is; ok is false for other fields.
func ColumnOf(field string) (c workflow.Column, ok bool) {
	name, ok := strings.CutPrefix(field, fieldColumn)
	return workflow.Column(name), ok
}

// What a form says of itself.
const (
	FormGone  = "I do not know this form any more: it is over an hour old, or I was started anew. Nothing was sent. Open a new one."
	NoAccount = "Name the accounts, or upload a CSV."
	TwoLists  = "Name the accounts here or in the CSV, not in both."
	NoDomains = "Name the old and the new domain."
	NoCSV     = "This message has no CSV."
	// DraftingWords stand in the modal as long as a draft is made.
	DraftingWords = "Making the draft …"
	CSVOfABot     = "A bot or an app posted this file, and I take files of people only. Post it yourself."
)

// FormWords are the words for an error whose remedy is another in the form than elsewhere: to fill in a
// field. ok is false for others.
func FormWords(err error) (text string, ok bool) {
	if when, is := errors.AsType[*workflow.WhenError](err); is {
		return sentence(quoted(when.Problem, reasonText)) + " Fill in another time.", true
	}
	switch {
	case errors.Is(err, workflow.ErrNeedsAction):
		return "The file does not say what should happen. Choose it.", true
	case errors.Is(err, workflow.ErrNeedsReason):
		return "Fill in the reason.", true
	case errors.Is(err, workflow.ErrNothingToRead):
		return NoAccount, true
	}
	return "", false
}

// Asked is what the form is drawn from.
type Asked struct {
	Carried
	Said        string   // what is wrong with what was filled in, "" for nothing
	Sites       []string // names in the settings
	NeedsReason bool
}

// Draw makes the form.
func (a Asked) Draw() slack.ModalViewRequest {
	d := a.Draft
	var blocks []slack.Block
	if a.Said != "" {
		blocks = append(blocks, section("said", ":warning: "+a.Said))
	}
	if d.From != "" {
		blocks = append(blocks, note("from", quoted(d.From, lineText)))
	}
	if d.Author != "" && d.File == nil {
		blocks = append(blocks, note("author", WritesIt(d.Author)))
	}
	blocks = append(blocks, a.what())
	if d.Action == MoveAction {
		blocks = append(blocks, a.move()...)
	} else {
		blocks = append(blocks, a.whom()...)
	}
	for _, use := range formColumns(d.Action) {
		blocks = append(blocks, a.column(use))
	}
	blocks = append(blocks, a.why())
	blocks = append(blocks, a.when()...)
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: RequestForm, PrivateMetadata: a.String(), NotifyOnClose: true,
		Title: plain("New request", maxViewTitle), Submit: plain("Check", maxViewTitle), Close: plain("Cancel", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: blocks},
	}
}

// block is the id of a field's block. Under the same id Slack keeps what stands there, so that of the
// lines and of the file is new whenever they are filled in, or emptied, for the person.
func (a Asked) block(field string) string {
	switch field {
	case FieldLines, FieldPerson, FieldFile:
		return fmt.Sprintf("%s-%d", field, a.Turn)
	}
	return field
}

// input is a field that need not be filled in.
func (a Asked) input(field, label, hint string, element slack.BlockElement) *slack.InputBlock {
	var help *slack.TextBlockObject
	if hint != "" {
		help = plain(hint, maxLabel)
	}
	b := slack.NewInputBlock(a.block(field), plain(label, maxLabel), help, element)
	b.Optional = true
	return b
}

// typed is a field for text.
func (a Asked) typed(field, label, placeholder, value string, lines bool) *slack.InputBlock {
	var hint *slack.TextBlockObject
	if placeholder != "" {
		hint = plain(placeholder, maxPlaceholder)
	}
	element := slack.NewPlainTextInputBlockElement(hint, field)
	element.Multiline, element.InitialValue = lines, cutLetters(value, maxInput)
	return a.input(field, label, "", element)
}

// cutLetters returns at most so many letters of a text, whole lines where it has several.
func cutLetters(s string, most int) string {
	n := 0
	for i := range s {
		if n++; n > most {
			if end := strings.LastIndexByte(s[:i], '\n'); end > 0 {
				return s[:end]
			}
			return s[:i]
		}
	}
	return s
}

// what chooses the action; the fields below follow it.
func (a Asked) what() slack.Block {
	option := func(value, label string) *slack.OptionBlockObject {
		return slack.NewOptionBlockObject(value, plain(label, maxOptionText), nil)
	}
	var options []*slack.OptionBlockObject
	var chosen *slack.OptionBlockObject
	add := func(value, label string, is bool) {
		options = append(options, option(value, label))
		if is {
			chosen = options[len(options)-1]
		}
	}
	if a.Draft.File != nil || a.Draft.Listed > 0 && a.Draft.Action == "" {
		add(byTheFile, "As the file says", a.Draft.Action == "")
	}
	for _, it := range action.Catalogue() {
		label := actionLabel(it.Name)
		if it.Help != "" {
			label += ": " + it.Help
		}
		add(string(it.Name), label, it.Name == a.Draft.Action)
	}
	add(string(MoveAction), "Migrate a domain: every account on it", a.Draft.Action == MoveAction)
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose", maxPlaceholder), FieldAction, options...)
	menu.InitialOption = chosen
	b := slack.NewInputBlock(a.block(FieldAction), plain("What should happen?", maxLabel), nil, menu)
	b.DispatchAction = true
	return b
}

// actionLabel is an action as a menu names it.
func actionLabel(name workflow.ActionName) string {
	return upperFirst(strings.ReplaceAll(string(name), "-", " "))
}

// ParseAction reads what was chosen as the action; ok is false for what is none.
func ParseAction(value string) (name workflow.ActionName, ok bool) {
	switch name = workflow.ActionName(value); {
	case value == byTheFile:
		return "", true
	case name == MoveAction:
		return name, true
	}
	return name, action.Built(name)
}

// whom are the fields for accounts.
func (a Asked) whom() []slack.Block {
	d := a.Draft
	if d.Listed > 0 {
		text := "*" + many(d.Listed, "account", "accounts") + "* " + plural(d.Listed, "is", "are") + " in it."
		if d.ListedFile != "" {
			text += " I sent you " + quoted(d.ListedFile, lineText) + "; to change more than who is left out, correct and upload it."
		}
		return []slack.Block{
			section("listed", text),
			a.typed(FieldLeave, "Leave out", "ada@example.com, one a line", d.LeaveOut, true),
		}
	}
	it, built := action.For(d.Action)
	label, placeholder := "Accounts, one a line", "ada@example.com"
	absent := false
	switch {
	case !built:
	case it.Subject.Absent:
		label, placeholder, absent = "Addresses, one a line", "new.colleague@example.com", true
	case len(it.Arguments(action.Behind)) > 0 && it.Takes(workflow.ColumnNewEmail):
		label, placeholder = "Accounts, one a line: old → new", "ada@old.example → ada@new.example"
	case len(it.Arguments(action.Behind)) > 0:
		label, placeholder = "Accounts, one a line: account → new name", "ada@example.com → Ada Lang"
	}
	var blocks []slack.Block
	if built || d.Lines != "" {
		blocks = append(blocks, a.typed(FieldLines, label, placeholder, d.Lines, true))
	}
	if built && !absent {
		search := slack.NewOptionsSelectBlockElement(slack.OptTypeExternal, plain("Find a person by name or address", maxPlaceholder), FieldPerson)
		least := 2
		search.MinQueryLength = &least
		blocks = append(blocks, slack.NewActionBlock(a.block(FieldPerson), search))
	}
	return append(blocks, a.file("or a CSV")...)
}

// WritesIt says of who counts as the author of a request that they cannot approve it.
func WritesIt(author string) string {
	return mention(author) + " counts as its author, and cannot approve it."
}

// file is the field for a CSV, with the one that is chosen.
func (a Asked) file(label string) []slack.Block {
	var blocks []slack.Block
	if f := a.Draft.File; f != nil {
		text := "*" + quoted(f.Name, lineText) + "*"
		if f.About != "" {
			text += ", " + quoted(f.About, lineText)
		}
		switch {
		case f.Poster != "" && (f.Author == "" || f.Author == f.Poster):
			text += "\n" + mention(f.Poster) + " posted it, and cannot approve this request."
		case f.Author != "":
			text += "\n" + mention(f.Author) + " uploaded it, and cannot approve this request."
		}
		without := button(ActionNoFile, "Remove", f.ID, slack.StyleDefault, nil)
		blocks = append(blocks, slack.NewSectionBlock(mrkdwn(text, maxSection), nil, slack.NewAccessory(without),
			slack.SectionBlockOptionBlockID(a.block("file"))))
		label = "another CSV"
	}
	input := slack.NewFileInputBlockElement(FieldFile).WithFileTypes("csv", "txt").WithMaxFiles(1)
	return append(blocks, a.input(FieldFile, label, "Up to 10 MB; the first line names the columns", input))
}

// move are the fields for a whole domain.
func (a Asked) move() []slack.Block {
	m := a.Draft.Move
	option := slack.NewOptionBlockObject(namesFirstLast, plain("Make new addresses from names: first.last", maxOptionText), nil)
	names := slack.NewCheckboxGroupsBlockElement(FieldNames, option)
	if m.Names {
		names.InitialOptions = []*slack.OptionBlockObject{option}
	}
	blocks := []slack.Block{
		a.typed(FieldOld, "Old domain", "old.example", m.Old, false),
		a.typed(FieldNew, "New domain", "new.example", m.New, false),
		a.typed(FieldOnly, "Only members of a group", "", m.Group, false),
		a.input(FieldNames, "Addresses", "", names),
	}
	return append(blocks, a.file("Except the accounts of a CSV")...)
}

// column is the field of a value that all rows have.
func (a Asked) column(use action.ColumnUse) slack.Block {
	field, value := FieldOf(use.Column), a.Draft.Values[use.Column]
	label, placeholder, lines := upperFirst(strings.ReplaceAll(string(use.Column), "_", " ")), "", false
	switch use.Column {
	case workflow.ColumnMessage:
		label, lines = "Message to them", true
	case workflow.ColumnProducts:
		placeholder = "jira-software; confluence"
	case workflow.ColumnDirectory:
		placeholder = "id or name, where the organisation has several"
	case workflow.ColumnSite:
		if len(a.Sites) > 0 && len(a.Sites) <= maxOptions {
			return a.site(use, value)
		}
	}
	b := a.typed(field, label, placeholder, value, lines)
	b.Hint = neededHint(use)
	return b
}

// maxOptions is how many options a menu may have.
const maxOptions = 100

// site chooses one of the settings' sites.
func (a Asked) site(use action.ColumnUse, value string) slack.Block {
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose", maxPlaceholder), FieldOf(use.Column))
	for _, name := range a.Sites {
		option := slack.NewOptionBlockObject(name, plain(name, maxOptionText), nil)
		menu.Options = append(menu.Options, option)
		if strings.EqualFold(name, value) || len(a.Sites) == 1 {
			menu.InitialOption = option
		}
	}
	b := a.input(FieldOf(use.Column), "Site", "", menu)
	b.Hint = neededHint(use)
	return b
}

// neededHint says of a column that has to be there where it may stand. Slack cannot be told that a field
// is needed only without a file, so that no field is and the form is looked at when it comes.
func neededHint(use action.ColumnUse) *slack.TextBlockObject {
	if !use.Required {
		return nil
	}
	return plain("Needed, unless a CSV has it in a column.", maxLabel)
}

func (a Asked) why() slack.Block {
	b := a.typed(FieldReason, "Reason", "The approvers see it.", a.Draft.Reason, true)
	b.Optional = !a.NeedsReason
	if element, is := b.Element.(*slack.PlainTextInputBlockElement); is {
		element.MaxLength, element.InitialValue = maxReason, cutLetters(a.Draft.Reason, maxReason)
	}
	return b
}

// maxReason is how much of a reason is kept.
const maxReason = 1_000

// when are the fields for times.
func (a Asked) when() []slack.Block {
	d := a.Draft
	field := func(id, label, hint, placeholder, value string) slack.Block {
		b := a.typed(id, label, placeholder, value, false)
		b.Hint = plain(hint, maxLabel)
		return b
	}
	blocks := []slack.Block{field(FieldAt, "When", "Empty: as soon as it is approved.", "18:00, monday 18:00 or 2026-12-01 18:00", d.At)}
	if d.Ends() {
		blocks = append(blocks,
			field(FieldUntil, "Until", "It is taken back then. Empty: it stays.", "18:00, friday 18:00 or 2026-12-01 18:00", d.Until),
			field(FieldFor, "For", "It is taken back so long after its start. Empty: it stays.", "90m, 8h or 3d", d.For))
	}
	return blocks
}
