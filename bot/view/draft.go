package view

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// MoveAction stands in the form for a whole domain, which is no action of its own.
const MoveAction workflow.ActionName = "migrate-domain"

// Draft is a request as the form holds it: what was filled in, or is filled in for somebody.
type Draft struct {
	Action workflow.ActionName `json:"action,omitempty"` // or MoveAction; "" leaves it to the file
	Lines  string              `json:"lines,omitempty"`  // accounts, one a line
	// IDs are of the accounts that are meant by an address in the lines, by its key: of those that
	// were chosen rather than typed. What is meant stays the same account, whoever gets its address.
	IDs map[string]string `json:"ids,omitempty"`
	// Values are those that all rows have: group, site, products, directory, message.
	Values map[workflow.Column]string `json:"values,omitempty"`
	File   *FormFile                  `json:"file,omitempty"` // in place of lines
	Move   DraftMove                  `json:"move,omitzero"`

	Reason string `json:"reason,omitempty"`
	At     string `json:"at,omitempty"`
	Until  string `json:"until,omitempty"`
	For    string `json:"for,omitempty"`
	// When are the times as they were understood at the check; nil before. What is sent is what was
	// shown, whenever that is.
	When *workflow.When `json:"when,omitempty"`

	// From says in a clause what the draft was made of, "" where the person began it by themselves.
	// The reason of one that was made of something never makes an emergency.
	From string `json:"from,omitempty"`
	// Report is the run of the report that it was made of, 0 for none.
	Report int64 `json:"report,omitempty"`
	// Author is who counts as one besides the person who sends it; "" for nobody.
	Author string `json:"author,omitempty"`
	// Listed is how many rows the draft has that are too many for lines. They are kept beside it.
	Listed   int    `json:"listed,omitempty"`
	LeaveOut string `json:"leave_out,omitempty"` // of these, addresses, one a line
	// ListedFile names the CSV with these rows that was sent to the person; "" for none.
	ListedFile string `json:"listed_file,omitempty"`
}

// FormFile is a CSV as Slack keeps it.
type FormFile struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Poster string `json:"poster,omitempty"` // of the message that brought it, where it came by one
	// SHA256 is of the bytes that were checked, hex; "" before.
	SHA256 string `json:"sha256,omitempty"`
	About  string `json:"about,omitempty"` // what is known of it, as "8 rows"
	// Author is who counts as a requester, too, because they uploaded or posted it; "" for nobody, or
	// before it was read.
	Author string `json:"author,omitempty"`
}

// DraftMove is what the form holds of a whole domain.
type DraftMove struct {
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	Group string `json:"group,omitempty"`
	Names bool   `json:"names,omitempty"`
	// Except says that it was asked for with accounts left out: there has to be the file that names them.
	Except bool `json:"except,omitempty"`
}

// Carried is what goes with a form (private_metadata).
type Carried struct {
	Key string `json:"key"` // under which the bot remembers the form
	// Turn counts how often fields were filled in for the person: a field keeps what somebody typed
	// as long as its id is the same.
	Turn    int    `json:"turn,omitempty"`
	Channel string `json:"channel,omitempty"` // where it was opened
	Draft   Draft  `json:"draft,omitzero"`
	// Cut says that the draft does not fit and is not whole: it is only remembered. Mark tells it from
	// another one under the same key.
	Cut  bool   `json:"cut,omitempty"`
	Mark string `json:"mark,omitempty"`
	// Needs says that the form is not to be read without what is remembered of it, whatever stands in
	// its fields.
	Needs bool `json:"needs,omitempty"`
}

// Is reports whether a draft is the one that was cut.
func (c Carried) Is(d Draft) bool { return c.Mark == d.mark() }

// mark is short for all that a draft holds.
func (d Draft) mark() string {
	raw, err := json.Marshal(d)
	if err != nil {
		return "" // plain data: cannot fail
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// String writes what goes with the form, without what does not fit.
func (c Carried) String() string {
	c.Cut, c.Mark, c.Needs = false, "", c.Draft.Listed > 0
	raw, err := json.Marshal(c)
	if err == nil && len(raw) <= maxMetadata {
		return string(raw)
	}
	c.Cut, c.Mark, c.Needs = true, c.Draft.mark(), c.Needs || len(c.Draft.IDs) > 0
	c.Draft = Draft{Action: c.Draft.Action, File: c.Draft.File, From: oneLine(c.Draft.From, lineText), Report: c.Draft.Report, Author: c.Draft.Author, Listed: c.Draft.Listed, When: c.Draft.When}
	if raw, err = json.Marshal(c); err != nil || len(raw) > maxMetadata {
		raw, _ = json.Marshal(Carried{Key: c.Key, Turn: c.Turn, Channel: c.Channel, Cut: true, Mark: c.Mark, Needs: true}) // plain data: cannot fail
	}
	return string(raw)
}

// ParseCarried reads what came back with a form; ok is false when it is none of ours.
func ParseCarried(metadata string) (c Carried, ok bool) {
	err := json.Unmarshal([]byte(metadata), &c)
	return c, err == nil && c.Key != ""
}

// Unchecked returns the draft without what its last check found out: times and the bytes of a file are
// read anew.
func (d Draft) Unchecked() Draft {
	d.When = nil
	if d.File != nil {
		file := *d.File
		file.SHA256 = ""
		d.File = &file
	}
	return d
}

// Ends reports whether what the draft asks for may have an end: only then has the form fields for one,
// and only then do they count.
func (d Draft) Ends() bool {
	return d.Action == "" || d.Action == MoveAction || action.HasInverse(d.Action)
}

// Count returns how many accounts the draft names, as far as can be told.
func (d Draft) Count() int {
	n := d.Listed
	for line := range strings.Lines(d.Lines) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// Given returns the values that all rows of the draft's action have.
func (d Draft) Given() workflow.RowValues {
	var values workflow.RowValues
	for _, use := range formColumns(d.Action) {
		if value := d.Values[use.Column]; value != "" {
			if use.Argument.Fold {
				value = strings.ToLower(value)
			}
			values.Set(use.Column, value)
		}
	}
	return values
}

// Lacking returns the columns that the draft's action cannot do without and that no field has, each with
// what to say of it.
func (d Draft) Lacking() map[workflow.Column]string {
	lacking := map[workflow.Column]string{}
	for _, use := range formColumns(d.Action) {
		if use.Required && d.Values[use.Column] == "" {
			lacking[use.Column] = "Say " + use.Argument.Say + ", or upload a CSV that has it in a column."
		}
	}
	return lacking
}

// FormColumns are the columns of an action that the form has a field for.
func FormColumns(name workflow.ActionName) (columns []workflow.Column) {
	for _, use := range formColumns(name) {
		columns = append(columns, use.Column)
	}
	return columns
}

// FitsLines reports whether the form's field for lines can hold the text.
func FitsLines(text string) bool { return utf8.RuneCountInString(text) <= maxInput }

// formColumns are the columns of an action that one value is asked for: those of each account stand
// in its line, and legacy names of a site in files alone.
func formColumns(name workflow.ActionName) []action.ColumnUse {
	it, built := action.For(name)
	if !built {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(it.Columns), func(u action.ColumnUse) bool {
		return u.Argument.Place == action.Behind || u.Column == workflow.ColumnUsername || u.Column == workflow.ColumnUserKey
	})
}

// With returns the draft with a line more, of an account that was chosen: by its address, or by its id
// where it shows none.
func (d Draft) With(a AccountRef) Draft {
	line := cmp.Or(a.Email, a.ID)
	if a.Email != "" && a.ID != "" {
		ids := map[string]string{workflow.AddressKey(a.Email): a.ID}
		maps.Copy(ids, d.IDs)
		d.IDs = ids
	}
	if it, built := action.For(d.Action); built && len(it.Arguments(action.Behind)) > 0 {
		line += " → "
	}
	d.Lines = strings.TrimRight(d.Lines, " \n")
	if d.Lines != "" {
		d.Lines += "\n"
	}
	d.Lines += line
	return d
}

// Identified gives the rows of the draft's lines the ids of the accounts that were chosen.
func (d Draft) Identified(rows []workflow.Row) {
	if it, built := action.For(d.Action); !built || it.Subject.Absent {
		return
	}
	for i := range rows {
		row := &rows[i]
		if id := d.IDs[workflow.AddressKey(row.Email())]; id != "" && row.AccountID() == "" && row.Email() != "" {
			row.Set(workflow.ColumnAccountID, id)
		}
	}
}

// AccountRef is an account as menus and buttons bring it back: its id, and the address that it shows.
// One of the two may be "".
type AccountRef struct{ ID, Email string }

// String writes it as the value of an option or of a button.
func (a AccountRef) String() string { return strings.TrimSpace(a.ID + " " + a.Email) }

// ParseAccountRef reads such a value.
func ParseAccountRef(value string) (a AccountRef) {
	for word := range strings.FieldsSeq(value) {
		if strings.Contains(word, "@") {
			a.Email = word
		} else {
			a.ID = word
		}
	}
	return a
}

// PersonOption is an account in a menu: its name, and its address with the status. What is chosen is the
// account, by id and address. nil for one that no menu can hold.
func PersonOption(id, name, email string, status workflow.AccountStatus) *slack.OptionBlockObject {
	value := AccountRef{id, email}.String()
	if utf8.RuneCountInString(value) > maxOptionValue {
		value = id
	}
	if value == "" || utf8.RuneCountInString(value) > maxOptionValue {
		return nil
	}
	about := cmp.Or(email, "address hidden")
	if status != workflow.StatusActive {
		about += " · " + workflow.StatusWord(status)
	}
	label := oneLine(cmp.Or(name, email, id), maxOptionText)
	return slack.NewOptionBlockObject(value, plain(label, maxOptionText), plain(oneLine(about, maxOptionText), maxOptionText))
}
