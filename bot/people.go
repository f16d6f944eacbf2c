package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

const (
	// askFor is how long what was read of a person may be used for acts that only ask. Deciding acts never use it.
	askFor = time.Minute
	// checkTimeout bounds one check of a person: after that the answer is "click again".
	checkTimeout = 10 * time.Second
)

// Stranger says why somebody may not use countersign at all.
type Stranger string

// The kinds of people who are refused, and the ways in which it cannot be known who they are.
const (
	Deactivated  Stranger = "deactivated"
	Guest        Stranger = "guest"
	NotAPerson   Stranger = "not_a_person" // bots, apps, workflows
	OtherOrg     Stranger = "other_organisation"
	SharedPlace  Stranger = "shared_channel"
	WithoutRole  Stranger = "no_role"
	NotCheckable Stranger = "not_checkable"
)

// StrangerError says that a person is refused because of who or where they are.
type StrangerError struct {
	Kind Stranger
	Err  error // what Slack said, for the log
}

func (e *StrangerError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("check the person: %s: %v", e.Kind, e.Err)
	}
	return "check the person: " + string(e.Kind)
}

func (e *StrangerError) Unwrap() error { return e.Err }

// directory reads people, groups and channels from Slack (api).
type directory interface {
	person(ctx context.Context, id string) (*slack.User, error)
	group(ctx context.Context, id string) ([]string, error)
	shared(ctx context.Context, channel string) (bool, error)
}

// people says who somebody is and what they may do.
type people struct {
	slack      directory
	admins     []string
	requesters []string
	team       string // our workspace
	enterprise string // and the organisation it belongs to, "" when none

	mu    sync.Mutex
	known map[string]knownActor
}

type knownActor struct {
	actor workflow.Actor
	at    time.Time
}

func newPeople(slack directory, admins, requesters []string) *people {
	return &people{slack: slack, admins: admins, requesters: requesters, known: map[string]knownActor{}}
}

// asking gives the person for an act that only asks; what was read less than a minute ago will do.
func (p *people) asking(ctx context.Context, id, channel string) (workflow.Actor, error) {
	p.mu.Lock()
	k, ok := p.known[id+" "+channel]
	p.mu.Unlock()
	if ok && time.Since(k.at) < askFor {
		return k.actor, nil
	}
	return p.deciding(ctx, id, channel)
}

// deciding reads the person, the groups and the channel from Slack, for a decision. Every error is a *StrangerError.
func (p *people) deciding(ctx context.Context, id, channel string) (workflow.Actor, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errors.New("the check took over "+checkTimeout.String()))
	defer cancel()
	p.forget(id + " " + channel)
	u, err := p.slack.person(ctx, id)
	if err != nil {
		kind := NotCheckable
		if slackCode(err) == "user_not_visible" { // Slack shows them to their own organisation only
			kind = OtherOrg
		}
		return workflow.Actor{}, &StrangerError{Kind: kind, Err: err}
	}
	if kind := p.strange(u); kind != "" {
		return workflow.Actor{}, &StrangerError{Kind: kind}
	}
	if channel != "" && !strings.HasPrefix(channel, "D") {
		switch ext, err := p.slack.shared(ctx, channel); {
		case err != nil && !unknownChannel(err):
			return workflow.Actor{}, &StrangerError{Kind: NotCheckable, Err: err}
		case ext:
			return workflow.Actor{}, &StrangerError{Kind: SharedPlace}
		}
	}
	actor := workflow.Actor{Person: workflow.Person{ID: u.ID, Name: nameOf(u), Email: u.Profile.Email}}
	var problem error
	if actor.Admin, err = p.member(ctx, id, p.admins); err != nil {
		problem = err
	}
	if !actor.Admin { // an admin may ask, too
		if actor.Requester, err = p.member(ctx, id, p.requesters); err != nil {
			problem = err
		}
	}
	switch {
	case !actor.Admin && problem != nil: // a group that could not be read might have made them an admin
		return workflow.Actor{}, &StrangerError{Kind: NotCheckable, Err: problem}
	case !actor.HasRole():
		return actor, &StrangerError{Kind: WithoutRole}
	}
	p.remember(id+" "+channel, actor)
	return actor, nil
}

func (p *people) remember(key string, actor workflow.Actor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, known := range p.known {
		if time.Since(known.at) >= askFor {
			delete(p.known, k)
		}
	}
	p.known[key] = knownActor{actor, time.Now()}
}

func (p *people) forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, key)
}

// strange says what about the account in Slack forbids it everything, "" when nothing does (users.info).
func (p *people) strange(u *slack.User) Stranger {
	switch {
	case u.Deleted:
		return Deactivated
	case u.IsBot, u.IsAppUser, u.IsWorkflowBot, u.IsConnectorBot:
		return NotAPerson
	case u.IsStranger, !p.ours(u):
		return OtherOrg
	case u.IsRestricted, u.IsUltraRestricted:
		return Guest
	}
	return ""
}

// ours says whether the account belongs to our workspace, or to the enterprise that it is part of.
func (p *people) ours(u *slack.User) bool {
	return cmp.Or(u.TeamID, u.Profile.Team) == p.team || p.enterprise != "" && u.Enterprise.EnterpriseID == p.enterprise
}

// member says whether id is in the list itself or in one of its groups. An error means that a group could not be read and
// none of the others has the person.
func (p *people) member(ctx context.Context, id string, list []string) (bool, error) {
	if slices.Contains(list, id) {
		return true, nil
	}
	var problem error
	for _, entry := range list {
		if !strings.HasPrefix(entry, "S") {
			continue
		}
		members, err := p.slack.group(ctx, entry)
		switch {
		case err != nil && slackCode(err) == "no_such_subteam": // it is gone: nobody is in it
		case err != nil:
			problem = err
		case slices.Contains(members, id):
			return true, nil
		}
	}
	return false, problem
}

// unapproved says in a sentence why nobody but the given people is an admin just now, "" when somebody is or Slack cannot
// be asked. Empty and unreadable groups are no mistake of the settings, but batches wait for them.
func (p *people) unapproved(ctx context.Context, but ...string) string {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errors.New("the look took over "+checkTimeout.String()))
	defer cancel()
	var trouble []string
	for _, id := range p.admins {
		if !strings.HasPrefix(id, "S") {
			if !slices.Contains(but, id) {
				return ""
			}
			continue
		}
		members, err := p.slack.group(ctx, id)
		switch {
		case err != nil && slackCode(err) == "":
			return "" // an outage says nothing about the group
		case err != nil:
			trouble = append(trouble, "the group "+id+" cannot be read ("+slackCode(err)+")")
		case slices.ContainsFunc(members, func(m string) bool { return !slices.Contains(but, m) }):
			return ""
		case len(members) == 0:
			trouble = append(trouble, "the group "+id+" is empty")
		}
	}
	if len(trouble) == 0 {
		return "Nobody can approve this just now: there is no other admin."
	}
	return "Nobody can approve this just now: " + list(trouble) + "."
}

// unknownChannel is a place that we cannot see: a private channel or direct messages between others, where commands may
// still be given. Only our own organisation's people can, which strange has made sure of.
func unknownChannel(err error) bool { return slackCode(err) == "channel_not_found" }

func nameOf(u *slack.User) string {
	for _, name := range []string{u.Profile.DisplayName, u.RealName, u.Name} {
		if name != "" {
			return name
		}
	}
	return u.ID
}

// forgetAll is for when Slack tells that people or groups changed.
func (p *people) forgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.known)
}
