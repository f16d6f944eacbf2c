package action

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Calls at one Jira site (Jira Cloud platform, REST v3): POST and DELETE group/user, of the group
// FieldID; POST user, of the address FieldEmail with the FieldProducts, which tells FieldID; DELETE
// user; DELETE user/columns.
const (
	OpSiteGroupAdd    workflow.Operation = "site-group-add"
	OpSiteGroupRemove workflow.Operation = "site-group-remove"
	OpSiteCreate      workflow.Operation = "site-create"
	OpSiteDelete      workflow.Operation = "site-delete"
	OpColumnsReset    workflow.Operation = "site-columns-reset"
)

// What is asked about at a site, beside workflow.KindMembership, KindGroup and KindGroupNamed.
const (
	// KindSiteGroups are all groups of a user: one record, SiteGroupsValues; none for who is no user of
	// the site.
	KindSiteGroups workflow.FactKind = "site-groups"
	// KindLegacy is whose the legacy name or key Arg is: FieldID. About no account; see Legacy.
	KindLegacy workflow.FactKind = "legacy"
	// KindSiteHolder is how the holder of the address Arg stands with the site: FieldMembership and
	// FieldID. About no account.
	KindSiteHolder workflow.FactKind = "site-holder"
	// KindColumns are the columns of a user's issue navigator, and whether they are the site's:
	// ColumnsValues; nothing for who is no user.
	KindColumns workflow.FactKind = "columns"
)

const (
	legacyName = "username:"
	legacyKey  = "key:"
)

// Legacy asks whose a legacy username, or else a legacy user key, is at a site.
func Legacy(site, username, key string) workflow.Fact {
	arg := legacyName + username
	if username == "" {
		arg = legacyKey + key
	}
	return workflow.Fact{Kind: KindLegacy, Arg: arg, Endpoint: atSite(site)}
}

// LegacyName returns what a Legacy fact asks about, and whether that is a username; else it is a key.
func LegacyName(fact workflow.Fact) (name string, username bool) {
	if name, is := strings.CutPrefix(fact.Arg, legacyName); is {
		return name, true
	}
	return strings.TrimPrefix(fact.Arg, legacyKey), false
}

// siteDefault is the field of an answer that holds the site's own columns.
const siteDefault workflow.Field = "site-columns"

// ColumnsValues returns the columns of a user, and those of the site, as the answer to a fact.
func ColumnsValues(of, site []string) workflow.Values {
	return workflow.Of(workflow.FieldColumns, columnsWord(of)).With(siteDefault, columnsWord(site))
}

// siteGroupName begins the fields of an answer that hold the names of groups, by their ids.
const siteGroupName = "group-name:"

// SiteGroupsValues returns the groups that a user of a site is in, as the answer to a fact.
func SiteGroupsValues(in []Group) workflow.Values {
	values := workflow.Of(workflow.FieldMembership, workflow.MemberActive)
	for _, g := range in {
		values.Set(workflow.GroupField(g.ID), workflow.GroupIn)
		values.Set(siteGroupName+workflow.Field(g.ID), g.Name)
	}
	return values
}

func columnsWord(columns []string) string {
	if len(columns) == 0 {
		return "none"
	}
	return strings.Join(columns, ", ")
}

func atSite(site string) workflow.Endpoint {
	return workflow.Endpoint{Place: workflow.PlaceSite, Site: site}
}

// SiteOf returns the site that a row names, as the settings write names.
func SiteOf(r *workflow.Row) string { return strings.ToLower(r.Values.Get(workflow.ColumnSite)) }

// siteColumns are what all actions at a site take; more are those of the one.
func siteColumns(more ...ColumnUse) []ColumnUse {
	return append([]ColumnUse{
		{
			Column: workflow.ColumnSite, Required: true, Noun: "a site", Problem: siteProblem,
			Argument: Argument{Place: Before, Fold: true, Say: "at which site"},
			Value:    func(s workflow.Step) string { return s.Site },
		},
	}, more...)
}

// siteProblem returns why a text names no site.
func siteProblem(text string) string {
	if strings.Contains(text, "@") {
		return "is an address; the site comes first"
	}
	return ""
}

// becomesAtSite returns a Becomes that names the site behind these words.
func becomesAtSite(words string) func(*workflow.Change) string {
	return func(c *workflow.Change) string {
		site := c.Asked.Values.Get(workflow.ColumnSite)
		if site == "" {
			return ""
		}
		return words + site
	}
}

// legacyColumns are the legacy names by which a row may name a user of a site.
func legacyColumns() []ColumnUse {
	return []ColumnUse{{Column: workflow.ColumnUsername}, {Column: workflow.ColumnUserKey}}
}

// siteStep is a step about a user of the site that the row names.
func siteStep(name workflow.ActionName, r *workflow.Row, f *Facts, expect, set workflow.Values) workflow.Step {
	return workflow.Step{
		Action: name, Place: workflow.PlaceSite, Site: SiteOf(r), AccountID: f.Account.ID, Expect: expect, Set: set,
	}
}

// siteFact asks something about the row's account at the row's site.
func siteFact(kind workflow.FactKind, r *workflow.Row, f *Facts) workflow.Fact {
	return workflow.Fact{Kind: kind, AccountID: f.Account.ID, Endpoint: atSite(SiteOf(r))}
}

// notOnSite is the finding about who is no user of the site.
func notOnSite(r *workflow.Row, f *Facts) Finding {
	return Blocked(workflow.ReasonNotOnSite, f.Account.ID, SiteOf(r))
}

func siteExample(a workflow.Account, in Surroundings) workflow.RowValues {
	return workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnSite, in.Site)
}

// doAtSite makes the call of an operation that needs the account alone.
func doAtSite(op workflow.Operation) func(context.Context, workflow.Caller, workflow.Step) (workflow.Values, error) {
	return func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{Endpoint: s.Endpoint(), Operation: op, Action: s.Action, AccountID: s.AccountID})
	}
}

// siteGroupNamed asks which groups of the row's site have a name or an id.
func siteGroupNamed(r *workflow.Row, group string) workflow.Fact {
	return workflow.Fact{Kind: KindGroupNamed, Arg: group, Endpoint: atSite(SiteOf(r))}
}

// namesSiteGroup reports whether a row names the group of its site that has the id.
func namesSiteGroup(r *workflow.Row, f *Facts, id string) bool {
	return slices.ContainsFunc(splitCell(r.Values.Get(workflow.ColumnGroup)), func(group string) bool {
		answers := f.Answers[siteGroupNamed(r, group)]
		return len(answers) == 1 && GroupFrom(answers[0]).ID == id
	})
}

// siteGroup completes the two actions about the groups of a site, of which it is given how they are called.
func siteGroup(a Action, inverse workflow.ActionName, op workflow.Operation, from, to string) Action {
	names := func(r *workflow.Row) []string { return splitCell(r.Values.Get(workflow.ColumnGroup)) }
	left := func(r *workflow.Row, f *Facts) (out []Group, finding Finding) {
		standing, known := f.Answers[siteFact(KindSiteGroups, r, f)]
		var so []string
		for _, group := range names(r) {
			answers, read := f.Answers[siteGroupNamed(r, group)]
			switch {
			case !read:
				return nil, Ready()
			case len(answers) == 0:
				return nil, Blocked(workflow.ReasonNoGroup, group)
			case len(answers) > 1:
				return nil, Blocked(workflow.ReasonAmbiguousGroup, group, groupIDs(answers))
			case !known:
				continue
			case len(standing) == 0:
				return nil, notOnSite(r, f)
			}
			g := GroupFrom(answers[0])
			if (standing[0].Get(workflow.GroupField(g.ID)) == workflow.GroupIn) == (to == workflow.GroupIn) {
				so = append(so, g.Name)
			} else {
				out = append(out, g)
			}
		}
		if !known || len(out) > 0 {
			return out, Ready()
		}
		words := "in the group "
		if to == workflow.GroupOut {
			words = "not in the group "
		}
		return nil, Unchanged(workflow.ReasonAlready, words+strings.Join(so, ", "))
	}
	becomes := "into "
	if to == workflow.GroupOut {
		becomes = "out of "
	}
	return Action{
		Name: a.Name, Usage: a.Usage, Help: a.Help, Title: a.Title, Becomes: intoGroup(becomes),
		Columns: siteColumns(append(legacyColumns(), ColumnUse{
			Column: workflow.ColumnGroup, Required: true, Field: workflow.FieldGroups, Value: groupOfStep,
			Argument: Argument{Place: Before, Say: "which group"},
		})...),
		Subject: workflow.Subject{Hidden: true},
		Groups:  true,
		Reads: func(r *workflow.Row, f *Facts) []workflow.Fact {
			out := []workflow.Fact{siteFact(KindSiteGroups, r, f)}
			for _, group := range names(r) {
				out = append(out, siteGroupNamed(r, group))
			}
			return out
		},
		Check: func(r *workflow.Row, f *Facts) Finding {
			_, finding := left(r, f)
			return finding
		},
		Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
			groups, _ := left(r, f)
			var out []workflow.Step
			for _, g := range groups {
				field := workflow.GroupField(g.ID)
				out = append(out, siteStep(a.Name, r, f, workflow.Of(field, from), workflow.Of(field, to)))
			}
			return out
		},
		Do: func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
			return c.Call(ctx, workflow.Call{
				Endpoint: s.Endpoint(), Operation: op, Action: s.Action, AccountID: s.AccountID,
				Args: workflow.Of(workflow.FieldID, groupOfStep(s)),
			})
		},
		Undo: func(s workflow.Step) (workflow.Step, bool) {
			field := workflow.GroupField(groupOfStep(s))
			s.Action, s.Expect, s.Set = inverse, workflow.Of(field, to), workflow.Of(field, from)
			return s, true
		},
		Cost: Cost{Calls: map[workflow.Operation]int{op: 1}},
		Aim:  Aim{Check: 3, Run: 3},
		Example: func(a workflow.Account, in Surroundings) workflow.RowValues {
			return siteExample(a, in).With(workflow.ColumnGroup, in.SiteGroup)
		},
	}
}

var siteGroupAdd = siteGroup(Action{
	Name:  workflow.SiteGroupAdd,
	Usage: "site group add <site> <group> <user>…",
	Help:  "into a group of one site",
	Title: Title{
		Does: "Add {who} to {group} on a site", Done: "Added {who} to {group} on a site",
		One: "site group member to add", More: "site group members to add",
	},
}, workflow.SiteGroupRemove, OpSiteGroupAdd, workflow.GroupOut, workflow.GroupIn)

var siteGroupRemove = siteGroup(Action{
	Name:  workflow.SiteGroupRemove,
	Usage: "site group remove <site> <group> <user>…",
	Help:  "out of a group of one site",
	Title: Title{
		Does: "Remove {who} from {group} on a site", Done: "Removed {who} from {group} on a site",
		One: "site group member to remove", More: "site group members to remove",
	},
}, workflow.SiteGroupAdd, OpSiteGroupRemove, workflow.GroupIn, workflow.GroupOut)

// siteProducts are what a user of a site can be created with (POST user, products).
var siteProducts = []string{"jira-core", "jira-product-discovery", "jira-servicedesk", "jira-software"}

func siteProductsProblem(cell string) string {
	for _, name := range splitCell(cell) {
		if !slices.Contains(siteProducts, strings.ToLower(name)) {
			return "names " + workflow.QuoteCell(name) + ", and there are " + strings.Join(siteProducts, ", ")
		}
	}
	return ""
}

// groupIDs lists the ids of groups in a fixed order.
func groupIDs(groups []workflow.Values) string {
	ids := make([]string, len(groups))
	for i, v := range groups {
		ids[i] = GroupFrom(v).ID
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}
