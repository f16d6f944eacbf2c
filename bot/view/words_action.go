package view

import (
	"cmp"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// effectView is a side effect as the Card says it: how many people, and what happens to them.
type effectView struct {
	effect workflow.Effect
	says   string // "3 people will be signed out"
	one    string // of what there are so many; "" for a person
	more   string
}

// effectViews returns the side effects in the order in which the Card names them.
func effectViews() []effectView {
	return []effectView{
		{effect: workflow.EffectSignedOut, says: "will be signed out"},
		{effect: workflow.EffectLockedOut, says: "can no longer log in anywhere"},
		{effect: workflow.EffectBilled, says: "can log in again and may be billed"},
		{effect: workflow.EffectDeleted, says: "will be deleted for good after 14 days", one: "account", more: "accounts"},
		{effect: workflow.EffectLogInBriefly, says: "can log in for some seconds, between the end of the deletion and the deactivation"},
		{effect: workflow.EffectMailed, says: "will get a mail with the message"},
		{effect: workflow.EffectSiteMail, says: "will get Jira's invitation by mail, which cannot be kept back"},
		{effect: workflow.EffectOffSite, says: "will be removed from the site"},
		{effect: workflow.EffectNoMail, says: "will get no mail"},
		{effect: workflow.EffectNoProduct, says: "will be in the organisation without access to anything"},
		{effect: workflow.EffectNoAccess, says: "will have no product access in the directory, which frees their licences"},
		{effect: workflow.EffectAccess, says: "will have product access again, which may take licences"},
		{effect: workflow.EffectGroupsLeft, says: "will be taken away; Undo restores what was taken", one: "group membership", more: "group memberships"},
		{effect: workflow.EffectGroupsLost, says: "will be lost", one: "group membership", more: "group memberships"},
		{effect: workflow.EffectTokensLost, says: "will be deleted", one: "API token", more: "API tokens"},
		{effect: workflow.EffectFinal, says: "cannot be undone", one: "change", more: "changes"},
		{effect: workflow.EffectProvisioned, says: "will have an account in the organisation, which may be billed"},
		{effect: workflow.EffectComesBack, says: "may be changed back by the identity provider when it syncs"},
	}
}

// productNames returns the products as people know them, by their type keys (organizations API,
// resourceOwner).
func productNames() map[string]string {
	return map[string]string{
		"jira-software": "Jira", "jira-core": "Jira", "jira-servicedesk": "Jira Service Management",
		"jira-product-discovery": "Jira Product Discovery", "confluence": "Confluence", "bitbucket": "Bitbucket",
		"compass": "Compass", "trello": "Trello", "loom": "Loom", "statuspage": "Statuspage", "opsgenie": "Opsgenie",
	}
}

// productWords names products, as "Confluence, Jira".
func productWords(keys []string) string {
	known := productNames()
	var names []string
	for _, key := range keys {
		if name := cmp.Or(known[key], key); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return quoted(strings.Join(names, ", "), lineText)
}

// effectWords say a side effect of so many changes. One without an entry goes by its name.
func effectWords(e workflow.Effect, n int) string {
	people := many(n, "person", "people")
	for _, known := range effectViews() {
		if known.effect != e {
			continue
		}
		if known.one != "" {
			return many(n, known.one, known.more) + " " + known.says
		}
		return people + " " + known.says
	}
	if products, gives, ok := e.AccessOf(); ok && gives {
		return people + " " + plural(n, "gets", "get") + " access to " + productWords(products) + ", which may take a licence"
	} else if ok {
		return people + " " + plural(n, "loses", "lose") + " the access to " + productWords(products) +
			" that the group gives; another group may give the same"
	}
	if directory, ok := e.SCIMOf(); ok {
		return many(n, "change is", "changes are") + " made in the SCIM directory " + quoted(directory, lineText)
	}
	return people + ": " + strings.ReplaceAll(string(e), "_", " ")
}

// fromTo returns a change in two cells: the account as it is, and all that it gets or becomes.
// Whoever has no account yet is named by the address that it is to have.
func fromTo(c workflow.Change) (from, to string) {
	name := c.Set.Get(workflow.FieldName)
	it, built := action.For(c.Action)
	switch {
	case built && it.Becomes != nil && it.Becomes(&c) != "":
		from, to = cmp.Or(c.OldEmail(), c.NewEmail()), it.Becomes(&c)
		if name != "" {
			to += " as " + name
		}
	case name != "":
		return c.Name, name
	case c.NewEmail() != "":
		from, to = c.OldEmail(), c.NewEmail()
	default:
		from, to = c.OldEmail(), cmp.Or(c.Group(), string(c.Action))
	}
	given := []workflow.Field{workflow.FieldGroups, workflow.FieldProducts}
	if namesGroup(c.Action) {
		given = given[1:]
	}
	for _, field := range given {
		if cell := takes(&c, field); cell != "" {
			to += " · " + strings.ReplaceAll(cell, ";", ", ")
		}
	}
	if directory := namedDirectory(&c); directory != "" {
		to += " (directory " + directory + ")"
	}
	return from, to
}

// namedDirectory is the directory that a row names for an action that is done in one, "" for others.
func namedDirectory(c *workflow.Change) string {
	it, built := action.For(c.Action)
	if !built || !slices.ContainsFunc(it.Columns, func(use action.ColumnUse) bool { return use.Column == workflow.ColumnDirectory }) {
		return ""
	}
	return c.Asked.Values.Get(workflow.ColumnDirectory)
}

// takes is what a row gives for a field that its action takes, "" for others: a file may have cells
// that only other rows of it need.
func takes(c *workflow.Change, field workflow.Field) string {
	it, built := action.For(c.Action)
	if !built || !slices.ContainsFunc(it.Columns, func(use action.ColumnUse) bool { return use.Field == field }) {
		return ""
	}
	return c.Set.Get(field)
}
