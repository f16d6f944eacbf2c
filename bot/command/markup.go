package command

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
)

// styled is a piece of a text that Slack shows bold, italic, struck or as code: where its marks
// begin, and how long each is.
type styled struct{ open, close, length int }

// styleMarks are the letters of Slack's marks (docs.slack.dev, formatting message text): bold,
// italic, strike, code.
const styleMarks = "*_~`"

// How many marks may wait for their ends, and how far an end is looked around: everybody can send a
// text of nothing but marks.
const maxOpen, edgeMost = 50, 64

// styles finds the pieces that Slack shows in another style. A mark counts only at the edge of a
// word, where nothing but other marks and punctuation stands beside it; the second one of a pair is
// in the same line, but for blocks of code. What stands in double quotes or in < > is left alone.
func styles(text string) []styled {
	var out []styled
	var open []styled // those whose end has not been found
	word := true      // nothing but marks and punctuation since the last space
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case r == '\n':
			open, word = slices.DeleteFunc(open, func(s styled) bool { return s.length < 3 }), true
		case unicode.IsSpace(r):
			word = true
		case r == '<' && strings.IndexByte(text[at:], '>') > 0:
			size = strings.IndexByte(text[at:], '>') + 1
			word = false
		case word && strings.ContainsRune(doubleQuotes, r) && strings.ContainsAny(text[at+size:], doubleQuotes):
			end := at + size + strings.IndexAny(text[at+size:], doubleQuotes)
			_, closing := utf8.DecodeRuneInString(text[end:])
			size = end + closing - at
			word = false
		case strings.ContainsRune(styleMarks, r):
			if r == '`' && strings.HasPrefix(text[at:], "```") {
				size = 3
			}
			mark := styled{open: at, length: size}
			same := func(s styled) bool { return text[s.open:s.open+s.length] == text[at:at+size] }
			if i := lastFunc(open, same); i >= 0 && closes(text, open[i], at, size) {
				mark.open, mark.close = open[i].open, at
				out, open = append(out, mark), open[:i]
			} else if word && opens(text[at+size:], size) {
				open = append(open[max(0, len(open)-maxOpen+1):], mark)
			} else {
				word = false
			}
		case !unicode.IsPunct(r):
			word = false
		}
		at += size
	}
	return out
}

func lastFunc[T any](of []T, is func(T) bool) int {
	for i, each := range slices.Backward(of) {
		if is(each) {
			return i
		}
	}
	return -1
}

// opens reports whether a mark can begin a piece before rest.
func opens(rest string, length int) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && (length == 3 || !unicode.IsSpace(r))
}

// closes reports whether the mark at the place ends the piece that begins at s. An underscore may
// belong to an address: that one begins with, as another word ends with one.
func closes(text string, s styled, at, length int) bool {
	inner, behind := text[s.open+s.length:at], text[at+length:]
	last, _ := utf8.DecodeLastRuneInString(inner)
	if strings.TrimSpace(inner) == "" || length < 3 && unicode.IsSpace(last) {
		return false
	}
	edge := strings.TrimLeftFunc(behind[:min(len(behind), edgeMost)], func(r rune) bool {
		return strings.ContainsRune(styleMarks, r) || unicode.IsPunct(r) && r != '@' && r != '-'
	})
	if next, _ := utf8.DecodeRuneInString(edge); edge != "" && !unicode.IsSpace(next) {
		return false
	}
	if text[at] != '_' {
		return true
	}
	words := strings.Fields(inner)
	if len(words) == 1 || !strings.Contains(words[0], "@") {
		return true
	}
	return !unicode.IsLetter(last) && !unicode.IsDigit(last) || strings.Contains(words[len(words)-1], "@")
}

// unstyled is a text without Slack's marks around words, and for each of its bytes, and its end,
// where that is in the text as it was.
func unstyled(text string) (plain string, origin []int) {
	drop := map[int]int{}
	for _, s := range styles(text) {
		drop[s.open], drop[s.close] = s.length, s.length
	}
	var out strings.Builder
	for at := 0; at < len(text); {
		if n := drop[at]; n > 0 {
			at += n
			continue
		}
		out.WriteByte(text[at])
		origin = append(origin, at)
		at++
	}
	return out.String(), append(origin, len(text))
}

// behind is the text from the place on as it was written, without the ends of pieces that began
// before.
func behind(text string, from int) string {
	var ends []styled
	for _, s := range styles(text) {
		if s.open < from && s.close >= from {
			ends = append(ends, s)
		}
	}
	slices.SortFunc(ends, func(a, b styled) int { return b.close - a.close })
	for _, s := range ends {
		text = text[:s.close] + text[s.close+s.length:]
	}
	return text[from:]
}

// ahead is the text up to the place as it was written, without the beginnings of pieces that end
// after it.
func ahead(text string, until int) string {
	var starts []styled
	for _, s := range styles(text) {
		if s.open < until && s.close >= until {
			starts = append(starts, s)
		}
	}
	slices.SortFunc(starts, func(a, b styled) int { return b.open - a.open })
	out := text[:until]
	for _, s := range starts {
		out = out[:s.open] + out[s.open+s.length:]
	}
	return out
}

// linkProblem returns what is wrong with a word that Slack sends as a link: it shows something else
// than it leads to, and nobody can know which of them is meant. It is "" for every other word.
func linkProblem(word string) string {
	for rest := word; ; {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			return ""
		}
		length := strings.IndexByte(rest[open:], '>')
		if length < 0 {
			return ""
		}
		target, label, labelled := strings.Cut(rest[open+1:open+length], "|")
		rest = rest[open+length:]
		if labelled && label != "" && strings.Contains(target, ":") && !strings.ContainsAny(target[:1], "@#!") {
			shown, leads := unescape(label), linkTarget(target)
			if !sameTarget(shown, leads) {
				return fmt.Sprintf("the link shows %s and leads to %s; type the one that is meant",
					workflow.QuoteCell(shown), workflow.QuoteCell(leads))
			}
		}
	}
}

// linkTarget is the address that a link leads to, or what else it leads to as it stands there.
func linkTarget(target string) string {
	const scheme = "mailto:"
	target = unescape(target)
	if !hasPrefixFold(target, scheme) {
		return target
	}
	address, _, _ := strings.Cut(target[len(scheme):], "?")
	if plain, err := url.PathUnescape(address); err == nil {
		return plain
	}
	return address
}

// sameTarget reports whether what a link shows is what it leads to: the same address, or the same
// place without its scheme and the stroke at its end.
func sameTarget(shown, target string) bool {
	trim := func(s string) string {
		if i := strings.Index(s, "://"); i >= 0 {
			s = s[i+len("://"):]
		}
		return strings.TrimSuffix(s, "/")
	}
	if hasPrefixFold(shown, "mailto:") {
		shown = shown[len("mailto:"):]
	}
	return workflow.SameAddress(trim(workflow.TrimCell(shown)), trim(workflow.TrimCell(target)))
}
