package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// addressesFor is how old the address of an admin may be by which their own account is known. It may only refuse.
const addressesFor = 10 * time.Minute

// errGroupGone is a group that Slack does not have any more.
var errGroupGone = fmt.Errorf("%w: it is gone", workflow.ErrGroupUnreadable)

var _ workflow.People = (*people)(nil)

// People is who is who in Slack, for the workflow (workflow.Config.People). It can be asked once Run has learned who we are.
func (b *Bot) People() workflow.People { return b.people }

// NewPeople asks Slack who is who without a bot, for a command that only looks: each group is read once. Of cfg it needs the
// bot token, APIURL, HTTP, Admins and Requesters.
func NewPeople(ctx context.Context, cfg Config) (workflow.People, error) {
	if cfg.APIURL == "" {
		cfg.APIURL = defaultAPIURL
	}
	if cfg.HTTP == nil {
		cfg.HTTP = defaultHTTP()
	}
	client := slack.New(cfg.BotToken, slack.OptionAPIURL(cfg.APIURL), slack.OptionHTTPClient(cfg.HTTP))
	a := newAPI(client, cfg.Log, func(error) {})
	p := newPeople(a, cfg.Admins, cfg.Requesters)
	p.once = p.groups.now()
	err := a.call(ctx, "auth.test", func(ctx context.Context) error {
		answer, err := client.AuthTestContext(ctx)
		if err == nil {
			p.team, p.enterprise = answer.TeamID, answer.EnterpriseID
		}
		return err
	})
	return p, err
}

// stampKey is under which a context carries the stamp of the click that it belongs to, so that all reads of a group for one
// click can be the same.
type stampKey struct{}

func withStamp(ctx context.Context, came stamp) context.Context {
	return context.WithValue(ctx, stampKey{}, came)
}

// cameAt is the stamp of the click that the context belongs to; of now where it belongs to none.
func (p *people) cameAt(ctx context.Context) stamp {
	if came, ok := ctx.Value(stampKey{}).(stamp); ok && came != 0 {
		return came
	}
	if p.once != 0 {
		return p.once
	}
	return p.groups.now()
}

// Standing reads a person and their roles from Slack, now: with reads that went out after the click that the context belongs
// to. Whether they are an admin is found out only if that is asked, or if they have no other role: reads of groups are few.
// Every error is a *StrangerError of kind NotCheckable.
func (p *people) Standing(ctx context.Context, id string, admin bool) (workflow.Actor, error) {
	came := p.cameAt(ctx)
	fresh := func(ctx context.Context, group string) ([]string, error) { return p.groups.since(ctx, group, came) }
	who := check{adminsOf: fresh, requestersOf: fresh, anyRole: !admin}
	actor, err := p.check(ctx, id, "", who)
	stranger, is := errors.AsType[*StrangerError](err)
	switch {
	case is && stranger.Kind != NotCheckable, slackCode(err) == "user_not_found": // gone
		actor.Admin, actor.Requester = false, false
		return actor, nil
	case err != nil:
		return workflow.Actor{}, err
	}
	return actor, nil
}

// Members reads who is in a user group; age 0 means with a read that went out after the click that the context belongs to.
// A group that is gone, or that Slack will not show, is workflow.ErrGroupUnreadable: a rule must not end by deleting the
// group that it names. Every other error is a *StrangerError of kind NotCheckable.
func (p *people) Members(ctx context.Context, group string, age time.Duration) (members []string, err error) {
	if age > 0 {
		members, err = p.groups.lately(ctx, group, age)
	} else {
		members, err = p.groups.since(ctx, group, p.cameAt(ctx))
	}
	switch code := slackCode(err); {
	case err == nil:
		return members, nil
	case code == "no_such_subteam":
		return nil, errGroupGone
	case code != "" && surelyNot(err):
		return nil, fmt.Errorf("%w: %s: %s", workflow.ErrGroupUnreadable, group, code)
	}
	return nil, &StrangerError{Kind: NotCheckable, Err: err}
}

// Admins are the people of the settings' admins, in groups as they were up to a minute ago, or as Slack last showed them
// where it does not any more: their accounts stay blocked. Whom Slack does not know is left out.
func (p *people) Admins(ctx context.Context) ([]workflow.Person, error) {
	var ids []string
	for _, entry := range p.admins {
		if !workflow.IsUserGroup(entry) {
			ids = append(ids, entry)
			continue
		}
		members, err := p.Members(ctx, entry, askFor)
		switch {
		case errors.Is(err, errGroupGone): // it makes nobody an admin any more
		case errors.Is(err, workflow.ErrGroupUnreadable):
			members = p.groups.ever(ctx, entry)
		case err != nil:
			return nil, err
		}
		ids = append(ids, members...)
	}
	slices.Sort(ids)
	var out []workflow.Person
	for _, id := range slices.Compact(ids) {
		person, err := p.lately(ctx, id)
		switch {
		case err == nil:
			out = append(out, person)
		case slackCode(err) == "" || !surelyNot(err):
			return nil, &StrangerError{Kind: NotCheckable, Err: err}
		}
	}
	return out, nil
}

// lately is a person as Slack showed them up to addressesFor ago.
func (p *people) lately(ctx context.Context, id string) (workflow.Person, error) {
	p.mu.Lock()
	k, ok := p.seen[id]
	p.mu.Unlock()
	if ok && time.Since(k.at) < addressesFor {
		return k.what, nil
	}
	at := time.Now()
	u, err := p.slack.person(ctx, id)
	if err != nil {
		return workflow.Person{}, err
	}
	person := workflow.Person{ID: u.ID, Name: nameOf(u), Email: u.Profile.Email}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[id] = known[workflow.Person]{person, at}
	return person, nil
}
