package atlassian

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// reading answers facts of one kind about one subject.
type reading struct {
	operation string // of the calls it makes
	read      func(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error)
}

// changing makes a call that changes something; it returns what the answer contains.
type changing struct {
	operation string
	call      func(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error)
}

// readings returns how the facts are read that actions ask for.
func readings() map[workflow.FactKind]reading {
	return map[workflow.FactKind]reading{
		workflow.KindProfile: {opProfile, readProfile},
		workflow.KindManage:  {opManage, readManage},
		action.KindTokens:    {opTokens, readTokens},

		workflow.KindMembership: {opUser, readMembership},
		action.KindLifecycle:    {opUser, readLifecycle},
		action.KindRoles:        {opUserRoles, readRoles},

		action.KindGroupNamed: {opGroups, readGroups},
		action.KindGroupsOf:   {opGroups, readGroupsOf},
		action.KindGroup:      {opSearch, readInGroup},
		action.KindGroupLeft:  {opSearch, readGroupLeft},
		action.KindMember:     {opSearch, readMember},
		action.KindWorkspaces: {opWorkspaces, readWorkspaces},

		action.KindInvited:      {opSearch, readInvitedFacts},
		action.KindInvitedRoles: {opSearch, readInvitedFacts},
		action.KindDirectories:  {opDirectories, readDirectories},
	}
}

// changes returns how the operations are carried out that actions name.
func changes() map[workflow.Operation]changing {
	return map[workflow.Operation]changing{
		action.OpSetEmail:    {opSetEmail, callSetEmail},
		action.OpSetName:     {opSetName, callSetName},
		action.OpDisable:     {opDisable, callDisable},
		action.OpEnable:      {opEnable, callEnable},
		action.OpRevokeToken: {opRevokeToken, callRevokeToken},

		action.OpDelete:       {opDelete, callDelete},
		action.OpCancelDelete: {opCancelDelete, callCancelDelete},
		action.OpSuspend:      {opSuspend, callSuspend},
		action.OpRestore:      {opRestore, callRestore},
		action.OpRemove:       {opRemove, callRemove},

		action.OpGroupAdd:    {opGroupAdd, callGroupAdd},
		action.OpGroupRemove: {opGroupRemove, callGroupRemove},
		action.OpInvite:      {opInvite, callInvite},
	}
}

// Read answers facts about one subject. Several of a kind are read together.
func (d *Directory) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	type kind struct {
		workflow.FactKind
		site, scim string
	}
	kindOf := func(fact workflow.Fact) kind {
		of := kind{FactKind: fact.Kind, site: fact.Site}
		if fact.Place == workflow.PlaceSCIM {
			of.scim = fact.Directory
		}
		return of
	}
	answers := workflow.Answers{}
	byKind := map[kind][]workflow.Fact{}
	for _, fact := range facts {
		of := kindOf(fact)
		byKind[of] = append(byKind[of], fact)
	}
	for _, fact := range facts { // in the order in which they were asked
		of := kindOf(fact)
		together := byKind[of]
		if delete(byKind, of); together == nil {
			continue
		}
		if elsewhere := d.elsewhere(fact); elsewhere != nil {
			some, err := elsewhere(ctx, together)
			if err != nil {
				return nil, err
			}
			maps.Copy(answers, some)
			continue
		}
		kind, known := d.readings[fact.Kind]
		if !known {
			return nil, fmt.Errorf("read %s: not supported", fact.Kind)
		}
		some, err := kind.read(ctx, d.client, together)
		if err != nil {
			return nil, readError(err)
		}
		maps.Copy(answers, some)
	}
	return answers, nil
}

// elsewhere is how facts are read that are not answered by the organisation alone; nil for those that
// are.
func (d *Directory) elsewhere(fact workflow.Fact) func(context.Context, []workflow.Fact) (workflow.Answers, error) {
	switch {
	case fact.Place == workflow.PlaceSite:
		return d.readSite
	case fact.Place == workflow.PlaceSCIM:
		return d.readSCIM
	case fact.Kind == action.KindLinks:
		return d.readLinks
	}
	return nil
}

// Call makes one call that changes something.
func (d *Directory) Call(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	if call.Place == workflow.PlaceSite {
		return d.callSite(ctx, call)
	}
	if call.Place == workflow.PlaceSCIM {
		return d.callSCIM(ctx, call)
	}
	operation, known := d.changes[call.Operation]
	if !known {
		return nil, &kindError{workflow.ErrNotSent, fmt.Errorf("call %s: not supported", call.Operation)}
	}
	told, err := operation.call(ctx, d.client, call)
	return told, writeError(call.Action, call.Args.Get(workflow.FieldEmail), err)
}

// Estimate returns how long so many calls and reads will take as the limits look now.
func (d *Directory) Estimate(calls map[workflow.Operation]int, reads map[workflow.FactKind]int) time.Duration {
	total, atSites := map[string]int{}, map[string]int{}
	for operation, n := range calls {
		if known, ok := siteChanges()[operation]; ok {
			atSites[known.operation] += n
		}
		if known, ok := d.changes[operation]; ok {
			total[known.operation] += n
		}
	}
	for kind, n := range reads {
		if known, ok := d.readings[kind]; ok {
			total[known.operation] += n
		}
	}
	longest := d.client.Estimate(total)
	for _, s := range d.sites { // nobody knows here which site it will be; they work side by side
		longest = max(longest, s.jira.gate.Estimate(atSites))
	}
	atSCIM := d.estimateSCIM(calls)
	for _, s := range d.scim.ours {
		longest = max(longest, s.api.gate.Estimate(atSCIM))
	}
	return longest
}

func readProfile(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	p, err := c.Profile(ctx, facts[0].AccountID)
	if err != nil {
		return nil, err
	}
	a := workflow.Account{Name: p.Name, Email: p.Email, Type: p.Type, Status: workflow.AccountStatus(p.Status)}
	return workflow.Answers{facts[0]: {workflow.ProfileValues(a)}}, nil
}

func readManage(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	keys := make([]string, len(facts))
	for i, fact := range facts {
		keys[i] = fact.Arg
	}
	rules, err := c.Manage(ctx, facts[0].AccountID, keys...)
	if err != nil {
		return nil, err
	}
	answers := workflow.Answers{}
	for _, fact := range facts {
		rule, answered := rules[fact.Arg]
		switch {
		case !answered:
			answers[fact] = nil
		case rule.Fields == nil:
			answers[fact] = []workflow.Values{privilege("", rule)}
		}
		for _, field := range slices.Sorted(maps.Keys(rule.Fields)) {
			answers[fact] = append(answers[fact], privilege(field, rule.Fields[field]))
		}
	}
	return answers, nil
}

func privilege(field string, r Rule) workflow.Values {
	return workflow.PrivilegeValues(workflow.Field(field), workflow.Privilege{Allowed: r.Allowed, Key: r.Reason})
}

func callSetEmail(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.SetEmail(ctx, call.AccountID, call.Args.Get(workflow.FieldEmail))
}

func callSetName(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.SetName(ctx, call.AccountID, call.Args.Get(workflow.FieldName))
}

func callDisable(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.Disable(ctx, call.AccountID, call.Args.Get(workflow.FieldMessage))
}

func callEnable(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.Enable(ctx, call.AccountID)
}
