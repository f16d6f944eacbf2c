package cli

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/workflow"
)

// people looks at who may ask and approve, by what decides at a click.
func (d *doctor) people(ctx context.Context) {
	who, err := bot.NewSlack(bot.SlackConfig{
		BotToken: d.cfg.Slack.BotToken.Reveal(), APIURL: d.cfg.Slack.APIURL, Admins: d.cfg.People.Admins,
		Requesters: d.cfg.People.Requesters, ReadOnce: true, Log: zerolog.Nop(),
	})
	if err != nil {
		d.bad("people.admins: %v", err)
		return
	}
	able := d.humans(ctx, d.members(ctx, "people.admins", d.cfg.People.Admins, who.MayApprove))
	d.members(ctx, "people.requesters", d.cfg.People.Requesters, who.Eligible)
	if d.cfg.Emergency.Group != "" {
		d.members(ctx, "emergency.group", []string{d.cfg.Emergency.Group}, who.Eligible)
	}
	for i, rule := range d.cfg.Approval.Rules {
		d.members(ctx, ruleNumber(i), rule.When.Requesters, who.Eligible)
	}
	d.members(ctx, "people.accounts", slices.Sorted(maps.Keys(d.cfg.People.Accounts)), func(ctx context.Context, id string) (workflow.Actor, error) {
		actor, err := who.Eligible(ctx, id)
		if ineligible, is := errors.AsType[*workflow.IneligibleError](err); is && ineligible.Kind == workflow.WithoutRole {
			err = nil // whoever uploaded a file is its author, with a role or without
		}
		return actor, err
	})
	switch need := d.cfg.Approval.Approvals; {
	case able < need:
		d.bad("people.admins: %s can approve, and %s are needed", workflow.Number(able), workflow.Number(need))
	case able < d.cfg.Approval.Most():
		d.bad("people.admins: %s can approve, and a rule asks for %s: what it applies to can never be approved",
			workflow.Number(able), workflow.Number(d.cfg.Approval.Most()))
	case able == d.cfg.Approval.Most() && need < d.cfg.Approval.Most():
		d.warn("people.admins: %s can approve, just as many as a rule asks for: what one of them asks for then cannot be approved",
			workflow.Number(able))
	case able == need:
		d.warn("people.admins: %s can approve, just as many as are needed: what one of them asks for cannot be approved",
			workflow.Number(able))
	default:
		d.ok("people.admins: %s can approve", workflow.Number(able))
	}
}

// members gives the people behind ids and groups whom may admits, and says what is wrong with the
// others.
func (d *doctor) members(
	ctx context.Context, setting string, ids []string, may func(context.Context, string) (workflow.Actor, error),
) (able []workflow.Person) {
	seen := map[string]bool{}
	for _, id := range ids {
		people := []string{id}
		if workflow.IsUserGroup(id) {
			var err error
			people, err = d.slack.GetUserGroupMembersContext(ctx, id)
			if err != nil {
				d.bad("%s: group %s: Slack says %s", setting, id, slackSays(d.cfg.Slack.APIURL, err))
				continue
			}
			if len(people) == 0 {
				d.warn("%s: group %s is empty", setting, id)
			}
		}
		for _, p := range people {
			if seen[p] {
				continue
			}
			seen[p] = true
			actor, err := may(ctx, p)
			if err == nil {
				able = append(able, actor.Person)
				continue
			}
			d.notAble(ctx, setting, p, err)
		}
	}
	return able
}

// notAble says why somebody whom the settings name may not do what they are named for.
func (d *doctor) notAble(ctx context.Context, setting, id string, err error) {
	ineligible, is := errors.AsType[*workflow.IneligibleError](err)
	if is && ineligible.Kind == workflow.NotCheckable {
		d.bad("%s: %s: Slack says %s", setting, id, slackSays(d.cfg.Slack.APIURL, ineligible.Err))
		return
	}
	name := id
	if u, err := d.slack.GetUserInfoContext(ctx, id); err == nil && u.Name != "" {
		name = u.Name + " (" + id + ")"
	}
	why := "may do nothing"
	switch {
	case is:
		why = map[workflow.Ineligible]string{
			workflow.Deactivated: "is deactivated in Slack and may do nothing",
			workflow.Guest:       "is a guest and may do nothing",
			workflow.NotAPerson:  "is a bot or an app and may do nothing",
			workflow.OtherOrg:    "belongs to another organisation and may do nothing",
			workflow.WithoutRole: "is in neither people.admins nor people.requesters and may do nothing",
		}[ineligible.Kind]
	case errors.Is(err, workflow.ErrHiddenAddress):
		why = "shows no address that Slack lets the bot read, and may not approve"
	}
	d.warn("%s: %s %s", setting, name, why)
}

// humans counts the people, each human once: of several accounts in Slack that are one human's,
// only one approval counts.
func (d *doctor) humans(ctx context.Context, people []workflow.Person) (n int) {
	humans := workflow.NewHumans(d.cfg.Policy().AccountOf, nil)
	if client, err := service.NewClient(d.cfg, service.Network{}, nil, zerolog.Nop()); err == nil { // else the key is called wrong
		defer client.Close()
		known, err := workflow.LookUpHumans(ctx, atlassian.NewDirectory(client), d.cfg.Policy(), people)
		if err != nil {
			d.warn("people.accounts: cannot look up the accounts at Atlassian: %v", err)
		}
		humans = known
	}
	var counted []workflow.Person
	for _, p := range people {
		i := slices.IndexFunc(counted, func(c workflow.Person) bool { return humans.Same(c, p) })
		if i >= 0 {
			d.warn("people.admins: %s and %s are one person, by their address or account: together they give one approval",
				named(counted[i]), named(p))
			continue
		}
		counted = append(counted, p)
	}
	return len(counted)
}
