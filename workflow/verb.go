package workflow

import (
	"slices"
	"strings"
	"unicode"
)

// ParseVerb reads the words of the message that came with a file: "deactivate, left the company", "rename reason: domain
// move", "please deactivate these". The verb is the action that the message begins with, politeness aside; "" when there is
// none. The reason is what follows "reason:" anywhere, else what follows the verb behind a comma, a semicolon, a colon, a
// full stop, a dash or a line break.
func ParseVerb(text string) (verb ActionName, reason string) {
	text, reason = cutReason(plainText(text))
	rest := skipMentions(text)
	verb, rest = cutAction(rest)
	for verb == "" {
		word, behind, more := strings.Cut(rest, " ")
		if !more || !slices.Contains(politeness(), strings.ToLower(strings.Trim(word, ",.!:"))) {
			break
		}
		verb, rest = cutAction(skipMentions(behind))
	}
	if reason == "" && verb != "" {
		reason = afterSeparator(rest)
	}
	return verb, reason
}

// politeness are the words before the verb that mean nothing to us.
func politeness() []string {
	return []string{"please", "pls", "hi", "hello", "hey", "can", "could", "you", "kindly", "all", "to", "we", "need"}
}

// reasonWord is what a reason stands behind.
const reasonWord = "reason:"

// cutReason takes "reason:" and all that follows it off a text.
func cutReason(text string) (before, reason string) {
	for at := range text {
		if hasPrefixFold(text[at:], reasonWord) && (at == 0 || !isWordByte(text[at-1])) {
			return strings.TrimSpace(text[:at]), trimCell(text[at+len(reasonWord):])
		}
	}
	return text, ""
}

func isWordByte(c byte) bool {
	return c >= 0x80 || c == '_' || (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9')
}

// skipMentions takes Slack's mentions (<@U…>) off the start, as people begin a message to the bot with its name.
func skipMentions(text string) string {
	for {
		text = strings.TrimLeftFunc(text, func(r rune) bool {
			return unicode.IsSpace(r) || strings.ContainsRune("*_~`\"“”‘’',:", r)
		})
		end := strings.IndexByte(text, '>')
		if !strings.HasPrefix(text, "<@") || end < 0 {
			return text
		}
		text = text[end+1:]
	}
}

// cutAction takes the longest action off the start of a text: its words with spaces, hyphens or underscores between them.
func cutAction(text string) (name ActionName, rest string) {
	rest = text
	length := 0
	for _, action := range ActionNames() {
		if n := prefixWords(text, string(action)); n > length {
			name, rest, length = action, text[n:], n
		}
	}
	return name, rest
}

// prefixWords gives how many bytes of the text spell the action, 0 when it begins with something else.
func prefixWords(text, action string) int {
	at := 0
	for part := range strings.SplitSeq(action, "-") {
		if at > 0 {
			gap := len(text[at:]) - len(strings.TrimLeft(text[at:], " -_"))
			if gap == 0 {
				return 0
			}
			at += gap
		}
		if !hasPrefixFold(text[at:], part) {
			return 0
		}
		at += len(part)
	}
	if goesOn(text[at:]) {
		return 0
	}
	return at
}

// goesOn says whether the word before rest is not at its end there: "deactivated", "delete-them".
func goesOn(rest string) bool {
	if rest == "" || startsWithMark(rest) && rest[0] != '-' {
		return false
	}
	return isWordByte(rest[0]) || (rest[0] == '-' && len(rest) > 1 && isWordByte(rest[1]))
}

// marks are what may stand between a verb and its reason.
const marks = ",;:.-–—\n\r"

func startsWithMark(text string) bool {
	for _, r := range text {
		return strings.ContainsRune(marks+" \u00a0”’", r)
	}
	return false
}

// afterSeparator is what stands behind the mark with which the text begins, "" when it begins with none.
func afterSeparator(text string) string {
	text = strings.TrimLeft(text, " \t\u00a0*_~`\"“”‘’'")
	if !startsWithMark(text) {
		return ""
	}
	return trimCell(strings.TrimLeft(text, marks+" \t\u00a0*~`"))
}
