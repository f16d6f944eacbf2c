package command

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// rows reads the accounts of an action, and the values that its command has for all of them, where
// the catalogue says that they stand.
func (p *commandParser) rows(it *action.Action) error {
	var values workflow.RowValues
	for _, read := range []func(*action.Action, *workflow.RowValues) error{p.keyed, p.before, p.behind} {
		if err := read(it, &values); err != nil {
			return err
		}
		p.given = values
	}
	for i := range p.out.Rows {
		for column, value := range values.All() {
			p.out.Rows[i].Set(column, value)
		}
	}
	return nil
}

// keyed takes the values off that stand behind a word of their own: "to finance products jira".
func (p *commandParser) keyed(it *action.Action, values *workflow.RowValues) error {
	uses := it.Arguments(action.Keyed)
	least := len(it.Arguments(action.Before)) // so many words are no such word, whatever they are
	into, given := -1, make([][]string, len(uses))
	rest := len(p.words)
	for i, w := range p.words {
		if at := keyword(uses, w); i > least && at >= 0 {
			into, rest = at, min(rest, i)
		} else if into >= 0 {
			given[into] = append(given[into], strings.Trim(plainText(w.raw), ",;"))
		}
	}
	p.words = p.words[:rest]
	for i, use := range uses {
		values.Set(use.Column, strings.Join(given[i], ";"))
	}
	if into >= 0 && len(*values) == 0 {
		return p.missing("say %s", say(uses, ", or "))
	}
	return nil
}

// keyword returns which of the columns the word stands before, -1 for one that is none of theirs.
func keyword(uses []action.ColumnUse, w commandWord) int {
	for i, use := range uses {
		if !w.quoted && strings.EqualFold(w.raw, use.Argument.Word) {
			return i
		}
	}
	return -1
}

// before takes the values off that stand before the accounts.
func (p *commandParser) before(it *action.Action, values *workflow.RowValues) error {
	uses := it.Arguments(action.Before)
	if len(uses) > 0 && len(p.words) <= len(uses) {
		for i, w := range p.words {
			if err := p.value(uses[i], plainText(w.raw), values); err != nil {
				return err
			}
		}
		p.given = *values
		return p.missing("say %s, and which accounts", say(uses, ", "))
	}
	for i, use := range uses {
		if err := p.value(use, plainText(p.words[i].raw), values); err != nil {
			return err
		}
	}
	p.words = p.words[len(uses):]
	return nil
}

// behind reads the accounts, and the value behind the only one where the command has such.
func (p *commandParser) behind(it *action.Action, values *workflow.RowValues) error {
	uses := it.Arguments(action.Behind)
	switch {
	case it.Subject.Absent && len(uses) == 0:
		return p.addresses()
	case len(uses) == 0:
		return p.users(0)
	}
	use := uses[0]
	switch {
	case len(p.words) == 0:
		return p.missing("say which account, and %s", use.Argument.Say)
	case len(p.words) == 1:
		if err := p.users(1); err != nil {
			return err
		}
		return p.missing("say %s", use.Argument.Say)
	case len(p.words) == 3 && !use.Argument.Whole && slices.Contains(arrows(), strings.ToLower(plainText(p.words[1].raw))):
		return p.refuse("write the two one after the other, without %s", workflow.QuoteCell(plainText(p.words[1].raw)))
	case len(p.words) > 2 && !use.Argument.Whole:
		return p.refuse("one account at a time (%s is left over); for many, send a CSV", workflow.QuoteCell(plainText(p.words[2].raw)))
	}
	value := plainAddress(p.words[1].raw)
	if use.Argument.Whole {
		var parts []string
		for _, w := range p.words[1:] {
			parts = append(parts, plainText(w.raw))
		}
		value = strings.Join(parts, " ")
	}
	p.words = p.words[:1]
	subject := func() error { return p.users(1) }
	if it.Subject.Absent {
		subject = p.addresses
	}
	if err := subject(); err != nil {
		return err
	}
	return p.value(use, value, values)
}

// value sets the value of a column, unless something is wrong with it.
func (p *commandParser) value(use action.ColumnUse, value string, values *workflow.RowValues) error {
	if use.Argument.Fold {
		value = strings.ToLower(value)
	}
	if use.Problem != nil {
		if what := use.Problem(value); what != "" {
			return p.refuse("%s is not %s: it %s", workflow.QuoteCell(value), use.Noun, what)
		}
	}
	values.Set(use.Column, value)
	return nil
}

// say lists what is to be said of the columns.
func say(uses []action.ColumnUse, between string) string {
	var words []string
	for _, use := range uses {
		words = append(words, use.Argument.Say)
	}
	return strings.Join(words, between)
}
