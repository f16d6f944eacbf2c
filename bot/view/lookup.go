package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

const (
	// maxAccountID is how long an account id can be (user management API, AccountId).
	maxAccountID = 128
	// hitsShown are as many accounts as a message can bear.
	hitsShown = 8
	// namesShown is how many groups of one account, or products of a group, a line names.
	namesShown = 8
	dayLetters = len("2006-01-02")
)

// Found lists accounts and what may be done to each.
func Found(text string, accounts []workflow.Found) slackapi.Message {
	if len(accounts) == 0 {
		return Said("No account found for “" + quoted(text, lineText) + "”.")
	}
	count, hint := many(len(accounts), "account", "accounts"), ""
	if len(accounts) > hitsShown { // and there may be more than were looked for
		count, hint = "The first "+number(hitsShown)+" accounts", "; look for something longer"
	}
	blocks := []slack.Block{section("head", "*"+count+"* for “"+quoted(text, lineText)+"”"+hint)}
	for i, f := range accounts[:min(len(accounts), hitsShown)] {
		blocks = append(blocks, section(fmt.Sprintf("account-%d", i), account(f)))
		if f.Account.Managed && f.Barred.Code == "" {
			blocks = append(blocks, hitButtons(i, f.Account))
		}
	}
	return slackapi.Message{Text: count, Blocks: blocks}
}

// account is one hit: who that is, what it has, who decides about it, what may be done and why not,
// a line each.
func account(f workflow.Found) string {
	a := f.Account
	lines := []string{
		fmt.Sprintf("*%s* %s", quoted(cmp.Or(a.Name, "(no name)"), tableCell), quoted(a.Email, tableCell)),
		coded(a.ID, maxAccountID) + " · " + standing(f),
	}
	if f.Detail != nil {
		lines = append(lines, has(*f.Detail))
	}
	if owners := owners(f.Privileges); owners != "" {
		lines = append(lines, owners)
	}
	if f.Barred.Code != "" {
		lines = append(lines, "• No change is possible: "+quoted(f.Barred.Words(), causeText))
	}
	return strings.Join(append(lines, mayBeDone(f)...), "\n")
}

// standing returns in words how the account stands: its status, whose it is, and what it belongs to.
func standing(f workflow.Found) string {
	words := []string{quoted(string(f.Account.Status), tableCell)}
	if d := f.Detail; d != nil && d.Status != "" && d.Status != string(f.Account.Status) {
		words[0] = quoted(strings.ReplaceAll(d.Status, "_", " "), tableCell)
	}
	if f.Account.OrgAdmin {
		words = append(words, "organisation admin")
	}
	if !f.Account.Managed {
		words = append(words, "not a managed account")
	}
	if f.Held != 0 {
		words = append(words, fmt.Sprintf("in open batch #%d", f.Held))
	}
	return strings.Join(words, " · ")
}

// has names the groups and products of an account, and when it was last active.
func has(d workflow.Detail) string {
	var words []string
	switch {
	case d.Groups != nil && len(d.Groups) == 0:
		words = append(words, "in no group")
	case d.Groups != nil:
		words = append(words, plural(len(d.Groups), "Group: ", "Groups: ")+someOf(d.Groups))
	}
	if d.Products == nil {
		return strings.Join(words, " · ")
	}
	last, keys := "", []string{}
	for _, p := range d.Products {
		last = max(last, p.LastActive) // as the API sends them, the later is the greater
		if !slices.Contains(keys, p.Key) {
			keys = append(keys, p.Key)
		}
	}
	if len(keys) == 0 {
		return strings.Join(append(words, "no product"), " · ")
	}
	words = append(words, plural(len(keys), "Product: ", "Products: ")+productWords(keys))
	if last == "" {
		return strings.Join(append(words, "last active: not known"), " · ")
	}
	return strings.Join(append(words, "last active "+quoted(last[:min(len(last), dayLetters)], tableCell)), " · ")
}

// someOf names the first of many.
func someOf(names []string) string {
	shown := quoted(strings.Join(names[:min(len(names), namesShown)], ", "), lineText)
	if more := len(names) - namesShown; more > 0 {
		shown += " and " + number(more) + " more"
	}
	return shown
}

// owners says who decides about address, name and login of a managed account, by the privileges for
// them; "" where nobody tells.
func owners(privileges map[workflow.ActionName]workflow.Privilege) string {
	var owners []workflow.Owner
	fields := map[workflow.Owner][]string{}
	for _, each := range []struct {
		action workflow.ActionName
		field  string
	}{{workflow.Rename, "address"}, {workflow.SetName, "name"}, {workflow.Deactivate, "login"}} {
		p, known := privileges[each.action]
		if !known || !p.Allowed && p.Key == "" {
			continue
		}
		owner := workflow.OwnerOf(p.Key)
		if p.Allowed {
			owner = workflow.OwnerOrganisation
		}
		if fields[owner] == nil {
			owners = append(owners, owner)
		}
		fields[owner] = append(fields[owner], each.field)
	}
	var words []string
	for _, owner := range owners {
		words = append(words, list(fields[owner])+": "+ownerWords(owner))
	}
	if len(words) == 0 {
		return ""
	}
	return "Who decides: " + strings.Join(words, " · ")
}

func ownerWords(owner workflow.Owner) string {
	switch owner {
	case workflow.OwnerOrganisation:
		return "your organisation"
	case workflow.OwnerSCIM:
		return "your identity provider (SCIM)"
	case workflow.OwnerSAML:
		return "your identity provider (SAML)"
	case workflow.OwnerPerson:
		return "the person"
	default:
		return string(owner)
	}
}

// mayBeDone says in one line which actions may be done, and in one for each reason which may not.
func mayBeDone(f workflow.Found) []string {
	var may, keys []string
	not := map[string][]string{}
	for _, act := range action.Names() {
		if action.AlreadySo(act, f.Account) {
			continue
		}
		p, known := f.Privileges[act]
		switch {
		case !known && !inDirectory(act, f.Detail):
		case !known || p.Allowed:
			may = append(may, string(act))
		default:
			if not[p.Key] == nil {
				keys = append(keys, p.Key)
			}
			not[p.Key] = append(not[p.Key], string(act))
		}
	}
	var out []string
	if len(may) > 0 && f.Barred.Code == "" {
		out = append(out, "• Possible: "+strings.Join(may, ", "))
	}
	for _, key := range keys {
		out = append(out, "• Not possible: "+strings.Join(not[key], ", ")+". "+sentence(quoted(workflow.WhyNotAllowed(key), causeText)))
	}
	return out
}

// inDirectory reports whether what stands of the account in the directory lets the action be done
// there. What is not known is not offered.
func inDirectory(act workflow.ActionName, d *workflow.Detail) bool {
	if d == nil {
		return false
	}
	switch act {
	case workflow.Suspend:
		return d.Status == "active"
	case workflow.Restore:
		return d.Status == "suspended"
	case workflow.Remove, workflow.GroupAdd:
		return d.Status == "active" || d.Status == "suspended"
	case workflow.GroupRemove:
		return len(d.Groups) > 0
	default:
		return false
	}
}

// FoundAtSite lists users of a site that fit a text, with their groups.
func FoundAtSite(site, text string, users []workflow.SiteUser) slackapi.Message {
	where := "the site " + quoted(site, tableCell)
	if len(users) == 0 {
		return Said("Nobody found for “" + quoted(text, lineText) + "” on " + where + ".")
	}
	count := many(len(users), "user", "users")
	blocks := []slack.Block{section("head", "*"+count+"* for “"+quoted(text, lineText)+"” on "+where)}
	for i, u := range users {
		active := "active"
		if !u.Active {
			active = "inactive"
		}
		s := fmt.Sprintf("*%s* %s\n%s · %s", quoted(cmp.Or(u.Name, "(no name)"), tableCell),
			quoted(cmp.Or(u.Email, "(address hidden)"), tableCell), coded(u.ID, maxAccountID), active)
		if u.Type != workflow.TypePerson {
			s += " · " + quoted(u.Type, tableCell)
		}
		if len(u.Groups) > 0 {
			s += "\n" + plural(len(u.Groups), "group", "groups") + ": " + quoted(strings.Join(u.Groups, ", "), lineText)
		} else {
			s += "\nin no group"
		}
		blocks = append(blocks, section(fmt.Sprintf("user-%d", i), s))
	}
	return slackapi.Message{Text: count, Blocks: blocks}
}

// Refused answers with the reason why something cannot be looked up.
func Refused(r *workflow.Refusal) slackapi.Message {
	return Said(sentence(quoted(r.Reason.Words(), reasonText)))
}

// Domains lists the domains of the organisation.
func Domains(claims []workflow.DomainClaim) slackapi.Message {
	if len(claims) == 0 {
		return Said("The organisation has no domains.")
	}
	var out []string
	for i, c := range claims {
		if i == domainLines {
			out = append(out, fmt.Sprintf("and %s more", number(len(claims)-i)))
			break
		}
		word := "verified"
		if !c.Verified {
			word = "*not verified*"
			if c.Status != "" && !strings.EqualFold(c.Status, "unverified") {
				word += " (" + quoted(strings.ReplaceAll(c.Status, "_", " "), tableCell) + ")"
			}
			word += ": no address can be moved to it; verify it in Atlassian admin, Settings, Domains"
		}
		out = append(out, "• "+DomainWords(c.Name)+": "+word)
	}
	return Said(strings.Join(out, "\n"))
}

// DomainWords shows a domain.
func DomainWords(domain string) string { return quoted(workflow.DisplayDomain(domain), tableCell) }

// Groups lists groups, with their size and whether their members may be changed. more says that
// there are others.
func Groups(text string, groups []workflow.FoundGroup, more bool) slackapi.Message {
	about := ""
	if text != "" {
		about = " for “" + quoted(text, lineText) + "”"
	}
	if len(groups) == 0 {
		return Said("No group found" + about + ".")
	}
	count, hint := many(len(groups), "group", "groups"), ""
	if more {
		count, hint = "The first "+number(len(groups))+" groups", "; `groups` with a piece of the name shows fewer"
	}
	lines := []string{"*" + count + "*" + about + hint}
	for _, g := range groups {
		lines = append(lines, group(g))
	}
	return Said(strings.Join(lines, "\n"))
}

func group(g workflow.FoundGroup) string {
	words := []string{"• " + quoted(g.Name, tableCell) + " " + coded(g.ID, tableCell)}
	if g.Members >= 0 {
		words = append(words, many(g.Members, "member", "members"))
	}
	if len(g.Gives) > 0 {
		words = append(words, "gives "+productWords(g.Gives))
	}
	if g.Closed != "" {
		return strings.Join(append(words, "may not be changed: "+quoted(workflow.WhyGroupClosed(g.Closed), causeText)), " · ")
	}
	return strings.Join(append(words, "may be changed"), " · ")
}

// History tells what happened to an account; of an address that several had, to each of them.
func History(user string, pasts []workflow.AccountHistory) slackapi.Message {
	if len(pasts) == 0 {
		return Said("Nothing is known of “" + quoted(user, lineText) + "”: neither Atlassian, nor a night, nor a batch knows it.")
	}
	m := slackapi.Message{Text: "History of " + quoted(user, lineText)}
	for i, p := range pasts {
		m.Blocks = append(m.Blocks, past(fmt.Sprintf("history-%d", i), p, linesShown/len(pasts))...)
	}
	return m
}

// linesTogether is how many lines of a history a section can bear.
const linesTogether = 8

// past is the history of one account, at most so many things of it, the latest.
func past(id string, p workflow.AccountHistory, most int) []slack.Block {
	lines := []string{fmt.Sprintf("*%s* %s %s", quoted(cmp.Or(p.Name, "(no name)"), tableCell), quoted(p.Email, tableCell), coded(p.ID, maxAccountID))}
	shown := p.Past
	if older := len(shown) - most; older > 0 {
		shown = shown[older:]
		lines = append(lines, many(older, "older entry is", "older entries are")+" not shown")
	}
	for _, h := range shown {
		lines = append(lines, "• "+happening(h))
	}
	if len(shown) == 0 {
		lines = append(lines, "• nothing is known of its past")
	}
	var blocks []slack.Block
	for together := range slices.Chunk(lines, linesTogether) {
		blocks = append(blocks, section(fmt.Sprintf("%s-%d", id, len(blocks)), strings.Join(together, "\n")))
	}
	from := "No night is kept: a report of the kind managed-accounts keeps them."
	if p.Nights > 0 {
		from = fmt.Sprintf("From batches, and from %s since %s.", many(p.Nights, "night", "nights"), moment(p.Since))
	}
	return append(blocks, note(id+"-from", from))
}

// happening is one thing that happened, when, and by whom as far as is known.
func happening(h workflow.Happening) string {
	when := moment(h.At)
	if !h.Since.IsZero() {
		when = "between " + moment(h.Since) + " and " + moment(h.At)
	}
	by := quoted(h.Who.String(), tableCell)
	if h.Batch != 0 {
		by = fmt.Sprintf("#%d, asked for by %s", h.Batch, mention(h.By.ID))
	}
	known := "" // who did it, of what may as well have come about by itself
	if h.Batch != 0 || h.Who.Known() {
		known = ": " + by
	}
	looks := quoted(cmp.Or(h.Account.Email, "address hidden"), tableCell) + ", " + quoted(string(h.Account.Status), tableCell)
	switch h.Kind {
	case workflow.HappenedSeen:
		if h.Since.IsZero() {
			return when + ": seen in the first night: " + looks
		}
		return when + ": new: " + looks + known
	case workflow.HappenedGone:
		return when + ": no longer among the managed accounts" + known
	case workflow.HappenedBack:
		return when + ": among the managed accounts again: " + looks + known
	case workflow.HappenedStep:
		what := string(h.Action)
		if h.To != "" {
			what += " " + quoted(h.To, tableCell)
		}
		return when + ": " + what + ": " + by
	case workflow.HappenedGroup:
		what := map[workflow.Toward]string{workflow.TowardMore: "added to", workflow.TowardLess: "removed from"}[h.Toward]
		return when + ": " + cmp.Or(what, "changed in") + " the group " + quoted(h.To, tableCell) + ": " + by
	default:
		field := map[workflow.Field]string{workflow.FieldEmail: "address", workflow.FieldStatus: "status", workflow.FieldName: "name"}[h.Field]
		return fmt.Sprintf("%s: %s %s → %s: %s", when, field, quoted(cmp.Or(h.From, "–"), tableCell), quoted(cmp.Or(h.To, "–"), tableCell), by)
	}
}
