package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
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

// splitWords cuts a text at its spaces. A word that begins with a quote, straight or curly, goes to
// the closing one. A single quote counts only when another one ends a word, so that apostrophes
// stay what they are.
func splitWords(text string) []commandWord {
	var words []commandWord
	var alone bool // no single quote that ends a word is left
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if unicode.IsSpace(r) {
			at += size
			continue
		}
		word, end := nextWord(text, at, r, size, &alone)
		words = append(words, word)
		at = end
	}
	return words
}

func nextWord(text string, at int, first rune, size int, alone *bool) (word commandWord, end int) {
	inner := text[at+size:]
	if strings.ContainsRune(doubleQuotes, first) {
		i := strings.IndexAny(inner, doubleQuotes)
		if i < 0 {
			return commandWord{raw: inner, at: at, quoted: true, open: true}, len(text)
		}
		_, closing := utf8.DecodeRuneInString(inner[i:])
		return commandWord{raw: inner[:i], at: at, quoted: true}, at + size + i + closing
	}
	if !*alone && strings.ContainsRune(singleQuotes, first) {
		for i := range inner {
			r, width := utf8.DecodeRuneInString(inner[i:])
			after := inner[i+width:]
			next, _ := utf8.DecodeRuneInString(after)
			if strings.ContainsRune(singleQuotes, r) && (after == "" || unicode.IsSpace(next)) {
				return commandWord{raw: inner[:i], at: at, quoted: true}, len(text) - len(after)
			}
		}
		*alone = true
	}
	for end = at; end < len(text); {
		r, size := utf8.DecodeRuneInString(text[end:])
		if unicode.IsSpace(r) {
			break
		}
		if length := linkLength(text[end:]); length > 0 { // its label may have spaces
			size = length
		}
		end += size
	}
	return commandWord{raw: text[at:end], at: at}, end
}

// linkLength is how long a link is with which the text begins, as Slack sends it; 0 when it begins
// with none.
func linkLength(text string) int {
	if !hasPrefixFold(text, "<mailto:") && !hasPrefixFold(text, "<http:") && !hasPrefixFold(text, "<https:") {
		return 0
	}
	return strings.IndexByte(text, '>') + 1
}

// cutDash gives the length of the dash with which a word begins: "--", or what phones and Slack
// make of it.
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
			return workflow.TrimCell(inner)
		}
	}
	return text
}

// plainText is a text from Slack as its author typed it: links give their label (Slack makes links
// of addresses and domains), & < > are as typed, spaces around it are gone. Mentions stay as they
// are (Slack, formatting of message text).
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
	return workflow.TrimCell(out.String())
}

// Plain is a text from Slack as its author typed it.
func Plain(text string) string { return plainText(text) }

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
