package command

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Note is what the message that came with a file says.
type Note struct {
	Verb   workflow.ActionName // that it begins with; "" for none
	Reason string
	Stated bool               // the reason stands behind "reason:"
	Values workflow.RowValues // what it says beside the verb: the group of "group add jira-users"
	Move   *Command           // that it is the command to move a domain, with accounts of the file left out; nil else
	Wrong  error              // a *UsageError where it begins as that command and is not understood
	Times  Times              // on lines of their own
	Said   time.Time          // when the message was written, which the times go by; zero is now
	// Meant are the words by which a message says what this one seems to, where it names no action; ""
	// where nothing is known of it.
	Meant string
	// Compare says that the file is a list to be set beside the directory, and asks for nothing.
	Compare bool
}

// ParseNote reads the words of the message that came with a file: "deactivate, left the company",
// "rename reason: domain move", "please deactivate these". The verb is the action that the message
// begins with, politeness and Slack's marks aside. The reason is what follows "reason:" anywhere,
// else the message without the verb, unless it is nothing but words for the file and its rows. Lines
// that say a time (at: …, until: …, for: …) belong to neither.
func ParseNote(text string) Note {
	text, times := cutTimes(text)
	n := Note{Times: times}
	if move, is, err := parseMove(text); is {
		if n.Wrong = err; err == nil {
			n.Move, n.Reason, n.Stated = &move, move.Reason, move.Reason != ""
			n.Wrong = needsExcept(&move)
			for word, value := range map[string]string{wordAt: move.Times.At, wordUntil: move.Times.Until, wordFor: move.Times.For} {
				if value != "" {
					n.Times.put(word, value)
				}
			}
		}
		return n
	}
	if n.Compare = asksToCompare(text); n.Compare {
		return n
	}
	_, stated := cutReason(plainText(text))
	n.Verb, n.Values, n.Reason = parseVerb(text)
	n.Stated = stated != ""
	if n.Verb == "" {
		n.Meant = meantByNote(text)
	}
	return n
}

// When are the moments that the message's times mean for somebody in that zone. "18:00" is the next one
// after the message, also where it is read hours later; what is past by then is refused.
func (n Note) When(now time.Time, zone *time.Location) (workflow.When, error) {
	when, err := n.Times.When(n.said(now), zone)
	if err != nil || when.IsZero() {
		return when, err
	}
	return when, when.Check(now)
}

// Moments are what can be read of the message's times, in that zone, whatever else is wrong with them;
// a zero time is none.
func (n Note) Moments(now time.Time, zone *time.Location) (at, until time.Time) {
	said := n.said(now).In(zone)
	at, _ = parseMoment(n.Times.At, said)
	until, _ = parseMoment(n.Times.Until, said)
	return at, until
}

// said is when the message was written, now where that is not known.
func (n Note) said(now time.Time) time.Time {
	if n.Said.IsZero() || n.Said.After(now) {
		return now
	}
	return n.Said
}

// compareWord has a file compared.
const compareWord = "compare"

// asksToCompare reports whether the message begins with that word, politeness and Slack's marks aside.
func asksToCompare(text string) bool {
	text, _ = unstyled(plainText(text))
	for rest := skipMentions(text); rest != ""; {
		word, behind, _ := strings.Cut(rest, " ")
		word = strings.ToLower(strings.Trim(strings.TrimSpace(word), ",.!:;"))
		if first, _, _ := strings.Cut(word, "\n"); strings.Trim(first, ",.!:;") == compareWord {
			return true
		}
		if !slices.Contains(politeness(), word) {
			return false
		}
		rest = skipMentions(behind)
	}
	return false
}

// ParseVerb is ParseNote for the verb and the reason.
func ParseVerb(text string) (verb workflow.ActionName, reason string) {
	verb, _, reason = parseVerb(text)
	return verb, reason
}

func parseVerb(text string) (verb workflow.ActionName, values workflow.RowValues, reason string) {
	text, reason = cutReason(plainText(text))
	text, _ = unstyled(text)
	begins := skipMentions(text)
	verb, rest := cutAction(begins)
	for verb == "" {
		word, behind, more := strings.Cut(rest, " ")
		if !more || !slices.Contains(politeness(), strings.ToLower(strings.Trim(word, ",.!:"))) {
			break
		}
		begins = skipMentions(behind)
		verb, rest = cutAction(begins)
	}
	if saysAnother(verb, begins) { // nobody can know what is meant
		verb, rest = "", text
	}
	if it, built := action.For(verb); built {
		values, rest = cutValues(it, rest)
	}
	switch {
	case reason != "":
	case verb == "":
		reason = saidWhy(skipCalls(text))
	default:
		reason = saidWhy(afterVerb(rest))
	}
	return verb, values, reason
}

// saidWhy is what a message says as the reason: nothing where every word of it is courtesy or points
// at the file and its rows.
func saidWhy(text string) string {
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if !slices.Contains(politeness(), word) && !slices.Contains(pointing(), word) {
			return workflow.TrimCell(text)
		}
	}
	return ""
}

// pointing are the words for a file and its rows that say nothing of why.
func pointing() []string {
	return []string{
		"this", "these", "those", "them", "the", "file", "list", "csv", "account", "accounts", "user", "users", "person",
		"people", "row", "rows", "attached", "following", "below", "thanks", "thx",
	}
}

// skipCalls takes mentions and pictures off the start of a text.
func skipCalls(text string) string {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		call := emoji.FindString(text) + mention.FindString(text)
		if call == "" {
			return text
		}
		text = text[len(call):]
	}
}

// politeness are the words before the verb that mean nothing to us.
func politeness() []string {
	return []string{"please", "pls", "hi", "hello", "hey", "can", "could", "you", "kindly", "all", "to", "we", "need"}
}

// reasonWord is what a reason stands behind.
const reasonWord = "reason:"

// cutReason takes "reason:" and all that follows it off a text.
func cutReason(text string) (before, reason string) {
	plain, origin := unstyled(text)
	for at := range plain {
		if hasPrefixFold(plain[at:], reasonWord) && (at == 0 || !isWordByte(plain[at-1])) {
			tail := behind(text, origin[at])
			return strings.TrimSpace(ahead(text, origin[at])), workflow.TrimCell(tail[len(reasonWord):])
		}
	}
	return text, ""
}

func isWordByte(c byte) bool {
	return c >= 0x80 || c == '_' || (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9')
}

// emoji is how Slack sends a picture within a text; its name is no word of a sentence.
var emoji = regexp.MustCompile(`^:[\p{L}0-9_'+-]+:(?::skin-tone-[0-9]:)?`)

// mention is how Slack sends a person, a channel or a group within a text.
var mention = regexp.MustCompile(`^<[@#!][^<>]*>`)

// listMark is how an entry of a list, or a command as one types it, begins.
var listMark = regexp.MustCompile(`^(?:\p{Nd}{1,3}[.)]|/\p{L}[\p{L}0-9_-]*)[\s\x{a0}]`)

// skipMentions takes off the start what is no word of a sentence: Slack's mentions (<@U…>) and pictures
// (:lock:), as people begin a message to the bot with its name, and marks, signs and numbers of a list.
func skipMentions(text string) string {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		skip := emoji.FindString(text) + mention.FindString(text) + listMark.FindString(text)
		if skip != "" { // one of them alone can be there
			text = text[len(skip):]
			continue
		}
		trimmed := strings.TrimLeftFunc(text, func(r rune) bool {
			return r != '<' && r != '/' && r != ':' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		})
		if trimmed == text {
			trimmed = strings.TrimLeft(text, ":>/")
		}
		if trimmed == text {
			return text
		}
		text = trimmed
	}
}

// cutAction takes the longest action, or clear word for one, off the start of a text: its words with
// spaces, hyphens or underscores between them. None stands where a longer word begins that people use
// for another action ("delete tokens").
func cutAction(text string) (name workflow.ActionName, rest string) {
	rest = text
	length := 0
	try := func(word string, action workflow.ActionName) {
		if n := prefixWords(text, word); n > length {
			name, rest, length = action, text[n:], n
		}
	}
	for _, action := range workflow.ActionNames() {
		try(string(action), action)
	}
	for word, action := range workflow.ClearSynonyms {
		try(strings.ReplaceAll(word, "_", "-"), action)
	}
	for word, action := range workflow.Synonyms {
		if action != name && prefixWords(text, strings.ReplaceAll(word, "_", "-")) > length {
			return "", text
		}
	}
	return name, rest
}

// prefixWords gives how many bytes of the text spell the action, 0 when it begins with something
// else.
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

// goesOn reports whether the word before rest is not at its end there: "deactivated",
// "delete-them".
func goesOn(rest string) bool {
	if rest == "" || startsWithMark(rest) && rest[0] != '-' {
		return false
	}
	return isWordByte(rest[0]) || (rest[0] == '-' && len(rest) > 1 && isWordByte(rest[1]))
}

// marks are what may stand between a verb and its reason.
const marks = ",;:.-–—!…。，；：\n\r"

func startsWithMark(text string) bool {
	for _, r := range text {
		return strings.ContainsRune(marks+" \u00a0”’", r)
	}
	return false
}

// afterVerb is what stands behind a verb, without the marks between the two.
func afterVerb(text string) string {
	text = strings.TrimLeft(text, " \t\u00a0*_~`\"“”‘’'")
	return strings.TrimLeft(text, marks+" \t\u00a0*~`")
}
