package action

import "github.com/countersign/countersign/workflow"

var siteColumnsReset = Action{
	Name:  workflow.SiteColumns,
	Usage: "site columns reset <site> <user>…",
	Help:  "a site's own columns in their searches again",
	Title: Title{
		Does: "Reset the columns of {who}", Done: "Reset the columns of {who}",
		One: "reset of columns", More: "resets of columns",
	},
	Becomes: becomesAtSite("the columns at "),
	Columns: siteColumns(legacyColumns()...),
	Subject: workflow.Subject{Hidden: true},
	Reads: func(r *workflow.Row, f *Facts) []workflow.Fact {
		return []workflow.Fact{siteFact(KindColumns, r, f)}
	},
	Check: func(r *workflow.Row, f *Facts) Finding {
		answers, known := f.Answers[siteFact(KindColumns, r, f)]
		switch {
		case !known:
			return Ready()
		case len(answers) == 0:
			return notOnSite(r, f)
		case defaultColumns(answers[0], workflow.Step{}):
			return Unchanged(workflow.ReasonAlready, "the site's columns")
		}
		return Ready()
	},
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		answers := f.Answers[siteFact(KindColumns, r, f)]
		if len(answers) == 0 {
			return nil
		}
		now := answers[0]
		return []workflow.Step{siteStep(workflow.SiteColumns, r, f,
			workflow.Of(workflow.FieldColumns, now.Get(workflow.FieldColumns)), workflow.Of(workflow.FieldColumns, now.Get(siteDefault)))}
	},
	Do:      doAtSite(OpColumnsReset),
	Proved:  defaultColumns,
	Effects: func(*Draft) []workflow.Effect { return []workflow.Effect{workflow.EffectFinal} },
	Cost:    Cost{Calls: map[workflow.Operation]int{OpColumnsReset: 1}},
	Aim:     Aim{Check: 3, Run: 5},
	Example: siteExample,
}

// defaultColumns reports whether somebody has the columns that the site has now.
func defaultColumns(now workflow.Values, _ workflow.Step) bool {
	of := now.Get(workflow.FieldColumns)
	return of != "" && of == now.Get(siteDefault)
}
