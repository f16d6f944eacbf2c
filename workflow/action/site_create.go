package action

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

var siteCreate = Action{
	Name:  workflow.SiteCreate,
	Usage: "site create <site> <email>… [products <product>…]",
	Help:  "a user of one site; Jira mails an invitation",
	Title: Title{
		Does: "Create {who} on a site", Done: "Created {who} on a site",
		One: "new site user", More: "new site users",
	},
	Becomes: becomesAtSite("a user at "),
	Columns: siteColumns(ColumnUse{
		Column: workflow.ColumnProducts, Field: workflow.FieldProducts, Noun: "a list of products", Problem: siteProductsProblem,
		Argument: Argument{Place: Keyed, Word: "products", Say: "which products"},
	}),
	Subject: workflow.Subject{Absent: true},
	Groups:  true, // those that come with a product
	Target:  (*workflow.Row).Address,
	Reads: func(r *workflow.Row, _ *Facts) []workflow.Fact {
		return []workflow.Fact{siteHolder(SiteOf(r), r.Address())}
	},
	Check: func(r *workflow.Row, f *Facts) Finding {
		answers := f.Answers[siteHolder(SiteOf(r), r.Address())]
		if len(answers) == 0 {
			return Ready()
		}
		if answers[0].Get(workflow.FieldReason) == Unshown {
			return holderUnknown()
		}
		switch answers[0].Get(workflow.FieldMembership) {
		case workflow.MemberSuspended:
			return Blocked(workflow.ReasonOnSite, r.Address(), SiteOf(r), "and inactive there")
		case workflow.MemberActive:
			if r.Values.Get(workflow.ColumnProducts) != "" { // which they have does not show
				return Blocked(workflow.ReasonOnSite, r.Address(), SiteOf(r), "and with which products does not show")
			}
			return Unchanged(workflow.ReasonAlready, "a user of the site "+SiteOf(r))
		}
		return Ready()
	},
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		products := splitCell(strings.ToLower(r.Values.Get(workflow.ColumnProducts)))
		slices.Sort(products)
		set := workflow.Of(workflow.FieldEmail, r.Address()).With(workflow.FieldMembership, workflow.MemberActive).
			With(workflow.FieldProducts, strings.Join(products, ";"))
		return []workflow.Step{siteStep(workflow.SiteCreate, r, f, workflow.Of(workflow.FieldMembership, workflow.MemberNone), set)}
	},
	Do: func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{
			Endpoint: s.Endpoint(), Operation: OpSiteCreate, Action: s.Action,
			Args: workflow.Of(workflow.FieldEmail, s.Set.Get(workflow.FieldEmail)).
				With(workflow.FieldProducts, s.Set.Get(workflow.FieldProducts)),
		})
	},
	// The answer tells the account; where that was lost, who holds the address does.
	Observes: func(s workflow.Step) []workflow.Fact {
		if s.AccountID != "" {
			return []workflow.Fact{{Kind: workflow.KindMembership, AccountID: s.AccountID, Endpoint: s.Endpoint()}}
		}
		return []workflow.Fact{siteHolder(s.Site, s.Set.Get(workflow.FieldEmail))}
	},
	// With which products somebody is a user of the site does not show: that is ours to say of the
	// account alone which our own call made.
	Proved: func(now workflow.Values, s workflow.Step) bool {
		ours := s.AccountID != "" || s.Set.Get(workflow.FieldProducts) == ""
		return ours && now.Get(workflow.FieldMembership) == workflow.MemberActive
	},
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		return workflow.Step{
			Action: workflow.SiteDelete, Place: s.Place, Site: s.Site, AccountID: s.AccountID,
			Expect: workflow.Of(workflow.FieldEmail, s.Set.Get(workflow.FieldEmail)),
		}, true
	},
	Effects: func(*Draft) []workflow.Effect { return []workflow.Effect{workflow.EffectSiteMail} },
	Cost:    Cost{Calls: map[workflow.Operation]int{OpSiteCreate: 1}},
	Aim:     Aim{Check: 2, Run: 3},
	Example: func(a workflow.Account, in Surroundings) workflow.RowValues {
		local, _, _ := strings.Cut(a.Email, "@")
		return workflow.Of(workflow.ColumnEmail, local+".created@"+in.Domain).With(workflow.ColumnSite, in.Site)
	},
}

// holderUnknown is the finding about a row whose address somebody may hold who is not shown.
func holderUnknown() Finding {
	return Blocked(workflow.ReasonCouldNotCheck, "Atlassian finds accounts and does not show their addresses")
}

// siteHolder asks how the holder of an address stands with a site.
func siteHolder(site, address string) workflow.Fact {
	return workflow.Fact{Kind: KindSiteHolder, Arg: address, Endpoint: atSite(site)}
}
