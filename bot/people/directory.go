package people

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

const (
	// askFor is how long what was read of a person may be used for acts that only ask. Deciding
	// acts never use it.
	askFor = time.Minute
	// checkTimeout bounds one check of a person: after that the answer is "click again". Slack asks
	// to wait for seconds when many click at once, and that is waited for.
	checkTimeout = 30 * time.Second
	// approversFor is how long a card may go by an older list of who could approve.
	approversFor = 5 * time.Minute
)

// Slack is what a Directory reads of Slack (slackapi.Client).
type Slack interface {
	Self(ctx context.Context) (slackapi.Identity, error)
	Person(ctx context.Context, id string) (*slack.User, error)
	// Group calls asking right before each request that it sends.
	Group(ctx context.Context, id string, asking func()) ([]string, error)
	// Groups reads the members of all groups in one call, of those that it shows; asking as of Group.
	Groups(ctx context.Context, asking func()) (map[string][]string, error)
	// GroupWaits is how long a call of Group, and one of Groups, would wait for Slack's rate.
	GroupWaits() (one, all time.Duration)
	Shared(ctx context.Context, channel string) (bool, error)
}

// Notes keeps over a restart who was in the user groups.
type Notes interface {
	// RecordGroup writes down who is in a user group, when it is not who was in it when it was last
	// read.
	RecordGroup(ctx context.Context, group string, members []string) error
	RecordedGroup(ctx context.Context, group string) ([]string, error) // nil when none was noted
}

// Config is what a Directory needs. Slack and Admins are required.
type Config struct {
	Slack         Slack
	Admins        []string // ids of people (U…) and user groups (S…)
	Requesters    []string
	MostApprovals int   // the most that the settings can ask for; 0 means 1
	Notes         Notes // nil forgets with a restart
	// ReadOnce has each group read once, for who asks about one moment only.
	ReadOnce bool
	Log      zerolog.Logger
}

// Directory says who somebody is and what they may do. Its methods may be called from any
// goroutine.
type Directory struct {
	slack      Slack
	admins     []string
	requesters []string
	most       int                  // the most approvals that the settings ask for
	once       workflow.LogicalTime // from when on reads of groups are good enough; 0 = each time anew

	groups *groups

	mu     sync.Mutex
	users  map[string]known[*slack.User]
	seen   map[string]known[workflow.Person] // for their addresses
	places map[string]known[bool]            // channel → it is shared with another organisation

	approvers *Approvers // nil when they were not looked for
}

// known is what was read of something, and when.
type known[T any] struct {
	what T
	at   time.Time
}

// New makes a Directory. It calls nobody.
func New(cfg Config) *Directory {
	p := &Directory{
		slack: cfg.Slack, admins: cfg.Admins, requesters: cfg.Requesters, most: max(cfg.MostApprovals, 1),
		groups: newGroups(cfg),
		users:  map[string]known[*slack.User]{}, places: map[string]known[bool]{}, seen: map[string]known[workflow.Person]{},
	}
	if cfg.ReadOnce {
		p.once = p.Now()
	}
	return p
}

// Now returns the logical time of something that happens now.
func (p *Directory) Now() workflow.LogicalTime { return p.groups.now() }

// GroupsChanged is called when Slack says that a user group changed.
func (p *Directory) GroupsChanged() {
	p.groups.drop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.approvers != nil {
		p.approvers.at = time.Time{}
	}
}

// Asking returns the person for an act that only asks; what was read less than a minute ago will
// do.
func (p *Directory) Asking(ctx context.Context, id, channel string) (workflow.Actor, error) {
	return p.check(ctx, id, channel, check{age: askFor, adminsOf: p.recentMembers, requestersOf: p.recentMembers})
}

// recentMembers returns the members of a group as they were up to a minute ago.
func (p *Directory) recentMembers(ctx context.Context, group string) ([]string, error) {
	return p.groups.recent(ctx, group, askFor)
}

// Deciding reads the person, the groups and the channel from Slack, for a decision that came then.
// Every error is a *workflow.IneligibleError.
func (p *Directory) Deciding(ctx context.Context, id, channel string, came workflow.LogicalTime) (workflow.Actor, error) {
	fresh := func(ctx context.Context, group string) ([]string, error) { return p.groups.since(ctx, group, came) }
	return p.check(ctx, id, channel, check{adminsOf: fresh, requestersOf: p.recentMembers}) // who may ask has no say in it
}

// check is how somebody is looked at.
type check struct {
	age time.Duration // how old what is known of person and channel may be
	// adminsOf and requestersOf read a group that may make them an admin, or let them ask.
	adminsOf, requestersOf func(context.Context, string) ([]string, error)
	anyRole                bool // who may ask is not looked at as an admin
}

// check finds out who somebody is.
func (p *Directory) check(ctx context.Context, id, channel string, how check) (workflow.Actor, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errors.New("the check took over "+checkTimeout.String()))
	defer cancel()
	u, err := recall(p, p.users, id, how.age, func() (*slack.User, error) { return p.slack.Person(ctx, id) })
	if err != nil {
		kind := workflow.NotCheckable
		if slackapi.Code(err) == "user_not_visible" { // Slack shows them to their own organisation only
			kind = workflow.OtherOrg
		}
		return workflow.Actor{}, &workflow.IneligibleError{Kind: kind, Err: err}
	}
	self, err := p.slack.Self(ctx)
	if err != nil {
		return workflow.Actor{}, &workflow.IneligibleError{Kind: workflow.NotCheckable, Err: err}
	}
	if kind := ineligible(u, self); kind != "" {
		return workflow.Actor{}, &workflow.IneligibleError{Kind: kind}
	}
	if channel != "" && !strings.HasPrefix(channel, "D") {
		ext, err := recall(p, p.places, channel, how.age, func() (bool, error) { return p.slack.Shared(ctx, channel) })
		switch {
		case err != nil && !unknownChannel(err):
			return workflow.Actor{}, &workflow.IneligibleError{Kind: workflow.NotCheckable, Err: err}
		case ext:
			return workflow.Actor{}, &workflow.IneligibleError{Kind: workflow.SharedPlace}
		}
	}
	actor := workflow.Actor{Person: workflow.Person{ID: u.ID, Name: shortName(u), Email: u.Profile.Email}, Zone: u.TZ}
	err = p.roles(ctx, &actor, how)
	return actor, err
}

// roles finds out what somebody may do.
func (p *Directory) roles(ctx context.Context, actor *workflow.Actor, how check) error {
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
		return &workflow.IneligibleError{Kind: workflow.NotCheckable, Err: problem}
	}
	return &workflow.IneligibleError{Kind: workflow.WithoutRole}
}

// recall returns what is known under the key, if it is younger than age, else what read gives.
func recall[T any](p *Directory, of map[string]known[T], key string, age time.Duration, read func() (T, error)) (T, error) {
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

// ineligible says what about the account in Slack forbids it everything, "" when nothing does
// (users.info).
func ineligible(u *slack.User, self slackapi.Identity) workflow.Ineligible {
	switch {
	case u.Deleted:
		return workflow.Deactivated
	case notAPerson(u):
		return workflow.NotAPerson
	case u.IsStranger, !ours(u, self):
		return workflow.OtherOrg
	case u.IsRestricted, u.IsUltraRestricted:
		return workflow.Guest
	}
	return ""
}

// slackbot is Slack's own bot, which is the one that is_bot is not set for (user object, is_bot).
const slackbot = "USLACKBOT"

// notAPerson reports whether it is a program that has the account. is_app_user says nothing of it:
// it marks whoever has authorized the calling app, people above all (user object, is_app_user).
func notAPerson(u *slack.User) bool {
	return u.IsBot || u.IsWorkflowBot || u.IsConnectorBot || u.ID == slackbot
}

// ours reports whether the account belongs to our workspace, or to the enterprise that it is part
// of.
func ours(u *slack.User, self slackapi.Identity) bool {
	return cmp.Or(u.TeamID, u.Profile.Team) == self.Team || self.Enterprise != "" && u.Enterprise.EnterpriseID == self.Enterprise
}

// member reports whether id is in the list itself or in one of its groups; these are read until one
// has the person. An error means that a group could not be read and none of the others has the
// person.
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
		case err != nil && slackapi.Code(err) == "no_such_subteam": // it is gone: nobody is in it
		case err != nil:
			problem = err
		case slices.Contains(members, id):
			return true, nil
		}
	}
	return false, problem
}

// MayAsk returns a function that reports whether a person may have a role. Whom a group that cannot
// be read would have made one may.
func (p *Directory) MayAsk(ctx context.Context) func(person string) bool {
	known := map[string]bool{}
	for _, id := range slices.Concat(p.admins, p.requesters) {
		if !workflow.IsUserGroup(id) {
			known[id] = true
			continue
		}
		members, err := p.groups.recent(ctx, id, askFor)
		if err != nil && slackapi.Code(err) != "no_such_subteam" {
			return func(string) bool { return true }
		}
		for _, m := range members {
			known[m] = true
		}
	}
	return func(person string) bool { return known[person] }
}

// Stranger reports whether the person was in none of the roles when they were last read, a minute ago
// at the most. It reads nothing: of whom too little is known it says no.
func (p *Directory) Stranger(person string) bool {
	for _, id := range slices.Concat(p.admins, p.requesters) {
		if !workflow.IsUserGroup(id) {
			if id == person {
				return false
			}
			continue
		}
		r, current := p.groups.cached(id, askFor)
		if !current || r.err != nil && slackapi.Code(r.err) != "no_such_subteam" || slices.Contains(r.members, person) {
			return false
		}
	}
	return true
}

// Approvers are the admins as a look at them all found them.
type Approvers struct {
	Able    []workflow.Actor // who may approve batches at all, by workflow.MayApprove
	Others  int              // admins who may not
	All     bool             // else there were enough before all were looked at
	Trouble []Trouble        // groups that give none
	at      time.Time
}

// Trouble is a group of admins that is empty, or cannot be read: then code is what Slack says.
type Trouble struct{ Group, Code string }

// Approvers returns what was last found of the admins, nil when nothing was. It reads nothing: current is
// false when FindApprovers has something to find out.
func (p *Directory) Approvers() (found *Approvers, current bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.approvers, p.approvers != nil && time.Since(p.approvers.at) < approversFor
}

// FindApprovers looks at the admins, all of them if that is asked; else at those whom the settings name,
// as cards do, and at members of groups as far as it takes to know that whoever asks enough others can
// approve. An error means that Slack cannot be asked.
func (p *Directory) FindApprovers(ctx context.Context, all bool) error {
	found := &Approvers{All: true, at: time.Now()}
	enough := p.most + 2 // requester, author, and as many others as can be asked for
	seen, humans := map[string]bool{}, map[string]bool{}
	named := slices.DeleteFunc(slices.Clone(p.admins), workflow.IsUserGroup)
	groups := slices.DeleteFunc(slices.Clone(p.admins), func(id string) bool { return !workflow.IsUserGroup(id) })
	for _, entry := range slices.Concat(named, groups) {
		ids := []string{entry}
		if workflow.IsUserGroup(entry) {
			var err error
			ids, err = p.groups.recent(ctx, entry, approversFor)
			code := slackapi.Code(err)
			switch {
			case err != nil && code == "":
				return err
			case err != nil, len(ids) == 0:
				found.Trouble = append(found.Trouble, Trouble{entry, code})
			}
		}
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			if found.All = all || len(humans) < enough || entry == id; !found.All {
				break
			}
			actor, err := p.approver(ctx, id)
			if err != nil {
				return err
			}
			if workflow.MayApprove(actor) != nil {
				found.Others++
				continue
			}
			found.Able = append(found.Able, actor)
			humans[workflow.AddressKey(actor.Email)] = true
		}
		if !found.All {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.approvers = found
	return nil
}

// approver reads an admin, as they were up to a minute ago; one who may do nothing has no role.
func (p *Directory) approver(ctx context.Context, id string) (workflow.Actor, error) {
	groups := func(ctx context.Context, group string) ([]string, error) {
		return p.groups.recent(ctx, group, approversFor)
	}
	actor, err := p.check(ctx, id, "", check{age: askFor, adminsOf: groups, requestersOf: groups})
	ineligible, is := errors.AsType[*workflow.IneligibleError](err)
	switch {
	case err == nil:
		return actor, nil
	case is && ineligible.Kind != workflow.NotCheckable, slackapi.Code(err) == "user_not_found":
		return workflow.Actor{Person: workflow.Person{ID: id}}, nil
	}
	return workflow.Actor{}, err
}

// unknownChannel is a place that we cannot see: a private channel or direct messages between
// others, where commands may still be given. Only our own organisation's people can, which strange
// has made sure of.
func unknownChannel(err error) bool { return slackapi.Code(err) == "channel_not_found" }

// Author reads who sent or uploaded something, from Slack, whatever they may do. Whom Slack does
// not show is known by their id alone. Every error is a *workflow.IneligibleError: it is no person,
// or Slack cannot be asked.
func (p *Directory) Author(ctx context.Context, id string) (workflow.Person, error) {
	u, err := p.slack.Person(ctx, id)
	switch {
	case slackapi.Code(err) != "" && slackapi.HadNoEffect(err):
		return workflow.Person{ID: id}, nil
	case err != nil:
		return workflow.Person{}, &workflow.IneligibleError{Kind: workflow.NotCheckable, Err: err}
	case notAPerson(u):
		return workflow.Person{}, &workflow.IneligibleError{Kind: workflow.NotAPerson}
	}
	return workflow.Person{ID: u.ID, Name: nameOf(u), Email: u.Profile.Email}, nil
}

// nameText is the length of a name that is kept, in letters: as long as Slack lets it be.
const nameText = 80

// shortName returns what somebody calls themselves: on one line, with what cannot be seen spelled
// out.
func shortName(u *slack.User) string {
	return slackapi.Clip(strings.Join(strings.Fields(workflow.EscapeInvisible(nameOf(u))), " "), nameText)
}

func nameOf(u *slack.User) string {
	for _, name := range []string{u.Profile.DisplayName, u.RealName, u.Name} {
		if name != "" {
			return name
		}
	}
	return u.ID
}

// PersonChanged is called when Slack says that somebody changed. It reports whether it was one of those
// who could approve, or may be one now.
func (p *Directory) PersonChanged(id string) (approver bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.users)
	clear(p.seen)
	if p.approvers == nil || !p.approvers.concerns(id, p.admins) {
		return false
	}
	p.approvers.at = time.Time{}
	return true
}

// concerns reports whether what was found may be otherwise when that person changes.
func (a *Approvers) concerns(id string, admins []string) bool {
	able := slices.ContainsFunc(a.Able, func(actor workflow.Actor) bool { return actor.ID == id })
	return able || a.Others > 0 || slices.Contains(admins, id)
}
