package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Command is what somebody asked for with the slash command, understood.
type Command struct {
	Name   string               // as in Commands: "rename", "group add", "report show"
	Action workflow.ActionName  // of a command that makes a batch of rows; else ""
	Rows   []workflow.Row       // of such a command, lines 1, 2, …
	Users  []string             // the accounts named, as addresses or account ids
	Move   *workflow.DomainMove // of migrate-domain; nil else
	Except bool                 // it leaves out accounts of a file that comes with it

	// Given are the values for all rows of a command that lacks a word; of another one its rows carry
	// them.
	Given   workflow.RowValues
	Message string // behind --; the rows carry it, too
	Reason  string // behind reason:
	Times   Times  // behind at, until and for

	Number int64    // of a batch
	Text   string   // what find, groups or site find looks for; whose history
	Site   string   // where site find looks
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
	// Unknown is set where the words do not begin with those of a command.
	Unknown bool
	// Missing is the command as far as it goes, where nothing is wrong with it but that a word is
	// missing; nil else.
	Missing *Command
	// Say are sentences on what to do instead, of what no command does; else "". {command} stands
	// for the slash command.
	Say string
}

func (e *UsageError) Error() string {
	if e.Say != "" {
		return e.Problem
	}
	if e.Nearest != "" {
		return fmt.Sprintf("%s; did you mean %q?", e.Problem, e.Nearest)
	}
	return fmt.Sprintf("%s; write %q", e.Problem, e.Usage)
}

// Help is one command as help shows it.
type Help struct {
	Name      string // the words it begins with
	Usage     string // without the slash command itself
	Does      string
	Who       workflow.Who
	Supported bool
}

const (
	helpCommand     = "help"
	siteFindCommand = "site find"
)

// Commands lists every command there is, in the order help shows them.
func Commands() []Help {
	const (
		users   = " <user>…"
		number  = " <n>"
		yes, no = true, false
	)
	all := []Help{{helpCommand, helpCommand, "what I can do", workflow.Everybody, yes}}
	for _, a := range action.Catalogue() {
		if name := a.Command(); name != "" {
			all = append(all, Help{name, a.Usage, a.Help, workflow.WithRole, yes})
		}
	}
	rest := []Help{
		{
			migrateCommand, migrateCommand + " <old> <new> [only-group <group>] [names first.last]",
			"every account of a domain to another domain", workflow.WithRole, yes,
		},
		{siteFindCommand, "site find <site> <text>", "who that is on one site, also by a legacy name", workflow.WithRole, yes},
		{"find", "find <text>", "who that is, and what may be changed", workflow.WithRole, yes},
		{"history", "history <user>", "what happened to an account", workflow.WithRole, yes},
		{"groups", "groups [text]", "the groups, and which may be changed", workflow.WithRole, yes},
		{"domains", "domains", "the domains, and whether each is verified", workflow.WithRole, yes},
		{"batches", "batches", "the recent batches", workflow.WithRole, yes},
		{"batch", "batch" + number, "one batch, with a link to its card", workflow.WithRole, yes},
		{"pause", "pause" + number, "stop a run for now", workflow.AsTheButton, yes},
		{"resume", "resume" + number, "let a run go on", workflow.AsTheButton, yes},
		{"cancel", "cancel" + number, "end a batch", workflow.AsTheButton, yes},
		{"retry", "retry" + number, "try again what failed", workflow.AsTheButton, yes},
		{"undo", "undo" + number, "put back what a batch changed", workflow.AsTheButton, yes},
		{"start", "start" + number, "start now what waits for its time", workflow.AsTheButton, yes},
		{"end", "end" + number, "end now what was for a while", workflow.AsTheButton, yes},
		{"keep", "keep" + number, "keep what was for a while", workflow.AsTheButton, yes},
		{"report list", "report list", "the reports", workflow.WithRole, yes},
		{"report show", "report show <name> [date]", "a report as it was on a day", workflow.WithRole, yes},
		{"report run", "report run <name>", "make a report now", workflow.Admins, yes},
		{"report diff", "report diff <name> <date> [<date>]", "what changed between two days, and who did it", workflow.WithRole, yes},
		{"proof", "proof", "which proofs I have", workflow.Everybody, no},
		{"new", "new", "the form for a request", workflow.WithRole, yes},
	}
	for _, c := range rest {
		if !action.Built(commandAction(c.Name)) {
			all = append(all, c)
		}
	}
	return all
}

// commandAction is the action that a command of that name asks for, should there be one.
func commandAction(name string) workflow.ActionName {
	return workflow.ActionName(strings.ReplaceAll(name, " ", "-"))
}

// maxCommand bounds the text of a command, in bytes; what is longer is a list, and lists come as
// files.
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

// Parse understands the words behind the slash command, as Slack sends them: addresses as
// <mailto:…|…>, links around domains, & < > escaped, dashes and quotes made typographic. Nothing at
// all is help. What it does not understand is a *UsageError. A command that this version does not
// carry out comes back with Supported false, whatever follows its words.
func Parse(text string) (Command, error) {
	if len(text) > maxCommand {
		return Command{}, &UsageError{
			Problem: fmt.Sprintf("that is longer than the %s bytes that a command may have; send a CSV", workflow.Number(maxCommand)),
			Usage:   helpCommand,
		}
	}
	plain, origin := unstyled(text)
	words := splitWords(plain)
	help, rest, ok := findCommand(words)
	if !ok {
		unknown := unknownCommand(words)
		if say := twofold(words); say != "" {
			unknown.Usage, unknown.Nearest, unknown.Say = helpCommand, "", say
		}
		unknown.Unknown = true
		return Command{}, unknown
	}
	p := commandParser{help: help, text: plain, sent: text, origin: origin, words: rest}
	command, err := p.parse()
	if usage, is := errors.AsType[*UsageError](err); is && usage.Missing == nil && help.Supported {
		if usage.Say = twofold(words); usage.Say != "" {
			return Command{}, usage
		}
		if nearest := meantInstead(help.Name, words); nearest != "" {
			usage.Usage, usage.Nearest = nearest, nearest
		}
	}
	if err != nil && help.Supported {
		return Command{}, err
	}
	command.Name, command.Supported = help.Name, help.Supported
	return command, nil
}

// findCommand finds the command that the words begin with; several words go before one, so that
// "cancel delete" is not "cancel".
func findCommand(words []commandWord) (help Help, rest []commandWord, ok bool) {
	if len(words) == 0 {
		return Commands()[0], nil, true
	}
	for n := min(3, len(words)); n > 0; n-- {
		typed := rawWords(words[:n])
		if n > 1 && workflow.FoldName(words[n-1].raw) == "" { // dashes alone are no further word
			continue
		}
		for _, c := range Commands() {
			if workflow.FoldName(typed) == workflow.FoldName(c.Name) {
				return c, words[n:], true
			}
		}
	}
	return Help{}, nil, false
}

// rawWords joins words as they were sent.
func rawWords(words []commandWord) string {
	raw := make([]string, len(words))
	for i, w := range words {
		raw[i] = w.raw
	}
	return strings.Join(raw, " ")
}

// unknownCommand says which command was probably meant. Behind a word that begins commands of two
// words ("report") only these are looked at.
func unknownCommand(words []commandWord) *UsageError {
	if usage := politely(words); usage != "" {
		return &UsageError{
			Problem: fmt.Sprintf("%s is not a command", workflow.QuoteCell(plainText(words[0].raw))), Usage: usage, Nearest: usage,
		}
	}
	if usage, say := unknown(words); usage != "" || say != "" {
		e := &UsageError{
			Problem: fmt.Sprintf("%s is not a command", workflow.QuoteCell(plainText(words[0].raw))), Usage: helpCommand, Nearest: usage, Say: say,
		}
		if usage != "" {
			e.Usage = usage
		}
		return e
	}
	typed := workflow.FoldName(plainText(words[0].raw))
	var family, names []string
	for _, c := range Commands() {
		names = append(names, workflow.FoldName(c.Name))
		if strings.HasPrefix(c.Name, typed+" ") {
			family = append(family, workflow.FoldName(c.Name))
		}
	}
	shown := plainText(words[0].raw)
	if len(words) > 1 {
		two := shown + " " + plainText(words[1].raw)
		if near := workflow.NearestWord(workflow.FoldName(two), names); near != "" || family != nil {
			shown, typed = two, workflow.FoldName(two)
		}
	}
	if family != nil {
		names = family
	}
	near := workflow.NearestWord(typed, names)
	if near == "" && family != nil {
		near = family[0]
	}
	e := &UsageError{Problem: fmt.Sprintf("%s is not a command", workflow.QuoteCell(shown)), Usage: helpCommand}
	for _, c := range Commands() {
		if near != "" && workflow.FoldName(c.Name) == near {
			e.Usage, e.Nearest = c.Usage, c.Usage
		}
	}
	return e
}

// politely returns the usage of the command that stands behind words which mean nothing to us, or
// behind the slash command itself; "" where none does.
func politely(words []commandWord) string {
	for skipped := range maxSentence {
		if len(words) < 2 {
			return ""
		}
		word := strings.ToLower(strings.Trim(plainText(words[0].raw), ",.!:"))
		if !slices.Contains(politeness(), word) && !strings.HasPrefix(word, "/") && !mention.MatchString(word) {
			return ""
		}
		words = words[1:]
		if help, _, ok := findCommand(words); ok {
			return help.Usage
		}
		if skipped == 0 { // it skips such words, too: once is enough
			if name := phrased(words); name != "" {
				return UsageFor(name)
			}
		}
		if usage, _ := knownAs(words, 1); usage != "" {
			return usage
		}
	}
	return ""
}

// commandParser reads what follows the words of one command.
type commandParser struct {
	help  Help
	text  string // the whole text, without Slack's marks around words
	words []commandWord
	out   Command
	given workflow.RowValues // that have been read so far

	sent   string // the whole text, as sent
	origin []int  // where each byte of text is in sent
}

func (p *commandParser) refuse(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...), Usage: p.help.Usage}
}

// missing is refuse for a command that only lacks a word: the form can be filled in with the others.
func (p *commandParser) missing(format string, args ...any) error {
	if !p.help.Supported {
		return p.refuse(format, args...)
	}
	p.out.Name, p.out.Given = p.help.Name, p.given
	return &UsageError{Problem: fmt.Sprintf(format, args...), Usage: p.help.Usage, Missing: &p.out}
}

func (p *commandParser) parse() (Command, error) {
	var err error
	name := p.help.Name
	switch name {
	case "find":
		err = cmp.Or(p.links(), p.find())
	case siteFindCommand:
		err = cmp.Or(p.links(), p.siteFind())
	case "batch", "cancel", "pause", "resume", "retry", "undo", "start", "end", "keep":
		err = p.number()
	case "report show", "report run", "report diff":
		err = p.report()
	case "groups":
		err = p.links()
		if len(p.words) > 0 {
			err = cmp.Or(err, p.find())
		}
	case "history":
		if err = cmp.Or(p.links(), p.users(1)); err == nil {
			p.out.Text = p.out.Users[0]
		}
	case helpCommand: // whatever follows, help is what helps
	case "domains", "batches", "report list", "new":
		err = p.nothing()
	default:
		err = p.batch()
		for i := range p.out.Rows {
			if p.out.Message != "" {
				p.out.Rows[i].Set(workflow.ColumnMessage, p.out.Message)
			}
		}
	}
	return p.out, err
}

// links refuses words that are links which show something else than they lead to.
func (p *commandParser) links() error {
	for _, w := range p.words {
		if what := linkProblem(w.raw); what != "" {
			return p.refuse("%s", what)
		}
	}
	return nil
}

func (p *commandParser) nothing() error {
	if len(p.words) > 0 {
		return p.refuse("%s takes nothing after it", p.help.Name)
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

func (p *commandParser) siteFind() error {
	if len(p.words) == 0 {
		return p.refuse("say at which site, and what to look for")
	}
	p.out.Site = strings.ToLower(plainText(p.words[0].raw))
	p.words = p.words[1:]
	return p.find()
}

func (p *commandParser) number() error {
	if len(p.words) != 1 {
		return p.refuse("%s needs the number of one batch", p.help.Name)
	}
	word := plainText(p.words[0].raw)
	n, err := strconv.ParseInt(strings.TrimPrefix(word, "#"), 10, 64)
	if err != nil || n <= 0 || strings.HasPrefix(word, "#+") || strings.HasPrefix(word, "+") {
		return p.refuse("%s is not the number of a batch", workflow.QuoteCell(word))
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
		return p.refuse("%s is left over", workflow.QuoteCell(plainText(p.words[most].raw)))
	}
	p.out.Report = plainText(p.words[0].raw)
	for _, w := range p.words[1:] {
		day := plainText(w.raw)
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return p.refuse("%s is not a day; write it like 2026-11-23", workflow.QuoteCell(day))
		}
		p.out.Dates = append(p.out.Dates, day)
	}
	if len(p.out.Dates) > 0 {
		p.out.Date = p.out.Dates[0]
	}
	return nil
}

// listed takes words as people write a list: with commas or semicolons between them, and "and" or "&" before the last.
// None of these can be part of an address or an account id.
func listed(words []commandWord) []commandWord {
	var out []commandWord
	for i, w := range words {
		between := 0 < i && i < len(words)-1
		parts := listParts(w.raw)
		switch {
		case w.quoted:
			out = append(out, w)
		case between && (len(parts) == 0 || slices.Contains([]string{"and", "&", "&amp;"}, strings.ToLower(parts[0]))):
		case len(parts) == 0:
			out = append(out, w)
		default:
			for _, part := range parts {
				w.raw = part
				out = append(out, w)
			}
		}
	}
	return out
}

// listParts cuts a word at commas and semicolons, but for those that end a letter as Slack sends it (&lt;).
func listParts(raw string) (parts []string) {
	from := 0
	for i := range len(raw) {
		part := raw[from:i]
		named := strings.HasSuffix(part, "&lt") || strings.HasSuffix(part, "&gt") || strings.HasSuffix(part, "&amp")
		if raw[i] != ',' && (raw[i] != ';' || named) {
			continue
		}
		if part != "" {
			parts = append(parts, part)
		}
		from = i + 1
	}
	if raw[from:] != "" {
		parts = append(parts, raw[from:])
	}
	return parts
}

// users reads the words as accounts, one at least and at most so many; most 0 is any number.
func (p *commandParser) users(most int) error {
	if len(p.words) == 0 {
		if p.out.Action != "" {
			return p.missing("say which account, by address or account id")
		}
		return p.refuse("say which account, by address or account id")
	}
	words := p.words
	if most > 0 && len(words) > most {
		return p.refuse("%s is left over", workflow.QuoteCell(plainText(words[most].raw)))
	}
	if most == 0 {
		words = listed(words)
	}
	for _, w := range words {
		id, address, problem := parseUser(w.raw)
		if problem != "" {
			return p.refuse("%s", problem)
		}
		p.out.Users = append(p.out.Users, id+address) // one of the two is empty
		row := workflow.Row{Line: len(p.out.Rows) + 1, Action: p.out.Action}
		if id != "" {
			row.Set(workflow.ColumnAccountID, id)
		} else {
			row.Set(workflow.ColumnEmail, address)
		}
		p.out.Rows = append(p.out.Rows, row)
	}
	if p.out.Action == "" {
		p.out.Rows = nil
	}
	return nil
}
