package workflow

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// commandWord is one word of a command, or what stands in quotes.
type commandWord struct {
	raw    string // as sent, without its quotes
	at     int    // where it begins in the text
	quoted bool
	open   bool // its closing quote is missing
}

const (
	doubleQuotes = "\"“”„"
	singleQuotes = "'‘’"
)

// splitWords cuts a text at its spaces. A word that begins with a quote, straight or curly, goes to the closing one. A
// single quote counts only when another one ends a word, so that apostrophes stay what they are.
func splitWords(text string) []commandWord {
	var words []commandWord
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if unicode.IsSpace(r) {
			at += size
			continue
		}
		word, end := nextWord(text, at, r, size)
		words = append(words, word)
		at = end
	}
	return words
}

func nextWord(text string, at int, first rune, size int) (word commandWord, end int) {
	inner := text[at+size:]
	if strings.ContainsRune(doubleQuotes, first) {
		i := strings.IndexAny(inner, doubleQuotes)
		if i < 0 {
			return commandWord{raw: inner, at: at, quoted: true, open: true}, len(text)
		}
		_, closing := utf8.DecodeRuneInString(inner[i:])
		return commandWord{raw: inner[:i], at: at, quoted: true}, at + size + i + closing
	}
	if strings.ContainsRune(singleQuotes, first) {
		for i := range inner {
			r, width := utf8.DecodeRuneInString(inner[i:])
			after := inner[i+width:]
			next, _ := utf8.DecodeRuneInString(after)
			if strings.ContainsRune(singleQuotes, r) && (after == "" || unicode.IsSpace(next)) {
				return commandWord{raw: inner[:i], at: at, quoted: true}, len(text) - len(after)
			}
		}
	}
	if i := strings.IndexFunc(text[at:], unicode.IsSpace); i >= 0 {
		return commandWord{raw: text[at : at+i], at: at}, at + i
	}
	return commandWord{raw: text[at:], at: at}, len(text)
}

// cutDash gives the length of the dash with which a word begins: "--", or what phones and Slack make of it.
func cutDash(word string) (length int, ok bool) {
	for _, dash := range []string{"--", "—", "–"} {
		if strings.HasPrefix(word, dash) {
			return len(dash), true
		}
	}
	return 0, false
}

// hasPrefixFold is strings.HasPrefix for a prefix of ASCII letters, in any case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// unquote takes quotes off that stand around the whole text.
func unquote(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	last, m := utf8.DecodeLastRuneInString(text)
	if n+m <= len(text) && strings.ContainsRune(doubleQuotes, first) && strings.ContainsRune(doubleQuotes, last) {
		inner := text[n : len(text)-m]
		if !strings.ContainsAny(inner, doubleQuotes) {
			return trimCell(inner)
		}
	}
	return text
}

// plainText is a text from Slack as its author typed it: links give their label (Slack makes links of addresses and
// domains), & < > are as typed, spaces around it are gone. Mentions stay as they are (Slack, formatting of message text).
func plainText(text string) string {
	var out strings.Builder
	for text != "" {
		open := strings.IndexByte(text, '<')
		if open < 0 {
			break
		}
		length := strings.IndexByte(text[open:], '>')
		if length < 0 {
			break
		}
		out.WriteString(unescape(text[:open]))
		out.WriteString(linkText(text[open : open+length+1]))
		text = text[open+length+1:]
	}
	out.WriteString(unescape(text))
	return trimCell(out.String())
}

// linkText is what a link shows; whatever else stands in < > is given back as it is.
func linkText(link string) string {
	target, label, labelled := strings.Cut(link[1:len(link)-1], "|")
	switch {
	case target == "" || strings.ContainsAny(target[:1], "@#!") || !strings.Contains(target, ":"):
		return link
	case labelled && label != "":
		return unescape(label)
	default:
		return unescape(strings.TrimPrefix(target, "mailto:"))
	}
}

func unescape(text string) string {
	if !strings.Contains(text, "&") {
		return text
	}
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// nearestWord gives the candidate that the word was probably meant to be: the one with the fewest letters inserted, left
// out, replaced or exchanged; "" when even that takes more than a third of the letters, and one.
func nearestWord(word string, candidates []string) string {
	best, least := "", utf8.RuneCountInString(word)/3+2
	for _, c := range candidates {
		if d := editDistance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and exchanges of neighbours. Long words are not worth the time
// and count as far away.
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
