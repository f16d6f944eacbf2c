package command

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// batch reads a command that asks for changes: the reason behind "reason:", the message behind a
// dash, then what the command itself needs.
func (p *commandParser) batch() error {
	name := p.help.Name
	p.out.Action = commandAction(name)
	if err := p.cutTail(); err != nil {
		return err
	}
	if err := p.links(); err != nil {
		return err
	}
	if err := p.times(); err != nil {
		return err
	}
	it, built := action.For(p.out.Action)
	switch {
	case name == migrateCommand:
		p.out.Action = ""
		return p.migrateDomain()
	case !built:
		return p.users(0)
	default:
		return p.rows(it)
	}
}

// cutTail takes the message and the reason off the words.
func (p *commandParser) cutTail() error {
	for i, w := range p.words {
		if w.quoted {
			if w.open {
				return p.refuse("a quotation mark is not closed")
			}
			continue
		}
		dash, isDash := cutDash(w.raw)
		if !isDash && !hasPrefixFold(w.raw, reasonWord) {
			continue
		}
		tail := behind(p.sent, p.origin[w.at])[dash:]
		p.words = p.words[:i]
		message, reason := cutReason(plainText(tail))
		p.out.Reason = unquote(reason)
		if isDash {
			return p.message(unquote(message))
		}
		return nil
	}
	return nil
}

func (p *commandParser) message(text string) error {
	if text == "" {
		return nil
	}
	if action, built := action.For(p.out.Action); !built || !action.Takes(workflow.ColumnMessage) {
		return p.refuse("%s takes no message; a reason for the approvers goes after reason:", p.help.Name)
	}
	if n := utf8.RuneCountInString(text); n > workflow.MaxMessage {
		return p.refuse("the message has %s characters, %s are the limit", workflow.Number(n), workflow.Number(workflow.MaxMessage))
	}
	if what := workflow.Unprintable(text, true); what != "" {
		return p.refuse("the message holds %s", what)
	}
	p.out.Message = text
	return nil
}

// addresses reads the words as addresses of people who have no account yet.
func (p *commandParser) addresses() error {
	if len(p.words) == 0 {
		return p.missing("say whom, by address")
	}
	for _, w := range listed(p.words) {
		address := plainAddress(w.raw)
		if what := workflow.NewAddressProblem(address); what != "" {
			return p.refuse("%s is not an address: it %s", workflow.QuoteCell(address), what)
		}
		p.out.Users = append(p.out.Users, address)
		p.out.Rows = append(p.out.Rows, workflow.Row{
			Line: len(p.out.Rows) + 1, Action: p.out.Action, Values: workflow.Of(workflow.ColumnEmail, address),
		})
	}
	return nil
}

// parseUser understands an account as people name it: an address, as typed or as Slack turns it
// into a link, or an account id. A single word without a digit or a colon is no account id, though
// the characters would do: "ada" is a name.
func parseUser(raw string) (id, address, problem string) {
	word := plainAddress(raw)
	switch {
	case strings.HasPrefix(word, "<@"):
		return "", "", "that is a person in Slack; give the account's address or account id"
	case strings.Contains(word, "@"):
		if what := workflow.AddressProblem(word); what != "" {
			return "", "", fmt.Sprintf("%s is not an address: it %s", workflow.QuoteCell(word), what)
		}
		return "", word, ""
	case word == "" || workflow.AccountIDProblem(word) != "" || !strings.ContainsAny(word, "0123456789:"):
		return "", "", fmt.Sprintf("%s is neither an address nor an account id; names with spaces go in quotes", workflow.QuoteCell(word))
	default:
		return word, "", ""
	}
}

// plainAddress is an address as its author typed it, without the mailto: that comes with copied
// ones.
func plainAddress(raw string) string {
	const scheme = "mailto:"
	word := plainText(raw)
	if hasPrefixFold(word, scheme) {
		return word[len(scheme):]
	}
	return word
}
