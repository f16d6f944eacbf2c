package sheet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// columnAliases are the names under which a column is known, folded (foldName). Sources: the admin
// console's own exports ("User id", "email"), and the scripts that people have used until now
// ("current_email", "target_email").
var columnAliases = []struct {
	shown  string
	column workflow.Column
}{
	{"account_id", workflow.ColumnAccountID},
	{"Atlassian ID", workflow.ColumnAccountID},
	{"User id", workflow.ColumnAccountID},
	{"old_email", workflow.ColumnEmail},
	{"current_email", workflow.ColumnEmail},
	{"email", workflow.ColumnEmail}, // or the new address: see newSheetColumns
	{"e-mail", workflow.ColumnEmail},
	{"mail", workflow.ColumnEmail},
	{"user email", workflow.ColumnEmail},
	{"old address", workflow.ColumnEmail},
	{"new_email", workflow.ColumnNewEmail},
	{"new e-mail", workflow.ColumnNewEmail},
	{"target_email", workflow.ColumnNewEmail},
	{"new address", workflow.ColumnNewEmail},
	{"new_name", workflow.ColumnNewName},
	{"group", workflow.ColumnGroup},
	{"message", workflow.ColumnMessage},
	{"action", workflow.ColumnAction},
	{"site", workflow.ColumnSite},
	{"org_id", workflow.ColumnOrgID},
	{"directory", workflow.ColumnDirectory},
	{"products", workflow.ColumnProducts},
	{"username", workflow.ColumnUsername},
	{"user key", workflow.ColumnUserKey},
}

// KnownColumns lists the names of columns as people are shown them, those of a person's name last.
func KnownColumns() []string {
	var names []string
	for _, a := range columnAliases {
		names = append(names, a.shown)
	}
	for _, parts := range nameColumns {
		for _, part := range parts {
			if columnNamed(part) == "" {
				names = append(names, strings.ReplaceAll(part, "_", " "))
			}
		}
	}
	return names
}

// columnNamed returns what a column of that name means, "" when it is not known.
func columnNamed(name string) workflow.Column {
	column, _ := columnShown(name)
	return column
}

// columnShown is columnNamed with the name as people are shown it.
func columnShown(name string) (column workflow.Column, shown string) {
	folded := workflow.FoldName(name)
	for _, a := range columnAliases {
		if workflow.FoldName(a.shown) == folded {
			return a.column, a.shown
		}
	}
	return "", ""
}

func countKnown(header []string) int {
	n := 0
	for _, name := range header {
		if columnNamed(name) != "" {
			n++
		}
	}
	return n
}

// sheetColumns is what the columns of one file mean.
type sheetColumns struct {
	names   []string          // without spaces around them
	meaning []workflow.Column // "" for a column to ignore
	oneLine []bool            // values can have no line break
	filled  []bool            // of the columns without a name: some row has something there
	called  []bool            // columns of a person's name from which some row has taken the new name
	spare   []int             // columns that give the address of a row which has none
}

// nameColumns are the columns of a person's name, folded, in the order in which a name is put
// together of them: one, or the first and the last name. They are the new name where the row's
// action takes one and no column new_name gives it; alone they mean no action, as most lists have
// them.
var nameColumns = [][]string{{string(workflow.ColumnNewName)}, {"name"}, {"full_name"}, {"first_name", "last_name"}}

// namesPerson reports whether a column is one of a person's name.
func namesPerson(name string) bool {
	folded := workflow.FoldName(name)
	return slices.ContainsFunc(nameColumns, func(parts []string) bool { return slices.Contains(parts, folded) })
}

// nameOf returns the new name that a record gives by columns of a person's name, "" where it gives
// none, and notes that they are used.
func (c *sheetColumns) nameOf(cells []string) string {
	for _, parts := range nameColumns {
		var words []string
		var at []int
		for _, part := range parts {
			i := slices.IndexFunc(c.names, func(name string) bool { return workflow.FoldName(name) == part })
			if i < 0 || i >= len(cells) {
				continue
			}
			if word := workflow.TrimCell(cells[i]); word != "" {
				words, at = append(words, word), append(at, i)
			}
		}
		if len(words) < len(parts) {
			continue
		}
		for _, i := range at {
			c.called[i] = true
		}
		return strings.Join(words, " ")
	}
	return ""
}

// The columns that are the current address by their name, and those that are just an address, folded.
var (
	currentNames = []string{"old_email", "current_email", "old_address"}
	addressNames = []string{"email", "e_mail"}
)

// newSheetColumns finds out what the columns mean. A column "email" is the new address when another
// one is the old address by name and none is the new address by name; else it is the current
// address.
func newSheetColumns(header []string) *sheetColumns {
	c := &sheetColumns{
		names: make([]string, len(header)), meaning: make([]workflow.Column, len(header)),
		oneLine: make([]bool, len(header)), filled: make([]bool, len(header)), called: make([]bool, len(header)),
	}
	old := false
	for i, name := range header {
		c.names[i], c.meaning[i] = workflow.TrimCell(name), columnNamed(name)
		folded := workflow.FoldName(name)
		old = old || slices.Contains(currentNames, folded)
	}
	if old && !c.has(workflow.ColumnNewEmail) {
		for i, name := range header {
			if slices.Contains(addressNames, workflow.FoldName(name)) {
				c.meaning[i] = workflow.ColumnNewEmail
			}
		}
	}
	for i, m := range c.meaning {
		c.oneLine[i] = m != "" && m != workflow.ColumnMessage
	}
	return c
}

func (c *sheetColumns) has(column workflow.Column) bool { return slices.Contains(c.meaning, column) }

// named returns the names of the columns that have one.
func (c *sheetColumns) named() []string {
	return slices.DeleteFunc(slices.Clone(c.names), func(name string) bool { return name == "" })
}

// maxUnknown is how many of the columns that were not understood are named where somebody is asked.
const maxUnknown = 10

// unknown returns the first columns that have a name and no meaning, each with the known name that
// is nearest.
func (c *sheetColumns) unknown() []workflow.UnknownColumn {
	shown := KnownColumns()
	known := make([]string, len(shown))
	for i, name := range shown {
		known[i] = workflow.FoldName(name)
	}
	var out []workflow.UnknownColumn
	for i, name := range c.names {
		if c.meaning[i] != "" || name == "" || namesPerson(name) || len(out) == maxUnknown {
			continue
		}
		unknown := workflow.UnknownColumn{Name: name}
		if near := workflow.NearestWord(workflow.FoldName(name), known); near != "" {
			unknown.Nearest = shown[slices.Index(known, near)]
		}
		out = append(out, unknown)
	}
	return out
}

// maxIgnored is how many of the columns that are not used are named; a card has no room for more.
const maxIgnored = 50

// ignored lists the columns that are not used, as sent but for names that are too long; one without
// a name only when it holds something.
func (c *sheetColumns) ignored(header []string) []string {
	all := c.unused(header)
	if len(all) > maxIgnored {
		all = append(all[:maxIgnored:maxIgnored], workflow.Number(len(all)-maxIgnored)+" more")
	}
	return all
}

func (c *sheetColumns) unused(header []string) []string {
	var out []string
	for i, m := range c.meaning {
		switch {
		case m != "", c.called[i]:
		case c.names[i] != "":
			out = append(out, workflow.CutAt(header[i], workflow.MaxShown))
		case c.filled[i]:
			out = append(out, fmt.Sprintf("column %d, which has no name", i+1))
		}
	}
	return out
}

// label names a column in words: as it is known, and as the file calls it where that differs.
func (c *sheetColumns) label(column workflow.Column) string {
	i := slices.Index(c.meaning, column)
	if i < 0 || workflow.FoldName(c.names[i]) == string(column) {
		return string(column)
	}
	return fmt.Sprintf("%s (here %s)", column, workflow.QuoteCell(c.names[i]))
}
