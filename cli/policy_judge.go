package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// judge says what the policy makes of requests that nobody has made: by the rules, the roles of Slack and the accounts of
// Atlassian as they are now. Nothing counts as asked for in the last 24 hours.
type judge struct {
	cfg       *settings.Config
	policy    policy.Policy
	people    workflow.People
	admins    []workflow.Person
	directory workflow.Directory
	close     func()
}

// rememberedPeople asks Slack about each person once, as many lines are about the same few.
type rememberedPeople struct {
	workflow.People
	known map[string]workflow.Actor
}

func (r *rememberedPeople) Standing(ctx context.Context, id string, admin bool, since workflow.LogicalTime) (workflow.Actor, error) {
	if actor, ok := r.known[id]; ok {
		return actor, nil
	}
	actor, err := r.People.Standing(ctx, id, admin, since)
	if err == nil {
		r.known[id] = actor
	}
	return actor, err
}

func newJudge(ctx context.Context, cfg *settings.Config, people workflow.People) (*judge, error) {
	j := &judge{cfg: cfg, policy: cfg.Policy(), people: &rememberedPeople{People: people, known: map[string]workflow.Actor{}}}
	var err error
	if j.admins, err = people.Admins(ctx); err != nil {
		return nil, fmt.Errorf("look up the admins in Slack: %w", err)
	}
	if j.directory, j.close, err = service.OpenDirectory(cfg); err != nil {
		return nil, err
	}
	return j, nil
}

// judge is the verdict on the request of a line.
func (j *judge) judge(ctx context.Context, line policyLine) (verdict, error) {
	who, err := j.people.Standing(ctx, line.who, true, 0)
	if err != nil {
		return verdict{}, fmt.Errorf("look up %s in Slack: %w", line.who, err)
	}
	who.ID = line.who
	if mayAsk := workflow.May(workflow.ActAsk, nil, who) == nil; !mayAsk {
		return verdict{blocked: true, why: line.who + " may not ask"}, nil
	}
	if why := j.overLimits(line.count); why != "" {
		return verdict{blocked: true, why: why}, nil
	}
	asker, err := workflow.ReadAsker(ctx, j.people, j.policy, who.ID, who.ID, workflow.Freshness{})
	if err != nil {
		return verdict{}, fmt.Errorf("look up the user groups of the rules in Slack: %w", err)
	}
	asker.Emergency = false
	people := append([]workflow.Person{who.Person}, j.admins...)
	guard := j.policy.Guard(asker, people)
	traits := workflow.Traits{Changes: line.count, Actions: []workflow.ActionName{line.action.Name}, Asked: j.policy.Groups()}
	for _, name := range line.groups {
		traits.Touched = append(traits.Touched, workflow.GroupKey(name))
	}
	traits.Unnamed = len(line.groups) == 0 && line.action.Groups
	var own []string
	for _, named := range line.accounts {
		account, target, found, err := j.account(ctx, line, named)
		if unshown, some := errors.AsType[*workflow.Unshown](err); some && unshown.Holders[workflow.AddressKey(named)] != "" {
			why := workflow.NewReason(workflow.ReasonAddressHidden, unshown.Holders[workflow.AddressKey(named)], named)
			return verdict{blocked: true, why: named + ": " + why.Words()}, nil
		}
		if err != nil {
			return verdict{}, err
		}
		if why := guard.Row(account, line.action.Name, line.action.Subject, target, line.count == 1); why.Code != "" {
			return verdict{blocked: true, why: named + ": " + why.Words()}, nil
		}
		if !found {
			return verdict{blocked: true, why: "Atlassian has no account " + named}, nil
		}
		addTraits(&traits, line, account, target)
		if line.count == 1 {
			own = guard.Owners(account.ID, account.Email, target)
		}
	}
	demand := workflow.UntoldApart(j.policy.Demand(traits, asker, 0), who.Person)
	out := verdict{approvals: demand.Approvals, why: strings.Join(demand.Why, "; ")}
	out.by, err = j.approvers(ctx, who.Person, own)
	return out, err
}

// overLimits returns why so many changes are refused, "" where they are not.
func (j *judge) overLimits(count int) string {
	limits := j.cfg.Limits
	for _, each := range []struct {
		name  string
		limit int
	}{
		{"limits.max_changes", limits.MaxChanges},
		{"limits.per_day.requester", limits.PerDay.Requester},
		{"limits.per_day.all", limits.PerDay.All},
	} {
		if each.limit > 0 && count > each.limit {
			return fmt.Sprintf("over %s, %s", each.name, workflow.Number(each.limit))
		}
	}
	return ""
}

// account is the account that a line names. "@domain" and "group:name" stand for some account of these; the address that an
// action like invite takes has no account yet and is the target.
func (j *judge) account(
	ctx context.Context, line policyLine, named string,
) (account workflow.Account, target string, found bool, err error) {
	some := workflow.Account{Type: workflow.TypePerson, Status: workflow.StatusActive, Managed: true, RolesKnown: true}
	if group, is := strings.CutPrefix(named, policy.GroupPrefix); is {
		some.Email, some.Groups = "somebody@"+group+".invalid", []string{group}
		return some, "", true, nil
	}
	if strings.HasPrefix(named, "@") {
		some.Email = "somebody" + named
		return some, "", true, nil
	}
	if line.action.Subject.Absent {
		return workflow.Account{}, named, true, nil
	}
	var accounts []workflow.Account
	if strings.Contains(named, "@") {
		var byAddress map[string][]workflow.Account
		byAddress, err = j.directory.ByAddress(ctx, []string{named})
		accounts, some.Email = byAddress[workflow.AddressKey(named)], named
	} else {
		var byID map[string]workflow.Account
		byID, err = j.directory.ByID(ctx, []string{named})
		if a, ok := byID[named]; ok {
			accounts = append(accounts, a)
		}
		some.ID, some.Email = named, "somebody@account.invalid"
	}
	if err != nil {
		return some, "", false, fmt.Errorf("look up %s at Atlassian: %w", named, err)
	}
	if len(accounts) == 0 {
		return some, "", false, nil
	}
	return accounts[0], "", true, nil
}

// addTraits adds what rules ask about an account.
func addTraits(t *workflow.Traits, line policyLine, a workflow.Account, target string) {
	for _, address := range []string{a.Email, target} {
		if domain := workflow.Domain(address); domain != "" && !slices.Contains(t.Domains, domain) {
			t.Domains = append(t.Domains, domain)
		}
	}
	for _, group := range a.Groups {
		if key := workflow.GroupKey(group); slices.Contains(t.Asked, key) && !slices.Contains(t.Groups, key) {
			t.Groups = append(t.Groups, key)
		}
	}
	if !a.OrgAdmin {
		return
	}
	t.OrgAdmins++
	t.AdminChanges = append(t.AdminChanges, workflow.AdminChangeOf(a, target, line.action.Name, t.Asked))
}

// approvers are the ids of the people who may approve what who asks for, sorted.
func (j *judge) approvers(ctx context.Context, who workflow.Person, own []string) ([]string, error) {
	humans, err := workflow.LookUpHumans(ctx, j.directory, j.policy, append(slices.Clone(j.admins), who))
	if err != nil {
		return nil, fmt.Errorf("look up people.accounts at Atlassian: %w", err)
	}
	ids := []string{}
	for _, p := range mayApprove(ctx, j.people, humans, who, who, j.admins, own, func(workflow.Person, string) {}) {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids, nil
}
