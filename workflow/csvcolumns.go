package workflow

import (
	"fmt"
	"slices"
	"strings"
)

// columnAliases are the names under which a column is known, folded (foldName). Sources: the admin console's own exports
// ("User id", "email"), and the scripts that people have used so far ("current_email", "target_email").
var columnAliases = []struct {
	shown  string
	column Column
}{
	{"account_id", ColumnAccountID},
	{"Atlassian ID", ColumnAccountID},
	{"User id", ColumnAccountID},
	{"old_email", ColumnEmail},
	{"current_email", ColumnEmail},
	{"email", ColumnEmail}, // or the new address: see newSheetColumns
	{"user email", ColumnEmail},
	{"new_email", ColumnNewEmail},
	{"target_email", ColumnNewEmail},
	{"new_name", ColumnNewName},
	{"group", ColumnGroup},
	{"message", ColumnMessage},
	{"action", ColumnAction},
	{"site", ColumnSite},
	{"org_id", ColumnOrgID},
}

// knownColumns lists the names of columns as people are shown them.
func knownColumns() []string {
	names := make([]string, len(columnAliases))
	for i, a := range columnAliases {
		names[i] = a.shown
	}
	return names
}

// columnNamed gives what a column of that name means, "" when it is not known.
func columnNamed(name string) Column {
	folded := foldName(name)
	for _, a := range columnAliases {
		if foldName(a.shown) == folded {
			return a.column
		}
	}
	return ""
}

// foldName makes spaces, hyphens and underscores the same, and case too.
func foldName(name string) string {
	words := strings.FieldsFunc(strings.ToLower(trimCell(name)), func(r rune) bool {
		return r == ' ' || r == '-' || r == '_' || r == '\u00a0'
	})
	return strings.Join(words, "_")
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
	names   []string // without spaces around them
	meaning []Column // "" for a column to ignore
	oneLine []bool   // values can have no line break
	filled  []bool   // of the columns without a name: some row has something there
}

// newSheetColumns finds out what the columns mean. A column "email" is the new address when another one is the old
// address by name (old_email, current_email) and none is the new address by name; else it is the current address.
func newSheetColumns(header []string) *sheetColumns {
	c := &sheetColumns{
		names: make([]string, len(header)), meaning: make([]Column, len(header)),
		oneLine: make([]bool, len(header)), filled: make([]bool, len(header)),
	}
	old := false
	for i, name := range header {
		c.names[i], c.meaning[i] = trimCell(name), columnNamed(name)
		folded := foldName(name)
		old = old || folded == "old_email" || folded == "current_email"
	}
	if old && !c.has(ColumnNewEmail) {
		for i, name := range header {
			if foldName(name) == "email" {
				c.meaning[i] = ColumnNewEmail
			}
		}
	}
	for i, m := range c.meaning {
		c.oneLine[i] = m != "" && m != ColumnMessage
	}
	return c
}

func (c *sheetColumns) has(column Column) bool { return slices.Contains(c.meaning, column) }

// maxIgnored is how many of the columns that are not used are named; a card has no room for more.
const maxIgnored = 50

// ignored lists the columns that are not used, as sent but for names that are too long; one without a name only when it
// holds something.
func (c *sheetColumns) ignored(header []string) []string {
	all := c.unused(header)
	if len(all) > maxIgnored {
		all = append(all[:maxIgnored:maxIgnored], fmt.Sprintf("%d more", len(all)-maxIgnored))
	}
	return all
}

func (c *sheetColumns) unused(header []string) []string {
	var out []string
	for i, m := range c.meaning {
		switch {
		case m != "":
		case c.names[i] != "":
			out = append(out, cutAt(header[i], maxShown))
		case c.filled[i]:
			out = append(out, fmt.Sprintf("column %d, which has no name", i+1))
		}
	}
	return out
}

// label names a column in words: as it is known, and as the file calls it where that differs.
func (c *sheetColumns) label(column Column) string {
	i := slices.Index(c.meaning, column)
	if i < 0 || foldName(c.names[i]) == string(column) {
		return string(column)
	}
	return fmt.Sprintf("%s (here %s)", column, quoteCell(c.names[i]))
}
