package workflow

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of values.
const (
	MaxMessage = 1000 // characters of a message; ours, so that what an account shows at login stays readable
	MaxShown   = 80   // characters of a value that a problem repeats
)

// maxName is how many characters a display name may have (user management API, PATCH profile:
// name).
const maxName = 100

// NameProblem returns what keeps a value from being a display name, "" when nothing does: a clause
// that follows "it".
func NameProblem(name string) string {
	switch n := utf8.RuneCountInString(name); {
	case strings.TrimSpace(name) == "":
		return "is empty"
	case n > maxName:
		return fmt.Sprintf("has %s characters, %d are the limit", Number(n), maxName)
	}
	if what := Unprintable(name, false); what != "" {
		return "holds " + what
	}
	return ""
}

// Unprintable returns the name of a character that no value may hold, "" when there is none. Line
// breaks are allowed where lines is true.
func Unprintable(s string, lines bool) string {
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

// QuoteCell quotes a cell in a problem: in quotes, control characters spelt out, cut at MaxShown.
func QuoteCell(s string) string {
	if len(s) > MaxShown {
		if runes := []rune(s[:min(len(s), 4*(MaxShown+1))]); len(runes) > MaxShown {
			s = string(runes[:MaxShown-1]) + "…"
		}
	}
	return fmt.Sprintf("%q", s)
}

// TrimCell takes away what stands around a value without being part of it: spaces of every kind,
// and the invisible characters that come with copied text (zero-width spaces, byte order marks,
// marks of writing direction).
func TrimCell(s string) string {
	if s == "" || (isPlain(s[0]) && isPlain(s[len(s)-1])) {
		return s
	}
	return strings.TrimFunc(s, func(r rune) bool { // a selector at the end belongs to the emoji before it
		return unicode.IsSpace(r) || Invisible(r) && !unicode.Is(unicode.Variation_Selector, r)
	})
}

func isPlain(b byte) bool { return b > ' ' && b < 0x7F }

// FoldName returns the one form of a name that is a word of ours, as of a column or an action:
// spaces, line breaks, dashes of every kind and underscores are the same, case too, and letters
// that show nothing are not there.
func FoldName(name string) string {
	seen := strings.Map(func(r rune) rune {
		if Invisible(r) {
			return -1
		}
		return r
	}, name)
	words := strings.FieldsFunc(foldLetters(TrimCell(seen)), func(r rune) bool {
		return r == '_' || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r)
	})
	return strings.Join(words, "_")
}

// NearestWord returns the candidate that the word was probably meant to be: the one with the fewest
// letters inserted, left out, replaced or exchanged; "" when even that takes more than a third of
// the letters, and one.
func NearestWord(word string, candidates []string) string {
	best, least := "", utf8.RuneCountInString(word)/3+2
	for _, c := range candidates {
		if d := editDistance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and exchanges of neighbours. Long words
// are not worth the time and count as far away.
func editDistance(a, b string) int {
	const longest = 40
	x, y := []rune(a[:min(len(a), 4*longest)]), []rune(b)
	if len(x) > longest {
		return len(x)
	}
	before, row := make([]int, len(y)+1), make([]int, len(y)+1)
	var older []int
	for j := range row {
		row[j] = j
	}
	for i := range x {
		older, before, row = before, row, make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(before[j+1]+1, row[j]+1, before[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(y)]
}
