package cli

import (
	"context"
	"errors"

	"github.com/countersign/countersign/workflow"
)

// mayApprove returns the admins who may approve what requester and author ask for, each human once, by what decides at a
// click. own are the people whose own account a request of one change is about. tell hears of each admin why not, "" for one
// who may.
func mayApprove(
	ctx context.Context, people workflow.People, humans workflow.Humans, requester, author workflow.Person, admins []workflow.Person,
	own []string, tell func(admin workflow.Person, why string),
) (able []workflow.Person) {
	asked := &workflow.Batch{
		State: workflow.AwaitingApproval, BatchRequest: workflow.BatchRequest{Requester: requester, Author: author},
	}
	for _, admin := range admins {
		why := ""
		standing, err := people.Standing(ctx, admin.ID, true, 0)
		byID := workflow.Actor{Person: workflow.Person{ID: admin.ID}, Admin: true}
		if err != nil {
			why = "Slack cannot be asked about them now"
		} else if err := workflow.May(workflow.ActApprove, asked, byID); errors.Is(err, workflow.ErrOwnBatch) {
			why = notApprover(err) // whatever Slack says of them
		} else if err := humans.MayApprove(asked, own, standing); err != nil {
			why = notApprover(err)
		}
		if why == "" {
			able = append(able, admin)
			asked.Decisions = append(asked.Decisions, workflow.Decision{Person: admin, Verdict: workflow.Approve})
		}
		tell(admin, why)
	}
	return able
}

// notApprover returns why an admin may not approve.
func notApprover(err error) string {
	for _, known := range []struct {
		err error
		why string
	}{
		{workflow.ErrOwnBatch, "asks for it"},
		{workflow.ErrNoRole, "may do nothing in Slack (deactivated, a guest, or of another organisation)"},
		{workflow.ErrNotAdmin, "may do nothing in Slack (deactivated, a guest, or of another organisation)"},
		{workflow.ErrHiddenAddress, "their address in Slack cannot be read"},
		{workflow.ErrSameHuman, "is who asks, by address or account"},
		{workflow.ErrOwnAccount, "it is their own account"},
		{workflow.ErrAlready, "is somebody named above, by address or account"},
	} {
		if errors.Is(err, known.err) {
			return known.why
		}
	}
	return err.Error()
}
