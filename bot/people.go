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
	// checkTimeout bounds one check of a person: after that the answer is "click again". Slack asks to wait for seconds when
	// many click at once, and that is waited for.
	checkTimeout = 30 * time.Second
	// approversFor is how long a card may go by an older list of who could approve.
	approversFor = 5 * time.Minute
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
	// group calls asking right before each request that it sends.
	group(ctx context.Context, id string, asking func()) ([]string, error)
	shared(ctx context.Context, channel string) (bool, error)
}

// people says who somebody is and what they may do.
type people struct {
	slack      directory
	admins     []string
	requesters []string
	team       string // our workspace
	enterprise string // and the organisation it belongs to, "" when none
	most       int    // the most approvals that the settings ask for
	once       stamp  // from when on reads of groups are good enough, for who asks only once; 0 = each time anew

	groups *groups

	mu     sync.Mutex
	users  map[string]known[*slack.User]
	seen   map[string]known[workflow.Person] // for their addresses
	places map[string]known[bool]            // channel → it is shared with another organisation
}

// known is what was read of something, and when.
type known[T any] struct {
	what T
	at   time.Time
}

func newPeople(from directory, admins, requesters []string) *people {
	return &people{
		slack: from, admins: admins, requesters: requesters, groups: newGroups(from),
		users: map[string]known[*slack.User]{}, places: map[string]known[bool]{}, seen: map[string]known[workflow.Person]{},
	}
}

// asking gives the person for an act that only asks; what was read less than a minute ago will do.
func (p *people) asking(ctx context.Context, id, channel string) (workflow.Actor, error) {
	return p.check(ctx, id, channel, check{age: askFor, adminsOf: p.askedLately, requestersOf: p.askedLately})
}

// askedLately gives the members of a group as they were up to a minute ago.
func (p *people) askedLately(ctx context.Context, group string) ([]string, error) {
	return p.groups.lately(ctx, group, askFor)
}

// deciding reads the person, the groups and the channel from Slack, for a decision that came at the stamp. Every error is
// a *StrangerError.
func (p *people) deciding(ctx context.Context, id, channel string, came stamp) (workflow.Actor, error) {
	fresh := func(ctx context.Context, group string) ([]string, error) { return p.groups.since(ctx, group, came) }
	return p.check(ctx, id, channel, check{adminsOf: fresh, requestersOf: p.askedLately}) // who may ask has no say in it
}

// check is how somebody is looked at.
type check struct {
	age time.Duration // how old what is known of person and channel may be
	// adminsOf and requestersOf read a group that may make them an admin, or let them ask.
	adminsOf, requestersOf func(context.Context, string) ([]string, error)
	anyRole                bool // who may ask is not looked at as an admin
}

// check finds out who somebody is.
func (p *people) check(ctx context.Context, id, channel string, how check) (workflow.Actor, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errors.New("the check took over "+checkTimeout.String()))
	defer cancel()
	u, err := recall(p, p.users, id, how.age, func() (*slack.User, error) { return p.slack.person(ctx, id) })
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
		ext, err := recall(p, p.places, channel, how.age, func() (bool, error) { return p.slack.shared(ctx, channel) })
		switch {
		case err != nil && !unknownChannel(err):
			return workflow.Actor{}, &StrangerError{Kind: NotCheckable, Err: err}
		case ext:
			return workflow.Actor{}, &StrangerError{Kind: SharedPlace}
		}
	}
	actor := workflow.Actor{Person: workflow.Person{ID: u.ID, Name: oneLine(nameOf(u), nameText), Email: u.Profile.Email}}
	err = p.roles(ctx, &actor, how)
	return actor, err
}

// roles finds out what somebody may do.
func (p *people) roles(ctx context.Context, actor *workflow.Actor, how check) error {
	var problem error
	admins := func() {
		var err error
		if actor.Admin, err = member(ctx, actor.ID, p.admins, how.adminsOf); err != nil {
			problem = err
		}
	}
	requesters := func() {
		var err error
		if actor.Requester, err = member(ctx, actor.ID, p.requesters, how.requestersOf); err != nil {
			problem = err
		}
	}
	if how.anyRole {
		if requesters(); !actor.Requester {
			admins()
		}
	} else if admins(); !actor.Admin { // an admin may ask, too
		requesters()
	}
	switch {
	case actor.HasRole() && (actor.Admin || problem == nil || how.anyRole):
		return nil
	case problem != nil: // a group that could not be read might have made them an admin
		*actor = workflow.Actor{}
		return &StrangerError{Kind: NotCheckable, Err: problem}
	}
	return &StrangerError{Kind: WithoutRole}
}

// recall gives what is known under the key, if it is younger than age, else what read gives.
func recall[T any](p *people, of map[string]known[T], key string, age time.Duration, read func() (T, error)) (T, error) {
	p.mu.Lock()
	k, ok := of[key]
	p.mu.Unlock()
	if ok && time.Since(k.at) < age {
		return k.what, nil
	}
	at := time.Now()
	what, err := read()
	p.mu.Lock()
	defer p.mu.Unlock()
	for old, k := range of {
		if old == key || time.Since(k.at) >= askFor {
			delete(of, old)
		}
	}
	if err == nil {
		of[key] = known[T]{what, at}
	}
	return what, err
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

// member says whether id is in the list itself or in one of its groups; these are read until one has the person. An error
// means that a group could not be read and none of the others has the person.
func member(
	ctx context.Context, id string, list []string, read func(context.Context, string) ([]string, error),
) (bool, error) {
	if slices.Contains(list, id) {
		return true, nil
	}
	var problem error
	for _, entry := range list {
		if !workflow.IsUserGroup(entry) {
			continue
		}
		members, err := read(ctx, entry)
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

// mayAsk gives a function that says whether a person may have a role. Whom a group that cannot be read would have made one
// may.
func (p *people) mayAsk(ctx context.Context) func(person string) bool {
	known := map[string]bool{}
	for _, id := range slices.Concat(p.admins, p.requesters) {
		if !workflow.IsUserGroup(id) {
			known[id] = true
			continue
		}
		members, err := p.groups.lately(ctx, id, askFor)
		if err != nil && slackCode(err) != "no_such_subteam" {
			return func(string) bool { return true }
		}
		for _, m := range members {
			known[m] = true
		}
	}
	return func(person string) bool { return known[person] }
}

// unapproved says in a sentence why fewer people than are needed, besides the given ones, are admins just now, "" when
// enough are or it is not known. Empty and unreadable groups are no mistake of the settings, but batches wait for them. It
// reads nothing: current is false when lookForApprovers has something to find out.
func (p *people) unapproved(need int, but ...string) (why string, current bool) {
	able := map[string]bool{}
	count := func(ids ...string) {
		for _, id := range ids {
			if !slices.Contains(but, id) {
				able[id] = true
			}
		}
	}
	for _, id := range p.admins {
		if !workflow.IsUserGroup(id) {
			count(id)
		}
	}
	if len(able) >= need {
		return "", true
	}
	current = true
	var trouble []string
	for _, id := range p.admins {
		if !workflow.IsUserGroup(id) {
			continue
		}
		r, young := p.groups.peek(id, approversFor)
		current = current && young
		switch {
		case r == nil:
			return "", false
		case r.err != nil:
			trouble = append(trouble, "the group "+id+" cannot be read ("+slackCode(r.err)+")")
		case len(r.members) == 0:
			trouble = append(trouble, "the group "+id+" is empty")
		}
		if count(r.members...); len(able) >= need {
			return "", current
		}
	}
	switch n := len(able); {
	case n > 0:
		why = fmt.Sprintf("Only %s can approve this just now, and it needs %d", many(n, "other admin", "other admins"), need)
	case len(trouble) == 0:
		why = "Nobody can approve this just now: there is no other admin"
	default:
		why = "Nobody can approve this just now"
	}
	if len(trouble) > 0 {
		why += ": " + list(trouble)
	}
	return why + ".", current
}

// lookForApprovers reads the groups of admins, as far as it takes to know that whoever asks somebody else can approve. An
// error means that Slack cannot be asked.
func (p *people) lookForApprovers(ctx context.Context) error {
	enough := max(p.most, 1) + 2 // requester, author, and as many others as can be asked for
	seen := map[string]bool{}
	for _, id := range p.admins {
		if !workflow.IsUserGroup(id) {
			continue
		}
		members, err := p.groups.lately(ctx, id, approversFor)
		if err != nil && slackCode(err) == "" {
			return err
		}
		for _, m := range members {
			seen[m] = true
		}
		if len(seen) >= enough {
			return nil
		}
	}
	return nil
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

// changed is told that Slack says that somebody changed.
func (p *people) changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.users)
	clear(p.seen)
}
