package action

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Argument is where the slash command of an action has the value of a column. The zero Argument is
// one that the command does not give.
type Argument struct {
	Place Place
	Word  string // of one that is Keyed: the word that its values follow
	Whole bool   // of one that is Behind: everything up to the end is one value, as a name with spaces
	Fold  bool   // of one that is Before: case does not count
	Say   string // what to ask for where it is missing: "which group", "the new address"
}

// Place is where an argument stands.
type Place int

// The places of arguments.
const (
	NotGiven Place = iota
	Before         // one word, before the accounts
	Behind         // behind the account, of which there is only one then
	Keyed          // any number of values behind a word of their own; the row has them separated by ";"
)

// Command returns the words with which the slash command of the action begins, "group add"; "" where
// it has none.
func (a *Action) Command() string {
	end := strings.IndexAny(a.Usage+"<", "<[")
	return strings.TrimSpace(a.Usage[:end])
}

// Arguments returns the columns that the command gives at that place, in their order.
func (a *Action) Arguments(at Place) []ColumnUse {
	return slices.DeleteFunc(slices.Clone(a.Columns), func(u ColumnUse) bool { return u.Argument.Place != at })
}

// becomes returns a Becomes that says the same of every account.
func becomes(words string) func(*workflow.Change) string {
	return func(*workflow.Change) string { return words }
}
