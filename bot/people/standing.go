package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// addressesFor is how old the address of an admin may be by which their own account is known. It
// may only refuse.
const addressesFor = 10 * time.Minute

// errGroupGone is a group that Slack does not have any more.
var errGroupGone = fmt.Errorf("%w: it is gone", workflow.ErrGroupUnreadable)

var _ workflow.People = (*Directory)(nil)

// Standing reads a person and their roles from Slack, by reads of groups that began after since.
// Whether they are an admin is found out only if that is asked, or if they have no other role:
// reads of groups are few. Every error is a *workflow.IneligibleError of kind
// workflow.NotCheckable.
func (p *Directory) Standing(ctx context.Context, id string, admin bool, since workflow.LogicalTime) (workflow.Actor, error) {
	since = p.orNow(since)
	fresh := func(ctx context.Context, group string) ([]string, error) { return p.groups.since(ctx, group, since) }
	who := check{adminsOf: fresh, requestersOf: fresh, anyRole: !admin}
	actor, err := p.check(ctx, id, "", who)
	ineligible, is := errors.AsType[*workflow.IneligibleError](err)
	switch {
	case is && ineligible.Kind != workflow.NotCheckable, slackapi.Code(err) == "user_not_found": // gone
		actor.Admin, actor.Requester = false, false
		return actor, nil
	case err != nil:
		return workflow.Actor{}, err
	}
	return actor, nil
}

// Eligible is Deciding for an act of this moment, wherever it is done.
func (p *Directory) Eligible(ctx context.Context, id string) (workflow.Actor, error) {
	return p.Deciding(ctx, id, "", p.orNow(0))
}

// Members reads who is in a user group, as fresh as is asked for. A group that is gone, or that
// Slack will not show, is workflow.ErrGroupUnreadable: a rule must not end by deleting the group
// that it names. Every other error is a *workflow.IneligibleError of kind workflow.NotCheckable.
func (p *Directory) Members(ctx context.Context, group string, fresh workflow.Freshness) (members []string, err error) {
	if fresh.Age > 0 {
		members, err = p.groups.recent(ctx, group, fresh.Age)
	} else {
		members, err = p.groups.since(ctx, group, p.orNow(fresh.Since))
	}
	switch code := slackapi.Code(err); {
	case err == nil:
		return members, nil
	case code == "no_such_subteam":
		return nil, errGroupGone
	case code != "" && slackapi.HadNoEffect(err):
		return nil, fmt.Errorf("%w: %s: %s", workflow.ErrGroupUnreadable, group, code)
	}
	return nil, &workflow.IneligibleError{Kind: workflow.NotCheckable, Err: err}
}

// orNow returns the time itself, or that of now where it is 0; of New for a directory that reads
// each group once.
func (p *Directory) orNow(since workflow.LogicalTime) workflow.LogicalTime {
	return cmp.Or(since, p.once, p.Now())
}

// Admins returns the people of the settings' admins, in groups as they were up to a minute ago, or
// as Slack last showed them where it does not any more: their accounts stay blocked. Whom Slack
// does not know is left out.
func (p *Directory) Admins(ctx context.Context) ([]workflow.Person, error) {
	var ids []string
	for _, entry := range p.admins {
		if !workflow.IsUserGroup(entry) {
			ids = append(ids, entry)
			continue
		}
		members, err := p.Members(ctx, entry, workflow.Freshness{Age: askFor})
		switch {
		case errors.Is(err, errGroupGone): // it makes nobody an admin any more
		case errors.Is(err, workflow.ErrGroupUnreadable):
			members = p.groups.lastShown(ctx, entry)
		case err != nil:
			return nil, err
		}
		ids = append(ids, members...)
	}
	slices.Sort(ids)
	var out []workflow.Person
	for _, id := range slices.Compact(ids) {
		person, err := p.recent(ctx, id)
		switch {
		case err == nil:
			out = append(out, person)
		case slackapi.Code(err) == "" || !slackapi.HadNoEffect(err):
			return nil, &workflow.IneligibleError{Kind: workflow.NotCheckable, Err: err}
		}
	}
	return out, nil
}

// recent returns a person as Slack showed them up to addressesFor ago.
func (p *Directory) recent(ctx context.Context, id string) (workflow.Person, error) {
	p.mu.Lock()
	k, ok := p.seen[id]
	p.mu.Unlock()
	if ok && time.Since(k.at) < addressesFor {
		return k.what, nil
	}
	at := time.Now()
	u, err := p.slack.Person(ctx, id)
	if err != nil {
		return workflow.Person{}, err
	}
	person := workflow.Person{ID: u.ID, Name: nameOf(u), Email: u.Profile.Email}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[id] = known[workflow.Person]{person, at}
	return person, nil
}
