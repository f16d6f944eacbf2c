package command

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// phrase is how people say in a sentence what a command does: it begins with one of the verbs, and one
// word of each list stands somewhere. The first that fits counts.
type phrase struct {
	command string
	verbs   []string   // among its first words; nil for any
	has     [][]string // a word of each
	not     []string   // none of these
}

// phrases lead sentences to commands. They make none: what somebody writes otherwise than it is written
// is answered with how it is.
func phrases() []phrase {
	var (
		in      = []string{"add", "put", "join", "give", "grant", "assign", "move", "include", "make", "get", "set", "invite", "append", "insert"}
		out     = []string{"remove", "take", "drop", "delete", "kick", "pull", "get", "unassign", "revoke", "leave", "exclude", "throw"}
		change  = []string{"change", "update", "rename", "set", "correct", "fix", "edit", "replace", "switch", "modify"}
		off     = []string{"out", "off"}
		into    = []string{"to", "into"}
		group   = []string{"group", "groups"}
		site    = []string{"site", "sites"}
		token   = []string{"token", "tokens", "key", "keys"}
		columns = []string{"column", "columns"}
		address = []string{"address", "email", "mail", "e-mail", "addresses", "emails", "login"}
		access  = []string{"access", "licence", "license", "seat", "licences", "licenses", "seats"}
		deleted = []string{"deletion", "deleted", "deleting"}
		gone    = append(leavers(), "offboarding")
		whole   = []string{"all", "everyone", "everybody", "domain", "domains", "whole"}
	)
	return []phrase{
		{command: "site columns reset", has: [][]string{columns}},
		{command: "revoke-tokens", verbs: slices.Concat(out, []string{"invalidate", "wipe", "clear", "kill", "purge"}), has: [][]string{token}},
		{command: "site group remove", verbs: in, has: [][]string{off, group, site}, not: into},
		{command: "group remove", verbs: in, has: [][]string{off, group}, not: into},
		{command: "site group add", verbs: in, has: [][]string{group, site}, not: []string{"from"}},
		{command: "site group remove", verbs: out, has: [][]string{group, site}},
		{command: "group add", verbs: in, has: [][]string{group}, not: []string{"from"}},
		{command: "group remove", verbs: out, has: [][]string{group}},
		{command: "site delete", verbs: out, has: [][]string{site}},
		{command: "site create", verbs: slices.Concat(in, []string{"create", "new"}), has: [][]string{site}},
		{command: "provision", has: [][]string{{"scim"}}},
		{command: "cancel-delete", verbs: []string{"cancel", "stop", "undo", "restore", "recover", "undelete", "keep", "bring", "abort", "revert", "rescue"}, has: [][]string{deleted}},
		{command: "set-name", verbs: change, has: [][]string{{"name", "names"}}, not: address},
		{command: migrateCommand, verbs: slices.Concat(change, []string{"move", "migrate"}), has: [][]string{whole}, not: group},
		{command: "rename", verbs: slices.Concat(change, []string{"move", "new"}), has: [][]string{address}},
		{command: "restore", verbs: []string{"give", "grant", "restore", "return"}, has: [][]string{access, {"back", "again", "restore", "return"}}},
		{command: "suspend", verbs: slices.Concat(out, []string{"free", "stop", "block", "pause"}), has: [][]string{access}},
		{command: "group add", verbs: []string{"give", "grant", "add"}, has: [][]string{access}},
		{command: "invite", has: [][]string{{"invitation", "invitations", "invites"}}},
		{command: "offboard", has: [][]string{gone}},
		{command: "history", has: [][]string{{"happened", "history"}}},
	}
}

// leavers are the words that say of somebody that they are no longer there.
func leavers() []string {
	return []string{"left", "leaves", "leaving", "leaver", "leavers", "quit", "quits", "resigned", "fired", "departed"}
}

// namesBatch reports whether a word is the number of a batch, or the word for one.
func namesBatch(word string) bool {
	digits := strings.TrimPrefix(word, "#")
	return word == "batch" || word == "request" || digits != "" && strings.Trim(digits, "0123456789") == ""
}

// maxSentence is how many words of a text are read as a sentence. Everybody can send one, of any words.
const maxSentence = 60

// phrased returns the command that a sentence is about, "" where that is not clear.
func phrased(words []commandWord) string {
	const beginning = 3 // "can you please" aside, a verb stands among these
	said := saidIn(words)
	if len(said) < 2 || slices.ContainsFunc(said, namesBatch) {
		return ""
	}
	for _, p := range phrases() {
		fits := p.verbs == nil || oneOf(said[:min(len(said), beginning)], p.verbs)
		for _, list := range p.has {
			fits = fits && oneOf(said, list)
		}
		if p.command == "offboard" && beginsWithAnother(said) { // that somebody left is why, not what is asked for
			continue
		}
		if fits && !oneOf(said, p.not) && slices.ContainsFunc(Commands(), func(c Help) bool { return c.Name == p.command }) {
			return p.command
		}
	}
	return pairOf(said)
}

// saidIn are the words of a sentence that mean something, up to its reason.
func saidIn(words []commandWord) (said []string) {
	for _, w := range words[:min(len(words), maxSentence)] {
		word := strings.ToLower(strings.Trim(plainText(w.raw), ",.!?:;()\"'"))
		if len(said) == 0 && (slices.Contains(politeness(), word) || strings.HasPrefix(word, "/") || mention.MatchString(word)) {
			continue
		}
		if strings.HasPrefix(word, "reason") || strings.HasPrefix(word, "--") {
			break
		}
		said = append(said, word)
	}
	return said
}

// oneOf reports whether a word is among others.
func oneOf(among, of []string) bool {
	return slices.ContainsFunc(among, func(word string) bool { return slices.Contains(of, word) })
}

// beginsWithAnother reports whether a sentence begins with a command for accounts, or with clear other
// words for one, that is not the one for leavers.
func beginsWithAnother(said []string) bool {
	for n := range min(3, len(said)) {
		words := strings.Join(said[:n+1], " ")
		if name := commandAction(words); name != workflow.Offboard && action.Built(name) {
			return true
		}
		for word := range workflow.ClearSynonyms { // none is of the one for leavers
			if word == workflow.FoldName(words) {
				return true
			}
		}
	}
	return false
}

// arrows are what people put between what is and what is wanted.
func arrows() []string { return []string{"to", "→", "->", "=>", "into", "becomes"} }

// pairOf is the command for two addresses, or two domains, with nothing but an arrow between them.
func pairOf(said []string) string {
	said = slices.DeleteFunc(slices.Clone(said), func(word string) bool {
		return slices.Contains(arrows(), word) || slices.Contains([]string{"move", "change", "update"}, word)
	})
	if len(said) != 2 {
		return ""
	}
	addresses, domains := 0, 0
	for _, word := range said {
		switch {
		case strings.HasPrefix(word, "@") || !strings.Contains(word, "@") && strings.Contains(word, "."):
			domains++
		case workflow.AddressProblem(word) == "":
			addresses++
		}
	}
	switch {
	case addresses == 2:
		return "rename"
	case domains == 2:
		return migrateCommand
	}
	return ""
}

// head is what stands before the first mark of a message: behind it is the reason.
func head(text string) string {
	text, _ = unstyled(plainText(text))
	text = skipMentions(text)
	if end := strings.IndexAny(text, ",;:.!?()\n\r–—"); end >= 0 {
		text = text[:end]
	}
	return text
}

// meantByNote is how a message says beside a file what this one seems to, "" where that is not clear.
func meantByNote(text string) string {
	it, built := action.For(commandAction(phrased(splitWords(head(text)))))
	switch {
	case !built:
		return ""
	case slices.Contains(it.Needs(), workflow.ColumnGroup):
		return it.Command() + " <group>"
	}
	return it.Command()
}

// saysAnother reports whether a message that begins with the word of an action says that of another
// one: "remove these from group finance" takes nobody out of the directory, and "deactivate these
// tokens" blocks nobody's login. What stands behind the first mark is the reason.
func saysAnother(verb workflow.ActionName, text string) bool {
	if verb == "" {
		return false
	}
	words := splitWords(head(text))
	if len(words) == 0 {
		return false
	}
	first := strings.ToLower(plainText(words[0].raw))
	for _, p := range phrases() {
		if slices.Contains(p.verbs, first) && phrased(words) == p.command {
			return commandAction(p.command) != verb
		}
	}
	return aboutOther(verb, saidIn(words))
}

// aboutOther reports whether what is said names things other than accounts that its action is not about.
func aboutOther(verb workflow.ActionName, said []string) bool {
	if it, built := action.For(verb); built && slices.Contains(it.Needs(), workflow.ColumnGroup) {
		return false // its words are the name of the group
	}
	if mark := slices.Index(said, "-"); mark >= 0 {
		said = said[:mark]
	}
	for thing, words := range map[string][]string{
		"token": {"token", "tokens", "key", "keys"}, "group": {"group", "groups"}, "site": {"site", "sites"}, "name": {"name", "names"},
	} {
		if oneOf(said, words) && !strings.Contains(string(verb), thing) {
			return true
		}
	}
	return false
}

// meantInstead is what a command that was refused was probably meant as, "" for what it is: another
// command of several words, or what its sentence is about.
func meantInstead(name string, words []commandWord) string {
	if usage, _ := knownAs(words, 2); usage != "" && usage != UsageFor(name) {
		return usage
	}
	if other := phrased(words); other != "" && other != name {
		return UsageFor(other)
	}
	return ""
}
