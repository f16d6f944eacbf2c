package deliver

import (
	"cmp"
	"context"
	"slices"

	"github.com/countersign/countersign/bot/people"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// rankOf returns how soon an edit of the card is to be seen, which shows what the lane says.
func rankOf(c view.Card, t *lane) slackapi.Rank {
	switch {
	case t.pressed != "" && t.pressed != c.Pressed():
		return slackapi.RankDecision
	case c.Batch.State == workflow.Planning, c.Batch.State == workflow.Running && !t.stale &&
		view.Steady(t.put[cardKey(c.Batch.Number)]) == view.Steady(c.Mark()):
		return slackapi.RankCounts
	case c.Batch.State == workflow.Paused:
		return slackapi.RankLast
	}
	return slackapi.RankCard
}

// unapproved returns why fewer people than are needed can approve the batch, "" when enough can or
// it is not known; current is false when that has to be found out. Who can is told as at a click.
func (d *Deliverer) unapproved(ctx context.Context, b *workflow.Batch) (why string, current bool, err error) {
	found, current := d.people.Approvers()
	if found == nil {
		return "", false, nil
	}
	able, own, err := d.cfg.Engine.CanApprove(ctx, b, found.Able...)
	if err != nil || len(able) >= b.Approvals {
		return "", current, err
	}
	if !found.All {
		d.allApprovers.Store(true)
		return "", false, nil
	}
	var trouble []view.GroupTrouble
	for _, t := range found.Trouble {
		trouble = append(trouble, view.GroupTrouble{Group: t.Group, Code: t.Code})
	}
	others := found.Others+len(found.Able) > len(able)+d.askersAmong(b, found)
	var owner []string
	for _, a := range found.Able {
		if slices.Contains(own, a.ID) && !b.Involves(a.Person) {
			owner = append(owner, cmp.Or(a.Name, a.ID))
		}
	}
	return view.TooFewApprovers(len(able), b.Approvals, others, owner, trouble), current, nil
}

// askersAmong counts those who asked for the batch.
func (d *Deliverer) askersAmong(b *workflow.Batch, found *people.Approvers) (n int) {
	for _, a := range found.Able {
		if b.Involves(a.Person) {
			n++
		}
	}
	return n
}
