package command

import (
	"strings"

	"github.com/countersign/countersign/workflow"
)

// migrateCommand moves a whole domain.
const migrateCommand = "migrate-domain"

// The words of its options.
const (
	onlyGroupWord = "only-group"
	namesWord     = "names"
	firstLastWord = "first.last"
	exceptWord    = "except"
)

// migrateDomain reads the two domains, then the options in any order.
func (p *commandParser) migrateDomain() error {
	move := &workflow.DomainMove{}
	if len(p.words) < 2 {
		if p.out.Move = move; len(p.words) == 1 {
			move.Old = strings.TrimPrefix(plainText(p.words[0].raw), "@")
		}
		return p.missing("say the old and the new domain")
	}
	for i, into := range []*string{&move.Old, &move.New} {
		*into = strings.TrimPrefix(plainText(p.words[i].raw), "@")
		if what := workflow.AddressProblem("a@" + *into); what != "" {
			return p.refuse("%s is not a domain: it %s", workflow.QuoteCell(*into), what)
		}
	}
	if workflow.DomainKey(move.Old) == workflow.DomainKey(move.New) {
		return p.refuse("the old and the new domain are the same")
	}
	p.out.Move = move
	for rest := p.words[2:]; len(rest) > 0; {
		n, err := p.moveOption(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	p.words = nil
	return nil
}

// moveOption reads the option at the start of the words, and returns how many words it takes.
func (p *commandParser) moveOption(rest []commandWord) (n int, err error) {
	move := p.out.Move
	word := strings.ReplaceAll(workflow.FoldName(plainText(rest[0].raw)), "_", "-")
	twice := word == onlyGroupWord && move.Group != "" || word == namesWord && move.Names || word == exceptWord && p.out.Except
	switch {
	case twice:
		return 0, p.refuse("%s is given twice", word)
	case word == exceptWord:
		p.out.Except = true
		return 1, nil
	case word == onlyGroupWord && len(rest) < 2:
		return 0, p.refuse("say which group; a name with spaces goes in quotes")
	case word == onlyGroupWord:
		if move.Group = plainText(rest[1].raw); move.Group == "" {
			return 0, p.refuse("say which group; a name with spaces goes in quotes")
		}
		return 2, nil
	case word == namesWord && len(rest) < 2, word == namesWord && !strings.EqualFold(plainText(rest[1].raw), firstLastWord):
		return 0, p.refuse("%s is followed by %s, the one way there is to make addresses of names", namesWord, firstLastWord)
	case word == namesWord:
		move.Names = true
		return 2, nil
	}
	return 0, p.refuse("%s is left over; a group's name with spaces goes in quotes", workflow.QuoteCell(plainText(rest[0].raw)))
}

// parseMove reads the message that comes with a file as the command to move a domain; is reports
// whether it begins as one.
func parseMove(text string) (c Command, is bool, err error) {
	text, _ = unstyled(text)
	text = skipMentions(text)
	help, _, known := findCommand(splitWords(text))
	if !known || help.Name != migrateCommand {
		return Command{}, false, nil
	}
	c, err = Parse(text)
	return c, true, err
}

// needsExcept refuses a file with a command that says nothing of it.
func needsExcept(c *Command) error {
	if c.Except {
		return nil
	}
	return &UsageError{
		Problem: "the message does not say what the file is for",
		Usage:   c.Name + " <old> <new> … " + exceptWord,
	}
}
