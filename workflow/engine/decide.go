package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// errOverdue is a decision on a plan whose time is up, errMoved an approval for which somebody else
// was faster: what was found out for it is out of date.
var (
	errOverdue = errors.New("the batch has expired")
	errMoved   = errors.New("somebody else approved meanwhile")
)

// Decide takes an admin's verdict on the plan with that digest. With the last approval that is
// needed the batch is approved and starts by itself; one rejection ends it.
//
// An approval counts only if everything still holds at this click: the person is entitled, so are
// the requester and all who approved before (who is not drops out), nothing in the plan is
// protected by the settings of today, and the rules of today ask for no more. Errors: StateError,
// GuardError, the kinds of error.go, and those of People.
func (e *Engine) Decide(
	ctx context.Context, number int64, actor workflow.Actor, verdict workflow.Verdict, digest, reason string,
) (*workflow.Batch, error) {
	var b *workflow.Batch
	var err error
	if verdict == workflow.Reject {
		b, err = e.reject(ctx, number, actor, digest, workflow.CutAt(reason, maxReason))
	} else {
		b, err = e.approve(ctx, number, actor, digest)
	}
	if errors.Is(err, errOverdue) { // the click came before the clockwork did
		if b, err = e.expire(ctx, number); err == nil {
			err = workflow.NewStateError(b, workflow.Approved)
		}
	}
	poke(e.wake)
	return b, e.toldHow(ctx, number, err)
}

func (e *Engine) reject(ctx context.Context, number int64, actor workflow.Actor, digest, reason string) (*workflow.Batch, error) {
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if known, err := e.identified(ctx, b, actor); err == nil { // a rejection waits for nobody
		actor = known
	}
	return e.endUnstarted(ctx, number, workflow.NewReason(workflow.ReasonNotRun, "rejected", nameOf(actor.Person)), func(b *workflow.Batch) error {
		now := time.Now()
		if err := e.mayDecideNow(b, actor, workflow.Reject, digest, now); err != nil {
			return err
		}
		b.Decide(workflow.Decision{Person: actor.Person, Verdict: workflow.Reject, Digest: digest, Reason: reason, At: now})
		b.Ending = &workflow.Ending{By: actor.Person, How: workflow.Rejected, Reason: reason, At: now}
		return b.End(workflow.Rejected, now)
	})
}

// approve finds out what the approval depends on, and counts it in one transaction if nothing has
// moved by then.
func (e *Engine) approve(ctx context.Context, number int64, actor workflow.Actor, digest string) (*workflow.Batch, error) {
	for {
		b, err := e.store.Batch(ctx, number)
		if err != nil {
			return nil, err
		}
		if err := e.mayDecideNow(b, actor, workflow.Approve, digest, time.Now()); err != nil {
			return nil, err
		}
		if actor, err = e.identified(ctx, b, actor); err != nil {
			return nil, err
		}
		if err := e.mayDecideNow(b, actor, workflow.Approve, digest, time.Now()); err != nil {
			return nil, err
		}
		found, err := e.weigh(ctx, b, actor)
		if err != nil {
			return nil, err
		}
		if err := e.planReturn(ctx, b, found); err != nil {
			return nil, err
		}
		b, err = e.takeIn(ctx, b, actor, digest, found)
		if errors.Is(err, errMoved) && ctx.Err() == nil {
			continue
		}
		return b, err
	}
}

// takeIn counts an approval, if nothing has moved since what it depends on was found out, and if
// the accounts are within the limits of a day.
func (e *Engine) takeIn(ctx context.Context, b *workflow.Batch, actor workflow.Actor, digest string, found *weighed) (*workflow.Batch, error) {
	count := func(b *workflow.Batch) error {
		now := time.Now()
		if err := e.mayDecideNow(b, actor, workflow.Approve, digest, now); err != nil {
			return err
		}
		if !slices.Equal(idsOf(b.Approvers()), found.approvers) {
			return errMoved
		}
		if err := countApproval(b, actor.Person, found, now); err != nil {
			return err
		}
		if b.State == workflow.Approved && b.When.Ends() {
			e.bringReturn(b, found.token, found.planned, now)
		}
		return nil
	}
	if requester, all := e.cfg.Policy.DayLimits(); !requester && !all {
		return e.store.Update(ctx, b.Number, count)
	}
	return e.store.Approve(ctx, b.Number, time.Now().Add(-dayLong), func(b *workflow.Batch, touched workflow.Touched) error {
		if why := e.cfg.Policy.OverDay(found.accounts, touched.Own, touched.All); why.Code != "" {
			return &workflow.GuardError{Code: why.Code, Facts: why.Facts}
		}
		return count(b)
	})
}

// mayDecideNow returns nil if the person may approve or reject this plan now, as far as the batch
// itself tells.
func (e *Engine) mayDecideNow(b *workflow.Batch, actor workflow.Actor, verdict workflow.Verdict, digest string, now time.Time) error {
	act := workflow.ActApprove
	if verdict == workflow.Reject {
		act = workflow.ActReject
	}
	if err := workflow.May(act, b, actor); err != nil {
		return err
	}
	switch {
	case verdict == workflow.Approve && b.OrgID != e.cfg.OrgID:
		return workflow.ErrOtherOrg
	case digest != b.Digest:
		return workflow.ErrStaleDigest
	case !now.Before(b.Expires):
		return errOverdue
	}
	return nil
}

// standing is who asked for a batch and who approved it, as Slack shows them now.
type standing struct {
	humans    workflow.Humans
	askers    []workflow.Person // requester and author, as they are and as they were when they asked
	approvers []workflow.Person // who approved and still could
	lost      []string          // who approved and could not any more
}

// standing reads who asked and who approved, by reads that began after the act of who clicks.
// ErrRequesterLost says that who asked may not ask any more.
func (e *Engine) standing(ctx context.Context, b *workflow.Batch, clicks workflow.Actor) (*standing, error) {
	since := clicks.Received
	requester, err := e.cfg.People.Standing(ctx, b.Requester.ID, false, since)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", workflow.ErrOthersUnknown, err)
	}
	if workflow.May(workflow.ActAsk, nil, requester) != nil {
		return nil, workflow.ErrRequesterLost
	}
	s := &standing{askers: []workflow.Person{b.Requester, b.Author, requester.Person}}
	if s.humans, err = e.humans(ctx, b, append(b.People(), clicks.Person)...); err != nil {
		return nil, err
	}
	if b.Author.ID != b.Requester.ID {
		author, err := e.cfg.People.Standing(ctx, b.Author.ID, false, since)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", workflow.ErrOthersUnknown, err)
		}
		if author.ID != "" { // else they are gone, and are who they were
			s.askers = append(s.askers, author.Person)
		}
	}
	for _, id := range idsOf(b.Approvers()) {
		now, err := e.cfg.People.Standing(ctx, id, true, since)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", workflow.ErrOthersUnknown, err)
		}
		if workflow.MayApprove(now) != nil || s.asked(now.Person) || s.approved(now.Person) {
			s.lost = append(s.lost, id)
		} else {
			s.approvers = append(s.approvers, now.Person)
		}
	}
	return s, nil
}

// asked reports whether the person is the same human as somebody who asked, as these were then or
// are now.
func (s *standing) asked(p workflow.Person) bool {
	return slices.ContainsFunc(s.askers, func(a workflow.Person) bool { return s.humans.Same(p, a) })
}

func (s *standing) approved(p workflow.Person) bool {
	return slices.ContainsFunc(s.approvers, func(a workflow.Person) bool { return s.humans.Same(p, a) })
}

// lose takes the approvals away from whose own accounts the plan is about now.
func (s *standing) lose(owned map[string][]int) {
	s.approvers = slices.DeleteFunc(s.approvers, func(p workflow.Person) bool {
		if owned[p.ID] != nil {
			s.lost = append(s.lost, p.ID)
		}
		return owned[p.ID] != nil
	})
}

// weighed is what was found out for an approval.
type weighed struct {
	approvers []string // whose approvals counted when it was found out
	dropped   []string // of these, who could not approve any more
	demand    workflow.Demand
	accounts  []string          // that the plan is about
	planned   []workflow.Change // of a plan with an end: what its return is made of
	token     string            // and the id that this gets
}

// weigh asks Slack and the store for everything that an approval depends on besides the batch and
// the person who clicked, and the limits of a day.
func (e *Engine) weigh(ctx context.Context, b *workflow.Batch, actor workflow.Actor) (*weighed, error) {
	people, err := e.standing(ctx, b, actor)
	switch {
	case err != nil:
		return nil, err
	case people.asked(actor.Person):
		return nil, workflow.ErrSameHuman
	case people.approved(actor.Person):
		return nil, workflow.ErrAlready
	}
	asker, err := e.asker(ctx, b, workflow.Freshness{Since: actor.Received})
	if err != nil {
		return nil, err
	}
	own := slices.Concat([]workflow.Person{actor.Person}, people.askers, people.approvers)
	accounts, owned, err := e.guardPlan(ctx, b, asker, own)
	if err != nil {
		return nil, err
	}
	if owned[actor.ID] != nil {
		return nil, workflow.ErrOwnAccount
	}
	people.lose(owned)
	demand, err := e.demand(ctx, b, asker, people.askers...)
	if err == nil && len(asker.Unread) > 0 && demand.Approvals > b.Approvals {
		// What nobody can read now does not raise for good what the batch needs; the click can be
		// made again.
		return nil, &workflow.UnreadGroupsError{
			Groups: asker.Unread, Rules: e.cfg.Policy.RuleGroups(), Emergency: e.cfg.Policy.EmergencyGroup(),
		}
	}
	return &weighed{approvers: idsOf(b.Approvers()), dropped: people.lost, demand: demand, accounts: accounts}, err
}

func idsOf(people []workflow.Person) []string {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	return ids
}

// countApproval takes an approval in: who dropped out does not count any more, and where the rules
// now ask for more than the plan did the batch waits for it.
func countApproval(b *workflow.Batch, by workflow.Person, found *weighed, now time.Time) error {
	for _, id := range found.dropped {
		b.Dropped = append(slices.Clip(b.Dropped), id)
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: workflow.EventDropped, Data: workflow.EventData(map[string]any{"person": id})})
	}
	if found.demand.Approvals > b.Approvals {
		b.Approvals, b.Why = found.demand.Approvals, found.demand.Why
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: workflow.EventNeedsMore, Data: workflow.EventData(map[string]any{
			"approvals": b.Approvals, "why": b.Why,
		})})
	}
	b.Decide(workflow.Decision{Person: by, Verdict: workflow.Approve, Digest: b.Digest, At: now})
	if b.Missing() > 0 {
		return nil
	}
	b.Approved = now
	return b.Move(workflow.Approved)
}

// guarded changes a batch that was approved before, if it may go on by the settings and people of
// today, read after since. may is called twice, before anybody else is asked and in the
// transaction, and returns an error if the person may not do it at all.
func (e *Engine) guarded(
	ctx context.Context, number int64, actor workflow.Actor, may, change func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if err := may(b); err != nil {
		return nil, err
	}
	if err := e.goOn(ctx, b, actor); err != nil {
		return nil, err
	}
	return e.store.Update(ctx, number, func(b *workflow.Batch) error {
		if err := may(b); err != nil {
			return err
		}
		return change(b)
	})
}

// goOn returns an error if a batch that was approved may not go on, by the settings and the people
// of today. Resume and Retry depend on it.
func (e *Engine) goOn(ctx context.Context, b *workflow.Batch, actor workflow.Actor) error {
	stopped := b.State == workflow.Paused && b.Stop.ByBot() // what has ended since waits for nobody else
	if b.Link == workflow.LinkReturn {                      // approved with what it takes back, whatever became of people since
		known, err := e.identified(ctx, b, actor)
		if err == nil && stopped {
			err = workflow.May(workflow.ActResume, b, known)
		}
		return err
	}
	people, err := e.standing(ctx, b, actor)
	if err != nil {
		return err
	}
	if people.asked(actor.Person) && b.Waiting() && actor.ID != "" {
		return workflow.ErrSameHuman
	}
	if stopped && people.asked(actor.Person) {
		return workflow.ErrMayNotResume
	}
	asker, err := e.asker(ctx, b, workflow.Freshness{Since: actor.Received})
	if err != nil {
		return err
	}
	_, owned, err := e.guardPlan(ctx, b, asker, slices.Concat(people.askers, people.approvers))
	if err != nil {
		return err
	}
	people.lose(owned)
	// What others asked for since is no reason to stop what was approved before it.
	demand := workflow.UntoldApart(e.cfg.Policy.Demand(b.Traits, asker, 0), people.askers...)
	need := demand.Approvals
	if len(people.lost) > 0 {
		need = max(need, b.Approvals)
	}
	if has := len(people.approvers); need > has {
		why := demand.Why
		if need > demand.Approvals {
			why = b.Why
		}
		return &workflow.NeedsMoreError{Has: has, Need: need, Why: why, Lost: people.lost}
	}
	return nil
}

// demand returns what the policy asks of a batch with a plan, requested by asker, and what it takes
// that people are told apart from who asked.
func (e *Engine) demand(ctx context.Context, b *workflow.Batch, asker workflow.Asker, askers ...workflow.Person) (workflow.Demand, error) {
	recent := 0
	if e.cfg.Policy.NeedsRecent() {
		var err error
		recent, err = e.store.RecentChanges(ctx, time.Now().Add(-dayLong), asker.People, b.Number)
		if err != nil {
			return workflow.Demand{}, fmt.Errorf("count recent changes: %w", err)
		}
	}
	demand := e.cfg.Policy.Demand(b.Traits, asker, recent)
	if asker.Unclear && demand.Approvals > 1 {
		demand.Why = append(demand.Why, "Slack does not show the emergency group "+e.cfg.Policy.EmergencyGroup()+
			", so nothing is an emergency now")
	}
	return workflow.UntoldApart(demand, askers...), nil
}

// asker finds out what the rules ask about who asked for the batch. What is known of user groups is
// as fresh as is asked for. It is an emergency only where the requester wrote the reason
// themselves: not one of a batch that was made of another one, but for the rest of it, nor one for
// which a time was asked. Nor does a batch become one later on: nobody would be told.
func (e *Engine) asker(ctx context.Context, b *workflow.Batch, fresh workflow.Freshness) (workflow.Asker, error) {
	a, err := workflow.ReadAsker(ctx, e.cfg.People, e.cfg.Policy, b.Requester.ID, b.Author.ID, fresh)
	own := b.Follows == 0 || b.Link == workflow.LinkRest
	stated := b.OwnReason && strings.TrimSpace(b.Reason) != ""
	may := b.When.IsZero() && (b.Emergency || b.State == workflow.Planning) && own && stated
	group := e.cfg.Policy.EmergencyGroup()
	a.Emergency, a.Unclear = a.Emergency && may, may && group != "" && slices.Contains(a.Unread, group)
	return a, err
}

// askAge is how old what is known of a user group may be for what only asks, and for the first look
// at a plan; the click looks again.
const askAge = time.Minute
