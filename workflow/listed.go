package workflow

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Listed is a person as somebody's list has them.
type Listed struct {
	Line      int // of the file, from 1
	AccountID string
	Email     string // one of the two is there
	Name      string // "" where the list has none
	Cells     []string
}

// NameKey returns a name as people compare it: without case, accents, marks and the order of its words,
// so that "Lang, Ada" is "ada lang".
func NameKey(name string) string {
	letters := strings.NewReplacer("ß", "ss", "ø", "o", "ł", "l", "æ", "ae", "œ", "oe").Replace(foldLetters(name))
	var plain strings.Builder
	for _, r := range norm.NFKD.String(letters) {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == '.':
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			plain.WriteRune(r)
		default:
			plain.WriteByte(' ')
		}
	}
	words := strings.Fields(plain.String())
	slices.Sort(words)
	return strings.Join(words, " ")
}
