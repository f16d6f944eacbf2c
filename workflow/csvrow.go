package workflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of values.
const (
	maxMessage = 1000   // characters of a message; ours, so that what an account shows at login stays readable
	maxAddress = 254    // bytes of an address (RFC 5321); Atlassian takes 255 for each part of it
	maxShown   = 80     // characters of a cell that a problem repeats
	maxCell    = 32_767 // characters of any cell, as in a spreadsheet (Excel specifications and limits)
	maxValue   = 255    // characters of a name, a group or a site
)

// rowReader turns records into rows and finds what is wrong with each.
type rowReader struct {
	columns *sheetColumns
	verb    ActionName
	orgID   string

	decided   bool  // some row says by itself what is to happen
	undecided []int // lines of rows that nothing says it for
}

// problems gathers what is wrong with a row.
type problems struct{ text string }

func (p *problems) add(format string, args ...any) {
	if p.text != "" {
		p.text += "; "
	}
	p.text += fmt.Sprintf(format, args...)
}

func (r *rowReader) row(rec csvRecord) Row {
	row := Row{Line: rec.line, Cells: rec.cells}
	if rec.problem != "" {
		row.Problem = rec.problem
		return row
	}
	var p problems
	word := r.fill(&row, &p)
	if row.OrgID != "" && !strings.EqualFold(row.OrgID, r.orgID) {
		p.add("org_id %s is another organisation than the one that is set up here", quoteCell(row.OrgID))
	}
	row.Action = r.action(&row, word, &p)
	r.checkValues(&row, &p)
	row.Problem = p.text
	return row
}

// fill puts the cells where they belong and gives the word of the action column.
func (r *rowReader) fill(row *Row, p *problems) (word string) {
	for i, cell := range row.Cells {
		if len(cell) > maxCell && utf8.RuneCountInString(cell) > maxCell {
			p.add("cell %d has more than %d characters; shorten it", i+1, maxCell)
			continue
		}
		value := trimCell(cell)
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
		field := row.field(column)
		if column == ColumnAction {
			field = &word
		}
		if *field == "" {
			*field = value
		} else if !sameValue(column, *field, value) {
			p.add("%s; keep one of the two", r.disagreement(column, row.Cells, i))
		}
	}
	return word
}

// field is where the value of a column stands in a row; nil for the action, which has to be understood first.
func (row *Row) field(column Column) *string {
	switch column {
	case ColumnAccountID:
		return &row.AccountID
	case ColumnEmail:
		return &row.Email
	case ColumnNewEmail:
		return &row.NewEmail
	case ColumnNewName:
		return &row.NewName
	case ColumnGroup:
		return &row.Group
	case ColumnMessage:
		return &row.Message
	case ColumnSite:
		return &row.Site
	case ColumnOrgID:
		return &row.OrgID
	default:
		return nil
	}
}

// sameValue compares two cells that mean the same.
func sameValue(column Column, a, b string) bool {
	switch column {
	case ColumnEmail, ColumnNewEmail:
		return SameAddress(a, b)
	case ColumnAction, ColumnOrgID:
		return foldName(a) == foldName(b)
	default:
		return a == b
	}
}

// disagreement names the column i and the one before it that means the same and says something else.
func (r *rowReader) disagreement(column Column, cells []string, i int) string {
	for j, cell := range cells[:i] {
		if r.columns.meaning[j] == column && trimCell(cell) != "" {
			return fmt.Sprintf("columns %s and %s both give the %s and differ",
				quoteCell(r.columns.names[j]), quoteCell(r.columns.names[i]), column)
		}
	}
	return fmt.Sprintf("two columns give the %s and differ", column)
}

// action is what is to happen to the row: what it says itself, else what its columns imply, else the verb.
func (r *rowReader) action(row *Row, word string, p *problems) ActionName {
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

// implied is the action that the columns of the file mean: a new address is a rename, a new name sets the name. Where
// rows say their action, or the file has both columns, it is the filled cell that means it.
func (r *rowReader) implied(row *Row, p *problems) ActionName {
	address, name := r.columns.has(ColumnNewEmail), r.columns.has(ColumnNewName)
	if r.columns.has(ColumnAction) || (address && name) {
		address, name = row.NewEmail != "", row.NewName != ""
	}
	switch {
	case address && name:
		p.add("the row has a new address and a new name; say in a column action which is meant, or send a row for each")
		return ""
	case address:
		return Rename
	case name:
		return SetName
	default:
		return ""
	}
}

// settleActions decides about the rows that nothing says the action for: when no row of the file says it either,
// somebody is asked; else they are bad rows.
func (r *rowReader) settleActions(sheet *Sheet) {
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
		p.add("action is empty; say what is to happen")
		row.Problem = p.text
	}
}

// checkValues looks at the account and at what the action needs.
func (r *rowReader) checkValues(row *Row, p *problems) {
	if row.Action != "" && !Built(row.Action) {
		p.add("%s", unsupportedAction(row.Action))
		return
	}
	r.checkAccount(row, p)
	for _, c := range []Column{ColumnNewName, ColumnGroup, ColumnMessage, ColumnSite} {
		if what := unprintable(*row.field(c), c == ColumnMessage); what != "" {
			p.add("%s holds %s; take it out", r.columns.label(c), what)
		}
		if value := *row.field(c); c != ColumnMessage && len(value) > maxValue && utf8.RuneCountInString(value) > maxValue {
			p.add("%s has more than %d characters; shorten it", r.columns.label(c), maxValue)
		}
	}
	if len(row.Message) > maxMessage {
		if n := utf8.RuneCountInString(row.Message); n > maxMessage {
			p.add("message has %d characters, %d are the limit; shorten it", n, maxMessage)
		}
	}
	action, _ := ActionFor(row.Action)
	for _, need := range action.Needs {
		value := *row.field(need)
		switch {
		case value == "" && !r.columns.has(need):
			p.add("%s needs %s, and the file has no such column", action.Name, need)
		case value == "":
			p.add("%s is empty", r.columns.label(need))
		case need == ColumnNewEmail:
			if what := addressProblem(value); what != "" {
				p.add("%s %s is not an address: it %s", r.columns.label(need), quoteCell(value), what)
			}
		}
	}
}

func (r *rowReader) checkAccount(row *Row, p *problems) {
	if row.AccountID == "" && row.Email == "" {
		switch id, address := r.columns.has(ColumnAccountID), r.columns.has(ColumnEmail); {
		case id && address:
			p.add("%s and %s are empty; one of them must name the account",
				r.columns.label(ColumnAccountID), r.columns.label(ColumnEmail))
		case id:
			p.add("%s is empty", r.columns.label(ColumnAccountID))
		case address:
			p.add("%s is empty", r.columns.label(ColumnEmail))
		default:
			p.add("nothing names the account: the file needs a column account_id or old_email")
		}
		return
	}
	if row.AccountID != "" {
		if what := accountIDProblem(row.AccountID); what != "" {
			p.add("%s %s is not an account id: it %s", r.columns.label(ColumnAccountID), quoteCell(row.AccountID), what)
		}
	}
	if row.Email != "" {
		if what := addressProblem(row.Email); what != "" {
			p.add("%s %s is not an address: it %s", r.columns.label(ColumnEmail), quoteCell(row.Email), what)
		}
	}
}

// actionNamed understands an action in any case, with spaces, hyphens or underscores.
func actionNamed(word string) (ActionName, bool) {
	name := ActionName(strings.ReplaceAll(foldName(word), "_", "-"))
	return name, slices.Contains(ActionNames(), name)
}

func unknownAction(word string) string {
	words := make([]string, 0, len(ActionNames()))
	for _, name := range ActionNames() {
		words = append(words, string(name))
	}
	if near := nearestWord(strings.ToLower(word), words); near != "" {
		return fmt.Sprintf("the action %s is not known; did you mean %s?", quoteCell(word), near)
	}
	built := make([]string, 0, len(actions))
	for _, name := range BuiltActions() {
		built = append(built, string(name))
	}
	return fmt.Sprintf("the action %s is not known; these are: %s", quoteCell(word), strings.Join(built, ", "))
}

func unsupportedAction(name ActionName) string {
	return NewReason(ReasonNotSupported, string(name)).Words()
}

// accountIDProblem says what keeps a value from being an account id, "" when nothing does: 1 to 128 letters, digits and
// _ | : - (admin-user-management, path parameter account_id). Nothing more can be asked: not every id is a UUID.
func accountIDProblem(id string) string {
	if len(id) > 128 {
		return "is longer than 128 characters"
	}
	for _, c := range id {
		switch {
		case c < utf8.RuneSelf && isAccountIDByte(byte(c)):
		case strings.Contains(id, "@"):
			return "is an address; put it into a column old_email"
		case unicode.IsSpace(c):
			return "holds a space"
		default:
			return fmt.Sprintf("holds %q", c)
		}
	}
	return ""
}

func isAccountIDByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	default:
		return c == '_' || c == '|' || c == ':' || c == '-'
	}
}

// addressProblem says what keeps a value from being an address, "" when nothing does. It asks for the shape alone;
// whether somebody can have the address is Atlassian's to say.
func addressProblem(address string) string {
	if len(address) > maxAddress {
		return fmt.Sprintf("is longer than %d characters", maxAddress)
	}
	for _, c := range address {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '@': // nearly all there is
		case unicode.IsSpace(c):
			return "holds a space"
		case c == utf8.RuneError:
			return "holds a character that was lost in an earlier conversion (U+FFFD)"
		case hidden(c):
			return fmt.Sprintf("holds the invisible character %U", c)
		case strings.ContainsRune("<>()[]\",;:\\", c):
			return fmt.Sprintf("holds %q", c)
		}
	}
	local, domain, ok := strings.Cut(address, "@")
	switch {
	case !ok:
		return "has no @"
	case strings.Contains(domain, "@"):
		return "has more than one @"
	case local == "":
		return "has nothing before the @"
	case !strings.Contains(domain, "."):
		return "has no dot in the domain"
	case strings.HasPrefix(domain, "."), strings.HasSuffix(domain, "."), strings.Contains(domain, ".."):
		return "has a dot too many in the domain"
	}
	return ""
}

// unprintable names a character that no value may hold, "" when there is none. Line breaks are allowed where lines is
// true.
func unprintable(s string, lines bool) string {
	for _, c := range s {
		switch {
		case c >= ' ' && c < 0x7F:
		case lines && (c == '\n' || c == '\r' || c == '\t'):
		case c == '\n' || c == '\r' || c == '\u2028' || c == '\u2029':
			return "a line break"
		case unicode.IsControl(c):
			return fmt.Sprintf("the control character %U", c)
		case unicode.In(c, unicode.Bidi_Control) && c != '\u200e' && c != '\u200f':
			return fmt.Sprintf("the character %U, which turns the order of letters about", c)
		case c == utf8.RuneError:
			return "a character that was lost in an earlier conversion (U+FFFD)"
		}
	}
	return ""
}

// quoteCell repeats a cell in a problem: in quotes, control characters spelt out, cut at maxShown.
func quoteCell(s string) string {
	if len(s) > maxShown {
		if runes := []rune(s[:min(len(s), 4*(maxShown+1))]); len(runes) > maxShown {
			s = string(runes[:maxShown-1]) + "…"
		}
	}
	return fmt.Sprintf("%q", s)
}
