package atlassian

import (
	"context"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// readWorkspaces answers which products there are that can be used.
func readWorkspaces(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	all, err := c.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	answers := workflow.Answers{}
	for _, fact := range facts {
		answers[fact] = nil
		for _, w := range all {
			if w.Attributes.Status != "" && w.Attributes.Status != WorkspaceOnline {
				continue
			}
			answers[fact] = append(answers[fact], action.Workspace{
				ID: w.ID, TypeKey: w.Attributes.TypeKey, Type: w.Attributes.Type, URL: w.Attributes.HostURL,
			}.Values())
		}
	}
	return answers, nil
}

// readInvitedFacts answers how the holders of addresses stand with the organisation, 100 addresses a
// call, with their roles where that is asked.
func readInvitedFacts(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	asked := map[string][]workflow.Fact{}
	var addresses []string
	for _, fact := range facts {
		answers[fact] = []workflow.Values{workflow.Of(workflow.FieldMembership, workflow.MemberNone)}
		key := workflow.AddressKey(fact.Arg)
		if asked[key] == nil {
			addresses = append(addresses, fact.Arg)
		}
		asked[key] = append(asked[key], fact)
	}
	keys, spellings := spell(addresses)
	found := map[string]DirectoryUser{}
	unshown, err := c.searchHolders(ctx, keys, spellings, c.searchMembers, func(key string, u DirectoryUser) {
		if other, twice := found[key]; !twice || other.MembershipStatus == MembershipNone {
			found[key] = u
		}
	})
	if err != nil {
		return nil, err
	}
	for key, id := range unshown {
		for _, fact := range asked[key] {
			answers[fact] = []workflow.Values{workflow.Of(workflow.FieldID, id).With(workflow.FieldReason, action.Unshown)}
		}
	}
	for key, u := range found {
		if _, hidden := unshown[key]; hidden {
			continue // it may not be the only one
		}
		for _, fact := range asked[key] {
			values, err := c.standing(ctx, u, fact.Kind == action.KindInvitedRoles)
			if err != nil {
				return nil, err
			}
			answers[fact] = []workflow.Values{values}
		}
	}
	return answers, nil
}

// standing returns how an account stands with the organisation.
func (c *Client) standing(ctx context.Context, u DirectoryUser, roles bool) (workflow.Values, error) {
	u, err := c.told(ctx, u)
	if err != nil {
		return nil, err
	}
	status := workflow.AccountStatus(u.AccountStatus)
	if u.Status == StatusForDeletion {
		status = workflow.StatusDeleting
	}
	membership := u.MembershipStatus
	if membership == MembershipNone {
		membership = workflow.MemberNone
	}
	out := workflow.Of(workflow.FieldMembership, membership).With(workflow.FieldID, u.ID).With(workflow.FieldStatus, string(status)).
		With(workflow.FieldName, u.Name)
	groups, err := c.groupIDs(ctx, allDirectories, u)
	if err != nil {
		return nil, err
	}
	for _, id := range groups {
		out.Set(workflow.GroupField(id), workflow.GroupIn)
	}
	if !roles {
		return out, nil
	}
	all, err := c.UserRoles(ctx, allDirectories, u.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		out.Set(action.ProductField(r.ResourceID), workflow.GroupIn)
	}
	return out, nil
}

func callInvite(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	list := func(field workflow.Field) []string {
		if value := call.Args.Get(field); value != "" {
			return strings.Split(value, ";")
		}
		return nil
	}
	invited, err := c.Invite(ctx, Invitation{
		Emails: list(workflow.FieldEmail), Products: list(workflow.FieldProducts), Groups: list(workflow.FieldGroups),
		Message: call.Args.Get(workflow.FieldMessage),
	})
	if err != nil {
		return nil, err
	}
	var told workflow.Values
	for _, each := range invited {
		if each.Refused != nil {
			told.Set(action.FieldNotInvited(each.Email), strings.Join(each.Refused, "; "))
		} else {
			told.Set(action.FieldInvited(each.Email), each.ID)
		}
	}
	return told, nil
}
