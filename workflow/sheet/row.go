package sheet

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Bounds of values.
const (
	maxCell  = 32_767 // characters of any cell, as in a spreadsheet (Excel specifications and limits)
	maxValue = 255    // characters of a name, a group or a site
)

// rowReader turns records into rows and finds what is wrong with each.
type rowReader struct {
	columns *sheetColumns
	comma   byte
	verb    workflow.ActionName
	orgID   string
	given   workflow.RowValues // what rows of the verb have that leave it empty

	hasAction, hasAddress, hasName bool // columns that say or imply what is to happen
	hasLegacy                      bool // columns of a site's own names
	verbAbsent                     bool // the verb is about people who have no account yet

	texts  []workflow.Column                   // that a row can have a value of which nothing but its letters is looked at
	named  int                                 // columns that have a name
	known  int                                 // columns that mean something
	twice  bool                                // two columns mean the same
	values []workflow.ValueOf[workflow.Column] // room for those of many rows, allocated at a time
	last   built                               // the action of the row before

	decided   bool  // some row says by itself what is to happen
	undecided []int // lines of rows that nothing says it for
}

// built is an action of this version, nil where it does not carry it out.
type built struct {
	name   workflow.ActionName
	action *action.Action
}

// slabValues is for how many values there is room at a time.
const slabValues = 3000

func newRowReader(
	columns *sheetColumns, comma byte, verb workflow.ActionName, orgID string, given workflow.RowValues,
) *rowReader {
	r := &rowReader{columns: columns, comma: comma, verb: verb, orgID: orgID, given: given, named: len(columns.named())}
	for i, c := range columns.meaning {
		if c == "" {
			continue
		}
		r.twice = r.twice || slices.Contains(columns.meaning[:i], c)
		if c != workflow.ColumnAction {
			r.known++
		}
	}
	r.hasAction, r.hasAddress = columns.has(workflow.ColumnAction), columns.has(workflow.ColumnNewEmail)
	r.hasName = columns.has(workflow.ColumnNewName)
	for _, c := range [...]workflow.Column{workflow.ColumnUsername, workflow.ColumnUserKey} {
		r.hasLegacy = r.hasLegacy || columns.has(c) || given.Get(c) != ""
	}
	if it, built := action.For(verb); built {
		r.verbAbsent = it.Subject.Absent
	}
	for _, c := range [...]workflow.Column{
		workflow.ColumnNewName, workflow.ColumnGroup, workflow.ColumnMessage, workflow.ColumnSite, workflow.ColumnDirectory,
		workflow.ColumnProducts, workflow.ColumnUsername, workflow.ColumnUserKey,
	} {
		if c == workflow.ColumnNewName || columns.has(c) || given.Get(c) != "" { // a new name can come of other columns
			r.texts = append(r.texts, c)
		}
	}
	return r
}

// room returns an empty list with room for the values of a row.
func (r *rowReader) room() workflow.RowValues {
	if len(r.values) < r.known {
		r.values = make([]workflow.ValueOf[workflow.Column], max(slabValues, r.known))
	}
	room := r.values[:0:r.known]
	r.values = r.values[r.known:]
	return room
}

// actionOf returns the action of that name, nil where this version does not carry it out.
func (r *rowReader) actionOf(name workflow.ActionName) *action.Action {
	if r.last.name != name {
		a, _ := action.For(name)
		r.last = built{name, a}
	}
	return r.last.action
}

// problems gathers what is wrong with a row.
type problems struct{ text string }

func (p *problems) add(format string, args ...any) {
	if p.text != "" {
		p.text += "; "
	}
	p.text += fmt.Sprintf(format, args...)
}

// read turns a record into a row.
func (r *rowReader) read(rec *csvRecord, row *workflow.Row) {
	row.Line, row.Cells = rec.line, rec.cells
	if rec.problem != "" {
		row.Problem = rec.problem
		return
	}
	if r.inOnePair(rec.cells) {
		row.Problem = "the whole line stands in one pair of quotation marks, so that it is one cell; take them away"
		return
	}
	var p problems
	row.Values = r.room()
	word := r.fill(row, &p)
	if len(row.Values) == 0 {
		row.Values = nil
	}
	if org := row.Values.Get(workflow.ColumnOrgID); org != "" && !strings.EqualFold(org, r.orgID) {
		p.add("org_id %s is another organisation than the one that is set up here", workflow.QuoteCell(org))
	}
	row.Action = r.action(row, word, &p)
	if it := r.actionOf(row.Action); it != nil && it.Takes(workflow.ColumnNewName) && row.Values.Get(workflow.ColumnNewName) == "" {
		row.Set(workflow.ColumnNewName, r.columns.nameOf(row.Cells))
	}
	for column, value := range r.given.All() {
		if row.Action == r.verb && row.Values.Get(column) == "" {
			row.Set(column, value)
		}
	}
	r.checkValues(row, &p)
	row.Problem = p.text
}

// inOnePair reports whether the record is one cell that holds a whole line: only quotes put
// separators into a cell.
func (r *rowReader) inOnePair(cells []string) bool {
	if len(cells) == 0 || r.named < 2 || !r.columns.oneLine[0] || strings.IndexByte(cells[0], r.comma) < 0 ||
		strings.Count(cells[0], string(rune(r.comma))) < r.named-1 {
		return false
	}
	return !slices.ContainsFunc(cells[1:], func(cell string) bool { return workflow.TrimCell(cell) != "" })
}

// fill puts the cells where they belong and returns the word of the action column.
func (r *rowReader) fill(row *workflow.Row, p *problems) (word string) {
	for i, cell := range row.Cells {
		value := workflow.TrimCell(cell)
		if value == "" {
			continue
		}
		if i >= len(r.columns.meaning) {
			p.add("the row has more cells than there are columns; put quotation marks around a value that holds a separator")
			break
		}
		column := r.columns.meaning[i]
		if column == "" {
			r.columns.filled[i] = true
			continue
		}
		if len(value) > maxCell && utf8.RuneCountInString(value) > maxCell {
			p.add("cell %d has more than %s characters; shorten it", i+1, workflow.Number(maxCell))
			continue
		}
		before := ""
		if r.twice {
			before = row.Values.Get(column)
		}
		if column == workflow.ColumnAction { // it has to be understood first
			before = word
		}
		switch {
		case before != "" && !sameValue(column, before, value):
			p.add("%s; keep one of the two", r.disagreement(column, row.Cells, i))
		case before != "":
		case column == workflow.ColumnAction:
			word = value
		default:
			row.Set(column, value)
		}
	}
	for _, i := range r.columns.spare {
		if i < len(row.Cells) && row.Email() == "" {
			row.Set(workflow.ColumnEmail, workflow.TrimCell(row.Cells[i]))
		}
	}
	return word
}

// sameValue compares two cells that mean the same.
func sameValue(column workflow.Column, a, b string) bool {
	switch column {
	case workflow.ColumnEmail, workflow.ColumnNewEmail:
		return workflow.SameAddress(a, b)
	case workflow.ColumnAction, workflow.ColumnOrgID:
		return workflow.FoldName(a) == workflow.FoldName(b)
	default:
		return a == b
	}
}

// disagreement names the column i and the one before it that means the same and says something
// else.
func (r *rowReader) disagreement(column workflow.Column, cells []string, i int) string {
	for j, cell := range cells[:i] {
		if r.columns.meaning[j] == column && workflow.TrimCell(cell) != "" {
			return fmt.Sprintf("columns %s and %s both give the %s and differ",
				workflow.QuoteCell(r.columns.names[j]), workflow.QuoteCell(r.columns.names[i]), column)
		}
	}
	return fmt.Sprintf("two columns give the %s and differ", column)
}

// action returns what is to happen to the row: what it says itself, else what its columns imply,
// else the verb.
func (r *rowReader) action(row *workflow.Row, word string, p *problems) workflow.ActionName {
	if word != "" {
		r.decided = true
		name, ok := actionNamed(word)
		if !ok {
			p.add("%s", unknownAction(word))
			return ""
		}
		return name
	}
	if name := r.implied(row, p); name != "" {
		r.decided = true
		return name
	}
	if r.verb == "" && p.text == "" {
		r.undecided = append(r.undecided, row.Line)
	}
	return r.verb
}

// implied returns the action that the columns of the file mean: a new address is a rename, a new
// name sets the name. Where rows say their action, or the file has both columns, it is the filled
// cell that means it.
func (r *rowReader) implied(row *workflow.Row, p *problems) workflow.ActionName {
	address, name := r.hasAddress, r.hasName
	if r.verbAbsent && row.AccountID() == "" && (row.Email() == "" || row.NewEmail() == "" && !name) {
		return "" // of whom nothing but one address is known has no account
	}
	if r.hasAction || (address && name) {
		address, name = row.NewEmail() != "", row.Values.Get(workflow.ColumnNewName) != ""
	}
	switch {
	case address && name:
		p.add("the row has a new address and a new name; say in a column action which is meant, or send a row for each")
		return ""
	case address:
		return workflow.Rename
	case name:
		return workflow.SetName
	default:
		return ""
	}
}

// settleActions decides about the rows that nothing says the action for: when no row of the file
// says it either, somebody is asked; else they are bad rows.
func (r *rowReader) settleActions(sheet *workflow.Sheet) {
	if len(r.undecided) == 0 {
		return
	}
	if !r.decided {
		sheet.NeedsAction = true
		return
	}
	next := 0
	for i := range sheet.Rows {
		if next == len(r.undecided) {
			return
		}
		row := &sheet.Rows[i]
		if row.Line != r.undecided[next] {
			continue
		}
		next++
		p := problems{text: row.Problem}
		p.add("action is empty; say what should happen")
		row.Problem = p.text
	}
}

// checkValues looks at the account and at what the action needs.
func (r *rowReader) checkValues(row *workflow.Row, p *problems) {
	act := r.actionOf(row.Action)
	if row.Action != "" && act == nil {
		p.add("%s", unsupportedAction(row.Action))
		return
	}
	if act != nil && act.Subject.Absent {
		r.checkAddress(row, p)
	} else {
		r.checkAccount(row, p)
	}
	for _, c := range r.texts {
		value := row.Values.Get(c)
		if what := workflow.Unprintable(value, c == workflow.ColumnMessage); what != "" {
			p.add("%s holds %s; take it out", r.columns.label(c), what)
		}
		if c != workflow.ColumnMessage && len(value) > maxValue && utf8.RuneCountInString(value) > maxValue {
			p.add("%s has more than %s characters; shorten it", r.columns.label(c), workflow.Number(maxValue))
		}
	}
	if message := row.Values.Get(workflow.ColumnMessage); len(message) > workflow.MaxMessage {
		if n := utf8.RuneCountInString(message); n > workflow.MaxMessage {
			p.add("message has %s characters, %s are the limit; shorten it", workflow.Number(n), workflow.Number(workflow.MaxMessage))
		}
	}
	if act == nil {
		return
	}
	for _, use := range act.Columns {
		switch value := row.Values.Get(use.Column); {
		case value == "" && !use.Required:
		case value == "" && !r.columns.has(use.Column) && slices.Contains(r.columns.called, true):
			p.add("%s is empty", use.Column)
		case value == "" && !r.columns.has(use.Column):
			p.add("%s needs %s, and the file has no such column", act.Name, use.Column)
		case value == "":
			p.add("%s is empty", r.columns.label(use.Column))
		case use.Problem != nil:
			if what := use.Problem(value); what != "" {
				p.add("%s %s is not %s: it %s", r.columns.label(use.Column), workflow.QuoteCell(value), use.Noun, what)
			}
		}
	}
}

// checkAddress looks at the address of somebody who has no account yet.
func (r *rowReader) checkAddress(row *workflow.Row, p *problems) {
	switch what := workflow.NewAddressProblem(row.Address()); {
	case row.AccountID() != "":
		p.add("%s takes an address, and the row has an account id", row.Action)
	case row.Address() == "" && (r.columns.has(workflow.ColumnEmail) || r.columns.has(workflow.ColumnNewEmail)):
		p.add("the address is empty")
	case row.Address() == "":
		p.add("%s needs an address, and the file has no column email", row.Action)
	case what != "":
		p.add("%s is not an address: it %s", workflow.QuoteCell(row.Address()), what)
	}
}

func (r *rowReader) checkAccount(row *workflow.Row, p *problems) {
	accountID, email := row.AccountID(), row.Email()
	legacy := r.hasLegacy && (row.Values.Get(workflow.ColumnUsername) != "" || row.Values.Get(workflow.ColumnUserKey) != "")
	if act := r.actionOf(row.Action); legacy && act != nil && act.Takes(workflow.ColumnUsername) && accountID == "" {
		return // the site knows whose that is
	}
	if accountID == "" && email == "" {
		switch id, address := r.columns.has(workflow.ColumnAccountID), r.columns.has(workflow.ColumnEmail); {
		case id && address:
			p.add("%s and %s are empty; one of them must name the account",
				r.columns.label(workflow.ColumnAccountID), r.columns.label(workflow.ColumnEmail))
		case id:
			p.add("%s is empty", r.columns.label(workflow.ColumnAccountID))
		case address:
			p.add("%s is empty", r.columns.label(workflow.ColumnEmail))
		default:
			p.add("nothing names the account: the file needs a column account_id or old_email")
		}
		return
	}
	if accountID != "" {
		if what := workflow.AccountIDProblem(accountID); what != "" {
			p.add("%s %s is not an account id: it %s", r.columns.label(workflow.ColumnAccountID), workflow.QuoteCell(accountID), what)
		}
	}
	if email != "" {
		if what := workflow.AddressProblem(email); what != "" {
			p.add("%s %s is not an address: it %s", r.columns.label(workflow.ColumnEmail), workflow.QuoteCell(email), what)
		}
	}
}

// actionNamed understands an action in any case, with spaces, hyphens or underscores.
func actionNamed(word string) (workflow.ActionName, bool) {
	name := workflow.ActionName(strings.ReplaceAll(workflow.FoldName(word), "_", "-"))
	return name, slices.Contains(workflow.ActionNames(), name)
}

func unknownAction(word string) string {
	words := make([]string, 0, len(workflow.ActionNames()))
	for _, name := range workflow.ActionNames() {
		words = append(words, string(name))
	}
	near := string(workflow.Synonym(word))
	if near == "" {
		near = workflow.NearestWord(strings.ToLower(word), words)
	}
	if near != "" {
		return fmt.Sprintf("the action %s is not known; did you mean %s?", workflow.QuoteCell(word), near)
	}
	var built []string
	for _, name := range action.Names() {
		built = append(built, string(name))
	}
	return fmt.Sprintf("the action %s is not known; these are: %s", workflow.QuoteCell(word), strings.Join(built, ", "))
}

func unsupportedAction(name workflow.ActionName) string {
	return workflow.NewReason(workflow.ReasonNotSupported, string(name)).Words()
}
