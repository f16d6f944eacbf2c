package sheet

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
)

// checkHeader refuses names that a column is not known by though somebody meant one that is: what
// guards the account would be ignored, and nobody would see why.
func checkHeader(header []string) error {
	for i, name := range header {
		for _, c := range name {
			if unicode.IsControl(c) && !strings.ContainsRune("\n\r\t", c) {
				return refuseName(i, name, fmt.Sprintf("holds the control character %U", c), "take it out")
			}
		}
		if columnNamed(name) != "" {
			continue
		}
		rest, meaningless := withoutMeaningless(name)
		if columnNamed(rest) != "" {
			return refuseName(i, name, fmt.Sprintf("holds the character %U", meaningless), "take it out")
		}
		if shown, letter := withoutSpelledOut(name); shown != "" {
			return refuseName(i, name, fmt.Sprintf("is %s with a letter that is spelled out (%s)", shown, workflow.QuoteCell(letter)),
				"write it as "+shown)
		}
		plain, letter := workflow.DrawnLike(name)
		if _, shown := columnShown(plain); letter != 0 && shown != "" {
			return refuseName(i, name, fmt.Sprintf("is drawn like %s and written with %U", shown, letter), "type it anew")
		}
		if shown := convertedWrongly(name); i == 0 && shown != "" {
			return refuseName(i, name, "is "+shown+" behind letters of another encoding", "write it as "+shown)
		}
		if column, shown := columnShown(withoutEdges(name)); column != "" && !names(header, column) {
			return refuseName(i, name, "has marks around it", "write it as "+shown)
		}
	}
	return nil
}

func refuseName(at int, name, problem, remedy string) error {
	return &FileError{
		Problem: fmt.Sprintf("the name of column %d (%s) %s", at+1, workflow.QuoteCell(name), problem), Remedy: remedy,
	}
}

// spelledOut is a letter that was written in other letters, for a page, a program, an address, a mail or as UTF-7, and
// never read again: what is a mark or a space there costs a column its name.
var spelledOut = regexp.MustCompile(`(?i)&#?[0-9a-z]+;|\\u[0-9a-f]{4}|\\u\{[0-9a-f]+\}|\\x[0-9a-f]{2}|(%[0-9a-f]{2})+|(=[0-9a-f]{2})+|` +
	`\+[0-9a-z+/]{2,}-`)

// withoutSpelledOut returns the known name that is left without the letters that are spelled out, or with a space for each,
// and one of those; "" where none is left.
func withoutSpelledOut(name string) (shown, letter string) {
	if letter = spelledOut.FindString(name); letter == "" {
		return "", ""
	}
	for _, instead := range []string{"", " "} {
		if _, shown = columnShown(spelledOut.ReplaceAllString(name, instead)); shown != "" {
			break
		}
	}
	return shown, letter
}

// withoutMeaningless returns a name without the letters that mean nothing in one, and one of those:
// marks, letters of no script, and every space but the common one, which also is one where it parts
// two words.
func withoutMeaningless(name string) (rest string, meaningless rune) {
	const object, nonCharacter = '\ufffc', 0xfffe
	rest = strings.Map(func(c rune) rune {
		if c == utf8.RuneError || c == object || c&nonCharacter == nonCharacter || unicode.In(c, unicode.Co, unicode.M) ||
			c != ' ' && unicode.IsSpace(c) {
			meaningless = c
			return -1
		}
		return c
	}, name)
	return rest, meaningless
}

// convertedWrongly returns the known name that stands behind letters of another alphabet, "" where
// none does: a byte order mark that was read in an encoding of two bytes a letter may have taken the
// name's first letter with it.
func convertedWrongly(name string) (shown string) {
	rest := strings.TrimLeftFunc(name, func(c rune) bool { return c >= utf8.RuneSelf })
	if rest == name {
		return ""
	}
	if _, shown = columnShown(rest); shown != "" {
		return shown
	}
	folded := workflow.FoldName(rest)
	for _, a := range columnAliases {
		if workflow.FoldName(a.shown)[1:] == folded {
			return a.shown
		}
	}
	return ""
}

// withoutEdges returns a name without the marks around it, as of other quotation marks than CSV's.
func withoutEdges(name string) string {
	return strings.TrimFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// names reports whether a column of that meaning is there by its name.
func names(header []string, column workflow.Column) bool {
	for _, name := range header {
		if columnNamed(name) == column {
			return true
		}
	}
	return false
}
