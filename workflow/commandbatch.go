package workflow

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// batch reads a command that asks for changes: the reason behind "reason:", the message behind a dash, then what the
// command itself needs.
func (p *commandParser) batch() error {
	if err := p.cutTail(); err != nil {
		return err
	}
	name := p.help.Name
	p.out.Action = ActionName(strings.ReplaceAll(name, " ", "-"))
	switch name {
	case "rename":
		return p.rename()
	case "migrate-domain":
		p.out.Action = ""
		return p.migrateDomain()
	case "set-name":
		return p.setName()
	case "group add", "group remove":
		return p.group()
	default:
		return p.users(0)
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
		tail := p.text[w.at+dash:]
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
	if p.help.Name != string(Deactivate) {
		return p.refuse("%s takes no message; a reason for the approvers goes behind reason:", p.help.Name)
	}
	if n := utf8.RuneCountInString(text); n > maxMessage {
		return p.refuse("the message has %d characters, %d are the limit", n, maxMessage)
	}
	if what := unprintable(text, true); what != "" {
		return p.refuse("the message holds %s", what)
	}
	p.out.Message = text
	return nil
}

func (p *commandParser) rename() error {
	switch {
	case len(p.words) == 0:
		return p.refuse("say which account, and its new address")
	case len(p.words) == 1:
		return p.refuse("say the new address")
	case len(p.words) > 2:
		return p.refuse("%s is too much; one account at a time, or send a CSV", quoteCell(plainText(p.words[2].raw)))
	}
	to := p.words[1]
	p.words = p.words[:1]
	if err := p.users(1); err != nil {
		return err
	}
	address := plainAddress(to.raw)
	if what := addressProblem(address); what != "" {
		return p.refuse("%s is not an address: it %s", quoteCell(address), what)
	}
	p.out.Rows[0].NewEmail = address
	return nil
}

func (p *commandParser) migrateDomain() error {
	if len(p.words) != 2 {
		return p.refuse("say the old and the new domain")
	}
	for _, w := range p.words {
		domain := strings.TrimPrefix(plainText(w.raw), "@")
		if what := addressProblem("a@" + domain); what != "" {
			return p.refuse("%s is not a domain: it %s", quoteCell(domain), what)
		}
		p.out.Users = append(p.out.Users, domain)
	}
	return nil
}

func (p *commandParser) setName() error {
	if len(p.words) < 2 {
		return p.refuse("say which account, and its new name")
	}
	var parts []string
	for _, w := range p.words[1:] {
		parts = append(parts, plainText(w.raw))
	}
	p.words = p.words[:1]
	if err := p.users(1); err != nil {
		return err
	}
	name := strings.Join(parts, " ")
	if what := unprintable(name, false); what != "" {
		return p.refuse("the name holds %s", what)
	}
	p.out.Rows[0].NewName = name
	return nil
}

func (p *commandParser) group() error {
	if len(p.words) < 2 {
		return p.refuse("say which group, and which accounts")
	}
	group := plainText(p.words[0].raw)
	p.words = p.words[1:]
	if err := p.users(0); err != nil {
		return err
	}
	for i := range p.out.Rows {
		p.out.Rows[i].Group = group
	}
	return nil
}

// parseUser understands an account as people name it: an address, as typed or as Slack turns it into a link, or an
// account id. A single word without a digit or a colon is no account id, though the characters would do: "ada" is a name.
func parseUser(raw string) (id, address, problem string) {
	word := plainAddress(raw)
	switch {
	case strings.HasPrefix(word, "<@"):
		return "", "", "that is a person in Slack; give the account's address or account id"
	case strings.Contains(word, "@"):
		if what := addressProblem(word); what != "" {
			return "", "", fmt.Sprintf("%s is not an address: it %s", quoteCell(word), what)
		}
		return "", word, ""
	case word == "" || accountIDProblem(word) != "" || !strings.ContainsAny(word, "0123456789:"):
		return "", "", fmt.Sprintf("%s is neither an address nor an account id; names with spaces go in quotes", quoteCell(word))
	default:
		return word, "", ""
	}
}

// plainAddress is an address as its author typed it, without the mailto: that comes with copied ones.
func plainAddress(raw string) string {
	const scheme = "mailto:"
	word := plainText(raw)
	if hasPrefixFold(word, scheme) {
		return word[len(scheme):]
	}
	return word
}
