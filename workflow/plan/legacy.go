package plan

import (
	"cmp"
	"context"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// resolveLegacy gives rows that name somebody by a legacy username or user key of a site the account
// that it stands for. What was asked for stays as it was.
func (k *check) resolveLegacy(ctx context.Context) error {
	asked := map[string][]workflow.Fact{} // by site
	var sites []string
	by := map[*draft]workflow.Fact{}
	for _, d := range k.drafts {
		username, key := d.Row.Values.Get(workflow.ColumnUsername), d.Row.Values.Get(workflow.ColumnUserKey)
		if !d.Live() || cmp.Or(username, key) == "" || d.Row.AccountID() != "" || !d.action.Takes(workflow.ColumnUsername) {
			continue
		}
		site := action.SiteOf(d.Row)
		if asked[site] == nil {
			sites = append(sites, site)
		}
		by[d] = action.Legacy(site, username, key)
		asked[site] = append(asked[site], by[d])
	}
	for _, site := range sites {
		var answers workflow.Answers
		err := k.outage.ask(ctx, func() (err error) {
			answers, err = k.Reader.Read(ctx, asked[site]...)
			return err
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k.learn(asked[site], answers, err)
	}
	for _, d := range k.drafts {
		fact, legacy := by[d]
		if !legacy {
			continue
		}
		name, _ := action.LegacyName(fact)
		switch found := k.known.Answers[fact]; {
		case k.known.Unread[fact] != nil:
			d.unreadable(k.known.Unread[fact])
		case len(found) != 1:
			d.Block(workflow.ReasonNoLegacy, name, fact.Site)
		default:
			row := *d.Row
			row.Values = row.Values.With(workflow.ColumnAccountID, found[0].Get(workflow.FieldID))
			d.Row = &row
		}
	}
	return nil
}
