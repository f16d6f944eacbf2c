package action

import "github.com/countersign/countersign/workflow"

var siteDelete = Action{
	Name:  workflow.SiteDelete,
	Usage: "site delete <site> <user>…",
	Help:  "off one site; the account stays",
	Title: Title{
		Does: "Remove {who} from a site", Done: "Removed {who} from a site",
		One: "site user to remove", More: "site users to remove",
	},
	Becomes: becomesAtSite("no user at "),
	Columns: siteColumns(legacyColumns()...),
	Subject: workflow.Subject{Hidden: true},
	Groups:  true,
	Reads: func(r *workflow.Row, f *Facts) []workflow.Fact {
		// The groups end with the membership: rules hear of them.
		return []workflow.Fact{siteFact(workflow.KindMembership, r, f), siteFact(KindSiteGroups, r, f)}
	},
	Check: func(r *workflow.Row, f *Facts) Finding {
		answers := f.Answers[siteFact(workflow.KindMembership, r, f)]
		if len(answers) > 0 && answers[0].Get(workflow.FieldMembership) == workflow.MemberNone {
			return Unchanged(workflow.ReasonAlready, "no user of the site "+SiteOf(r))
		}
		return Ready()
	},
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		answers := f.Answers[siteFact(workflow.KindMembership, r, f)]
		if len(answers) == 0 {
			return nil
		}
		return []workflow.Step{siteStep(workflow.SiteDelete, r, f,
			workflow.Of(workflow.FieldMembership, answers[0].Get(workflow.FieldMembership)),
			workflow.Of(workflow.FieldMembership, workflow.MemberNone))}
	},
	Do: doAtSite(OpSiteDelete),
	// Some sites keep who was removed as an inactive user.
	Proved: func(now workflow.Values, s workflow.Step) bool {
		is := now.Get(workflow.FieldMembership)
		return is == workflow.MemberNone ||
			is == workflow.MemberSuspended && s.Expect.Get(workflow.FieldMembership) == workflow.MemberActive
	},
	Effects: func(*Draft) []workflow.Effect { return []workflow.Effect{workflow.EffectOffSite, workflow.EffectFinal} },
	Cost:    Cost{Calls: map[workflow.Operation]int{OpSiteDelete: 1}},
	Aim:     Aim{Check: 3, Run: 3},
	Example: siteExample,
}
