package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// cutValues takes the values off that stand behind the verb of a file's message as in the action's command:
// "site group add main jira-users", "invite to finance products jira-software". Rows that lack such a value
// have it from there. What is no such value stays part of the reason.
func cutValues(it *action.Action, text string) (values workflow.RowValues, rest string) {
	uses := it.Arguments(action.Before)
	for ; len(uses) > 1; uses = uses[1:] { // one word each; the last one may have spaces
		word, behind := cutWord(text)
		if word == "" || ends(behind) {
			break
		}
		values.Set(uses[0].Column, folded(uses[0], word))
		text = behind
	}
	if len(uses) > 0 {
		use := uses[len(uses)-1]
		if use.Column == workflow.ColumnGroup {
			var name string
			name, text = cutName(text)
			values.Set(use.Column, name)
		} else if word, behind := cutWord(text); word != "" {
			if _, later, keyed := cutKeyed(it, behind); ends(behind) || keyed && ends(later) {
				values.Set(use.Column, folded(use, word))
				text = behind
			}
		}
	}
	if given, behind, keyed := cutKeyed(it, text); keyed && ends(behind) {
		for column, value := range given.All() {
			values.Set(column, value)
		}
		text = behind
	}
	return values, text
}

// cutKeyed takes the values off that each stand behind a word of their own: "to finance".
func cutKeyed(it *action.Action, text string) (values workflow.RowValues, rest string, keyed bool) {
	uses := it.Arguments(action.Keyed)
	for {
		word, behind := cutWord(text)
		at := keyword(uses, commandWord{raw: word})
		if at < 0 || word == "" {
			return values, text, keyed
		}
		value, behind := cutWord(behind)
		if value == "" {
			return values, text, keyed
		}
		values.Set(uses[at].Column, value)
		text, keyed = behind, true
	}
}

func folded(use action.ColumnUse, value string) string {
	if use.Argument.Fold {
		return strings.ToLower(value)
	}
	return value
}

// ends reports whether a reason, or nothing, follows.
func ends(text string) bool {
	name, _ := cutName(text)
	return name == ""
}

// cutWord takes a word off the start of a text, or what stands in quotes; "" where a mark comes at once.
func cutWord(text string) (word, rest string) {
	text = strings.TrimLeft(text, nameMarks)
	name, behind := cutName(text)
	if name == "" || strings.ContainsRune(doubleQuotes, firstRune(text)) {
		return name, behind
	}
	if at := strings.IndexFunc(name, unicode.IsSpace); at >= 0 {
		name = name[:at]
	}
	_, rest, _ = strings.Cut(text, name)
	return name, rest
}

func firstRune(text string) rune {
	first, _ := utf8.DecodeRuneInString(text)
	return first
}

// nameMarks may stand around a name: spaces, and Slack's marks of a style.
const nameMarks = " \t\u00a0*_~`"

// cutName takes a name off the start of what follows a verb: what stands in quotes, or all up to a
// mark behind which a reason may stand; "" where that mark comes at once.
func cutName(text string) (name, rest string) {
	text = strings.TrimLeft(text, nameMarks)
	if text == "" {
		return "", ""
	}
	if first, size := utf8.DecodeRuneInString(text); strings.ContainsRune(doubleQuotes, first) {
		if end := strings.IndexAny(text[size:], doubleQuotes); end >= 0 {
			_, closing := utf8.DecodeRuneInString(text[size+end:])
			return workflow.TrimCell(text[size : size+end]), text[size+end+closing:]
		}
	}
	for at, r := range text {
		_, size := utf8.DecodeRuneInString(text[at:]) // a broken byte is shorter than the letter that stands for it
		next, _ := utf8.DecodeRuneInString(text[at+size:])
		edge := next == utf8.RuneError || unicode.IsSpace(next)
		dash := strings.ContainsRune("-–—", r) && (at == 0 || text[at-1] == ' ')
		if r == '\n' || r == '\r' || strings.ContainsRune(",;:", r) && edge || dash && edge {
			return workflow.TrimCell(text[:at]), text[at:]
		}
	}
	return workflow.TrimCell(text), ""
}
