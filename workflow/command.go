package workflow

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Command is what somebody asked for with the slash command, understood.
type Command struct {
	Name   string     // as in Commands: "rename", "group add", "report show"
	Action ActionName // of a command that makes a batch of rows; else ""
	Rows   []Row      // of such a command, lines 1, 2, …
	Users  []string   // the accounts named, as addresses or account ids; for migrate-domain the two domains

	Message string // behind --; the rows carry it, too
	Reason  string // behind reason:

	Number int64    // of a batch
	Text   string   // what find looks for
	Report string   // the report's name
	Date   string   // the first of Dates, "" for the latest
	Dates  []string // YYYY-MM-DD

	// Supported is false for what this version only knows by name; then the rest may be unfilled.
	Supported bool
}

// UsageError says that a command was not understood, and how to write it.
type UsageError struct {
	Problem string // what is wrong, a clause without a full stop
	Usage   string // how the command is written, without the slash command itself
	Nearest string // the usage that was probably meant, where the command's word is not known; else ""
}

func (e *UsageError) Error() string {
	if e.Nearest != "" {
		return fmt.Sprintf("%s; did you mean %q?", e.Problem, e.Nearest)
	}
	return fmt.Sprintf("%s; write %q", e.Problem, e.Usage)
}

// CommandHelp is one command as help shows it.
type CommandHelp struct {
	Name      string // the words it begins with
	Usage     string // without the slash command itself
	Does      string
	Who       string // "all", "any role", "admins", "as the buttons"
	Supported bool
}

// The people who may use a command, in the words of help.
const (
	whoAll     = "all"
	whoRole    = "any role"
	whoAdmins  = "admins"
	whoButtons = "as the buttons"
)

const helpCommand = "help"

// Commands lists every command there is, in the order help shows them.
func Commands() []CommandHelp {
	const (
		users   = " <user>…"
		number  = " <n>"
		yes, no = true, false
	)
	return []CommandHelp{
		{helpCommand, helpCommand, "what I can do", whoAll, yes},
		{"rename", "rename <user> <new-email>", "a new address for one account", whoRole, yes},
		{"deactivate", "deactivate" + users + " [-- message]", "block login everywhere", whoRole, yes},
		{"activate", "activate" + users, "let them log in again", whoRole, yes},
		{"find", "find <text>", "who that is, and what may be changed", whoRole, yes},
		{"domains", "domains", "the domains, and whether each is verified", whoRole, yes},
		{"batches", "batches", "the recent batches", whoRole, yes},
		{"batch", "batch" + number, "one batch, with a link to its card", whoRole, yes},
		{"pause", "pause" + number, "stop a run for now", whoButtons, yes},
		{"resume", "resume" + number, "let a run go on", whoButtons, yes},
		{"cancel", "cancel" + number, "end a batch", whoButtons, yes},
		{"retry", "retry" + number, "try again what failed", whoButtons, yes},
		{"undo", "undo" + number, "put back what a batch changed", whoButtons, yes},
		{"report list", "report list", "the reports", whoRole, yes},
		{"report show", "report show <name> [date]", "a report as it was on a day", whoRole, yes},
		{"report run", "report run <name>", "make a report now", whoAdmins, yes},
		{"migrate-domain", "migrate-domain <old> <new>", "every account of a domain to another domain", whoRole, no},
		{"suspend", "suspend" + users, "take product access away", whoRole, no},
		{"restore", "restore" + users, "give product access back", whoRole, no},
		{"remove", "remove" + users, "take out of the directory", whoRole, no},
		{"delete", "delete" + users, "start the deletion", whoRole, no},
		{"cancel-delete", "cancel-delete" + users, "stop the deletion", whoRole, no},
		{"revoke-tokens", "revoke-tokens" + users, "delete their API tokens", whoRole, no},
		{"offboard", "offboard" + users, "all that a leaver needs", whoRole, no},
		{"set-name", "set-name <user> <new name>", "a new display name", whoRole, no},
		{"group add", "group add <group>" + users, "into a group", whoRole, no},
		{"group remove", "group remove <group>" + users, "out of a group", whoRole, no},
		{"invite", "invite <email>…", "into the organisation", whoRole, no},
		{"history", "history <user>", "what happened to an account", whoRole, no},
		{"report diff", "report diff <name> <date> [<date>]", "what changed between two days", whoRole, no},
		{"new", "new", "the form", whoRole, no},
	}
}

// maxCommand bounds the text of a command, in bytes; what is longer is a list, and lists come as files.
const maxCommand = 12_000

// UsageFor gives the usage of a command, that of help when there is no such command.
func UsageFor(name string) string {
	for _, c := range Commands() {
		if c.Name == name {
			return c.Usage
		}
	}
	return helpCommand
}

// ParseCommand understands the words behind the slash command, as Slack sends them: addresses as <mailto:…|…>, links
// around domains, & < > escaped, dashes and quotes made typographic. Nothing at all is help. What it does not understand is
// a *UsageError. A command that this version does not carry out comes back with Supported false, whatever follows its
// words.
func ParseCommand(text string) (Command, error) {
	if len(text) > maxCommand {
		return Command{}, &UsageError{
			Problem: fmt.Sprintf("that is longer than the %d bytes that a command may have; send a CSV", maxCommand),
			Usage:   helpCommand,
		}
	}
	words := splitWords(text)
	help, rest, ok := findCommand(words)
	if !ok {
		return Command{}, unknownCommand(words)
	}
	p := commandParser{help: help, text: text, words: rest}
	command, err := p.parse()
	if err != nil && help.Supported {
		return Command{}, err
	}
	command.Name, command.Supported = help.Name, help.Supported
	return command, nil
}

// findCommand finds the command that the words begin with; two words go before one, so that "cancel delete" is not
// "cancel".
func findCommand(words []commandWord) (help CommandHelp, rest []commandWord, ok bool) {
	if len(words) == 0 {
		return Commands()[0], nil, true
	}
	for n := min(2, len(words)); n > 0; n-- {
		typed := words[0].raw
		if n == 2 {
			if foldName(words[1].raw) == "" { // dashes alone are no second word
				continue
			}
			typed += " " + words[1].raw
		}
		for _, c := range Commands() {
			if foldName(typed) == foldName(c.Name) {
				return c, words[n:], true
			}
		}
	}
	return CommandHelp{}, nil, false
}

// unknownCommand says which command was probably meant. Behind a word that begins commands of two words ("report") only
// these are looked at.
func unknownCommand(words []commandWord) error {
	typed := foldName(plainText(words[0].raw))
	var family, names []string
	for _, c := range Commands() {
		names = append(names, foldName(c.Name))
		if strings.HasPrefix(c.Name, typed+" ") {
			family = append(family, foldName(c.Name))
		}
	}
	shown := plainText(words[0].raw)
	if len(words) > 1 {
		two := shown + " " + plainText(words[1].raw)
		if near := nearestWord(foldName(two), names); near != "" || family != nil {
			shown, typed = two, foldName(two)
		}
	}
	if family != nil {
		names = family
	}
	near := nearestWord(typed, names)
	if near == "" && family != nil {
		near = family[0]
	}
	e := &UsageError{Problem: fmt.Sprintf("%s is not a command", quoteCell(shown)), Usage: helpCommand}
	for _, c := range Commands() {
		if near != "" && foldName(c.Name) == near {
			e.Usage, e.Nearest = c.Usage, c.Usage
		}
	}
	return e
}

// commandParser reads what follows the words of one command.
type commandParser struct {
	help  CommandHelp
	text  string // the whole text, as sent
	words []commandWord
	out   Command
}

func (p *commandParser) refuse(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...), Usage: p.help.Usage}
}

func (p *commandParser) parse() (Command, error) {
	var err error
	name := p.help.Name
	switch name {
	case "find":
		err = p.find()
	case "batch", "cancel", "pause", "resume", "retry", "undo":
		err = p.number()
	case "report show", "report run", "report diff":
		err = p.report()
	case "history":
		err = p.users(1)
	case helpCommand: // whatever follows, help is what helps
	case "domains", "batches", "report list", "new":
		err = p.nothing()
	default:
		err = p.batch()
		for i := range p.out.Rows {
			p.out.Rows[i].Message = p.out.Message
		}
	}
	return p.out, err
}

func (p *commandParser) nothing() error {
	if len(p.words) > 0 {
		return p.refuse("%s takes nothing behind it", p.help.Name)
	}
	return nil
}

func (p *commandParser) find() error {
	if len(p.words) == 0 {
		return p.refuse("say what to look for")
	}
	p.out.Text = unquote(plainText(p.text[p.words[0].at:]))
	if p.out.Text == "" {
		return p.refuse("say what to look for")
	}
	return nil
}

func (p *commandParser) number() error {
	if len(p.words) != 1 {
		return p.refuse("%s needs the number of one batch", p.help.Name)
	}
	word := plainText(p.words[0].raw)
	n, err := strconv.ParseInt(strings.TrimPrefix(word, "#"), 10, 64)
	if err != nil || n <= 0 || strings.HasPrefix(word, "#+") || strings.HasPrefix(word, "+") {
		return p.refuse("%s is not the number of a batch", quoteCell(word))
	}
	p.out.Number = n
	return nil
}

func (p *commandParser) report() error {
	least, most := 1, 1
	switch p.help.Name {
	case "report show":
		most = 2
	case "report diff":
		least, most = 2, 3
	}
	switch {
	case len(p.words) == 0:
		return p.refuse("say which report")
	case len(p.words) < least:
		return p.refuse("say which day")
	case len(p.words) > most:
		return p.refuse("%s is too much", quoteCell(plainText(p.words[most].raw)))
	}
	p.out.Report = plainText(p.words[0].raw)
	for _, w := range p.words[1:] {
		day := plainText(w.raw)
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return p.refuse("%s is not a day; write it like 2026-11-23", quoteCell(day))
		}
		p.out.Dates = append(p.out.Dates, day)
	}
	if len(p.out.Dates) > 0 {
		p.out.Date = p.out.Dates[0]
	}
	return nil
}

// users reads the words as accounts, one at least and at most so many; most 0 is any number.
func (p *commandParser) users(most int) error {
	if len(p.words) == 0 {
		return p.refuse("say which account, by address or account id")
	}
	if most > 0 && len(p.words) > most {
		return p.refuse("%s is too much", quoteCell(plainText(p.words[most].raw)))
	}
	for _, w := range p.words {
		id, address, problem := parseUser(w.raw)
		if problem != "" {
			return p.refuse("%s", problem)
		}
		p.out.Users = append(p.out.Users, id+address) // one of the two is empty
		p.out.Rows = append(p.out.Rows, Row{Line: len(p.out.Rows) + 1, Action: p.out.Action, AccountID: id, Email: address})
	}
	if p.out.Action == "" {
		p.out.Rows = nil
	}
	return nil
}
