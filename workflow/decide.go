package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// errOverdue is a decision on a plan whose time is up, errMoved an approval for which somebody else was faster: what was
// found out for it is out of date.
var (
	errOverdue = errors.New("the batch has expired")
	errMoved   = errors.New("somebody else approved meanwhile")
)

// Decide takes an admin's verdict on the plan with that digest. With the last approval that is needed the batch is
// approved and starts by itself; one rejection ends it.
//
// An approval counts only if everything still holds at this click: the person is entitled, so are the requester and all who
// approved before (who is not drops out), nothing in the plan is protected by the settings of today, and the rules of today
// ask for no more. Errors: StateError, GuardError, the kinds of error.go, and those of People.
func (e *Engine) Decide(
	ctx context.Context, number int64, actor Actor, verdict Verdict, digest, reason string,
) (*Batch, error) {
	var b *Batch
	var err error
	if verdict == Reject {
		b, err = e.reject(ctx, number, actor, digest, cutAt(reason, maxReason))
	} else {
		b, err = e.approve(ctx, number, actor, digest)
	}
	if errors.Is(err, errOverdue) { // the click came before the clockwork did
		if b, err = e.expire(ctx, number); err == nil {
			err = stateError(b, Approved)
		}
	}
	poke(e.wake)
	return b, e.toldHow(ctx, number, err)
}

func (e *Engine) reject(ctx context.Context, number int64, actor Actor, digest, reason string) (*Batch, error) {
	return e.endUnstarted(ctx, number, NewReason(ReasonNotRun, "rejected", nameOf(actor.Person)), func(b *Batch) error {
		now := time.Now()
		if err := e.mayDecideNow(b, actor, Reject, digest, now); err != nil {
			return err
		}
		b.decide(Decision{Person: actor.Person, Verdict: Reject, Digest: digest, Reason: reason, At: now})
		b.Ending = &Ending{By: actor.Person, How: Rejected, Reason: reason, At: now}
		return b.end(Rejected, now)
	})
}

// approve finds out what the approval depends on, and counts it in one transaction if nothing has moved by then.
func (e *Engine) approve(ctx context.Context, number int64, actor Actor, digest string) (*Batch, error) {
	for {
		b, err := e.store.Batch(ctx, number)
		if err != nil {
			return nil, err
		}
		if err := e.mayDecideNow(b, actor, Approve, digest, time.Now()); err != nil {
			return nil, err
		}
		found, err := e.weigh(ctx, b, actor)
		if err != nil {
			return nil, err
		}
		b, err = e.takeIn(ctx, b, actor, digest, found)
		if errors.Is(err, errMoved) && ctx.Err() == nil {
			continue
		}
		return b, err
	}
}

// takeIn counts an approval, if nothing has moved since what it depends on was found out. One at a time: of two batches
// that are within the limits of a day only by themselves, the second finds the first approved.
func (e *Engine) takeIn(ctx context.Context, b *Batch, actor Actor, digest string, found *weighed) (*Batch, error) {
	e.approving.Lock()
	defer e.approving.Unlock()
	why, err := e.budget(ctx, found.accounts, []string{b.Requester.ID, b.Author.ID}, b.Number)
	switch {
	case err != nil:
		return nil, err
	case why.Code != "":
		return nil, &GuardError{Code: why.Code, Facts: why.Facts}
	}
	return e.store.Update(ctx, b.Number, func(b *Batch) error {
		now := time.Now()
		if err := e.mayDecideNow(b, actor, Approve, digest, now); err != nil {
			return err
		}
		if !slices.Equal(idsOf(b.Approvers()), found.approvers) {
			return errMoved
		}
		return b.count(actor.Person, found, now)
	})
}

// mayDecideNow says whether the person may approve or reject this plan now, as far as the batch itself tells.
func (e *Engine) mayDecideNow(b *Batch, actor Actor, verdict Verdict, digest string, now time.Time) error {
	to := Approved
	if verdict == Reject {
		to = Rejected
	}
	if b.State != AwaitingApproval {
		return stateError(b, to)
	}
	if err := mayDecide(b, actor, verdict); err != nil {
		return err
	}
	switch {
	case verdict == Approve && b.OrgID != e.cfg.OrgID:
		return ErrOtherOrg
	case digest != b.Digest:
		return ErrStaleDigest
	case !now.Before(b.Expires):
		return errOverdue
	}
	return nil
}

// mayDecide says whether somebody may approve or reject the batch, as far as it depends on who they are.
func mayDecide(b *Batch, actor Actor, verdict Verdict) error {
	switch {
	case !actor.HasRole():
		return ErrNoRole
	case b.involves(actor.Person):
		return ErrOwnBatch
	case !actor.Admin:
		return ErrNotAdmin
	case b.askedAs(actor.Person):
		return ErrSameHuman
	case verdict == Approve && actor.Email == "":
		return ErrHiddenAddress
	case verdict == Approve && slices.ContainsFunc(b.Approvers(), func(p Person) bool {
		return p.ID == actor.ID || sameHuman(p, actor.Person) // one human with two accounts counts once
	}):
		return ErrAlready
	}
	return nil
}

// MayApprove says by an error why the person may not approve the batch that waits for approval, as far as it depends on who
// they are; nil when they may. It is for telling people apart, and decides nothing: Decide looks again.
func MayApprove(b *Batch, actor Actor) error { return mayDecide(b, actor, Approve) }

// Approvable says by an error why the person may not approve a batch by what it is about: their own account, or what the
// settings protect by now. Like MayApprove it decides nothing.
func (e *Engine) Approvable(ctx context.Context, b *Batch, actor Actor) error {
	asker, err := e.asker(ctx, b, askAge)
	if err != nil {
		return err
	}
	_, owned, err := e.guardPlan(ctx, b, asker, []Person{actor.Person})
	if err == nil && owned[actor.ID] != nil {
		err = ErrOwnAccount
	}
	return err
}

func sameHuman(a, b Person) bool { return a.Email != "" && SameAddress(a.Email, b.Email) }

// standing is who asked for a batch and who approved it, as Slack shows them now.
type standing struct {
	askers    []Person // requester and author, as they are and as they were when they asked
	approvers []Person // who approved and still could
	lost      []string // who approved and could not any more
}

// standing reads who asked and who approved. ErrRequesterLost says that who asked may not ask any more.
func (e *Engine) standing(ctx context.Context, b *Batch) (*standing, error) {
	requester, err := e.cfg.People.Standing(ctx, b.Requester.ID, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOthersUnknown, err)
	}
	if !requester.HasRole() {
		return nil, ErrRequesterLost
	}
	s := &standing{askers: []Person{b.Requester, b.Author, requester.Person}}
	if b.Author.ID != b.Requester.ID {
		author, err := e.cfg.People.Standing(ctx, b.Author.ID, false)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOthersUnknown, err)
		}
		s.askers = append(s.askers, author.Person)
	}
	for _, id := range idsOf(b.Approvers()) {
		now, err := e.cfg.People.Standing(ctx, id, true)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOthersUnknown, err)
		}
		if !now.Admin || now.Email == "" || s.asked(now.Person) || s.approved(now.Person) {
			s.lost = append(s.lost, id)
		} else {
			s.approvers = append(s.approvers, now.Person)
		}
	}
	return s, nil
}

// asked says whether the person has the address of who asked: it may have changed since they did.
func (s *standing) asked(p Person) bool {
	return slices.ContainsFunc(s.askers, func(a Person) bool { return sameHuman(p, a) })
}

func (s *standing) approved(p Person) bool {
	return slices.ContainsFunc(s.approvers, func(a Person) bool { return sameHuman(p, a) })
}

// lose takes the approvals away from whose own accounts the plan is about by now.
func (s *standing) lose(owned map[string][]int) {
	s.approvers = slices.DeleteFunc(s.approvers, func(p Person) bool {
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
	demand    Demand
	accounts  []string // that the plan is about
}

// weigh asks Slack and the store for everything that an approval depends on besides the batch and the person who clicked,
// and the limits of a day.
func (e *Engine) weigh(ctx context.Context, b *Batch, actor Actor) (*weighed, error) {
	people, err := e.standing(ctx, b)
	switch {
	case err != nil:
		return nil, err
	case people.asked(actor.Person):
		return nil, ErrSameHuman
	case people.approved(actor.Person):
		return nil, ErrAlready
	}
	asker, err := e.asker(ctx, b, 0)
	if err != nil {
		return nil, err
	}
	own := slices.Concat([]Person{actor.Person}, people.askers, people.approvers)
	accounts, owned, err := e.guardPlan(ctx, b, asker, own)
	if err != nil {
		return nil, err
	}
	if owned[actor.ID] != nil {
		return nil, ErrOwnAccount
	}
	people.lose(owned)
	demand, err := e.demand(ctx, b, asker)
	if err == nil && len(asker.Unread) > 0 && demand.Approvals > b.Approvals {
		// What nobody can read just now does not raise for good what the batch needs; the click can be made again.
		return nil, ErrGroupUnreadable
	}
	return &weighed{approvers: idsOf(b.Approvers()), dropped: people.lost, demand: demand, accounts: accounts}, err
}

func idsOf(people []Person) []string {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	return ids
}

// count takes an approval in: who dropped out does not count any more, and where the rules now ask for more than the plan
// did the batch waits for it.
func (b *Batch) count(by Person, found *weighed, now time.Time) error {
	for _, id := range found.dropped {
		b.Dropped = append(slices.Clip(b.Dropped), id)
		b.Record(Event{At: now, Actor: Bot, Kind: EventDropped, Data: data(map[string]any{"person": id})})
	}
	if found.demand.Approvals > b.Approvals {
		b.Approvals, b.Why = found.demand.Approvals, found.demand.Why
		b.Record(Event{At: now, Actor: Bot, Kind: EventNeedsMore, Data: data(map[string]any{
			"approvals": b.Approvals, "why": b.Why,
		})})
	}
	b.decide(Decision{Person: by, Verdict: Approve, Digest: b.Digest, At: now})
	if b.Missing() > 0 {
		return nil
	}
	b.Approved = now
	return b.Move(Approved)
}

// decide notes a verdict. An approval that had dropped out and is given again counts again; it stays one decision.
func (b *Batch) decide(d Decision) {
	b.Record(Event{At: d.At, Actor: d.Person.ID, Kind: string(d.Verdict), Data: data(map[string]any{
		"digest": d.Digest, "reason": d.Reason,
	})})
	if i := slices.Index(b.Dropped, d.Person.ID); i >= 0 && d.Verdict == Approve {
		b.Dropped = slices.Delete(slices.Clone(b.Dropped), i, i+1)
		return
	}
	b.Decisions = append(b.Decisions, d)
}

// guarded changes a batch that was approved before, if it may go on by the settings and people of today. may says whether
// the person may do it at all; it is asked before anybody else is, and again in the transaction.
func (e *Engine) guarded(ctx context.Context, number int64, may, change func(*Batch) error) (*Batch, error) {
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if err := may(b); err != nil {
		return nil, err
	}
	if err := e.goOn(ctx, b); err != nil {
		return nil, err
	}
	return e.store.Update(ctx, number, func(b *Batch) error {
		if err := may(b); err != nil {
			return err
		}
		return change(b)
	})
}

// goOn says why a batch that was approved may not go on just now, by the settings and the people of today: what a click on
// Resume or Retry has to heed.
func (e *Engine) goOn(ctx context.Context, b *Batch) error {
	people, err := e.standing(ctx, b)
	if err != nil {
		return err
	}
	asker, err := e.asker(ctx, b, 0)
	if err != nil {
		return err
	}
	_, owned, err := e.guardPlan(ctx, b, asker, slices.Concat(people.askers, people.approvers))
	if err != nil {
		return err
	}
	people.lose(owned)
	// What others asked for since is no reason to stop what was approved before it.
	demand := e.cfg.Policy.Demand(b.Traits, asker, 0)
	need := demand.Approvals
	if len(people.lost) > 0 {
		need = max(need, b.Approvals)
	}
	if has := len(people.approvers); need > has {
		why := demand.Why
		if need > demand.Approvals {
			why = b.Why
		}
		return &NeedsMoreError{Has: has, Need: need, Why: why, Lost: people.lost}
	}
	return nil
}

// demand says what the policy asks of a batch with a plan that they asked for.
func (e *Engine) demand(ctx context.Context, b *Batch, asker Asker) (Demand, error) {
	lately := 0
	if e.cfg.Policy.NeedsLately() {
		var err error
		lately, err = e.store.Lately(ctx, time.Now().Add(-dayLong), asker.People, b.Number)
		if err != nil {
			return Demand{}, fmt.Errorf("count what was asked for lately: %w", err)
		}
	}
	return e.cfg.Policy.Demand(b.Traits, asker, lately), nil
}

// asker finds out what the rules ask about who asked for the batch. What is known of user groups may be as old as age. An
// emergency without a reason of the requester's own is none: not one of a batch that was made of another one, but for the
// rest of it. Nor does a batch become one later on: nobody would be told.
func (e *Engine) asker(ctx context.Context, b *Batch, age time.Duration) (Asker, error) {
	a, err := e.cfg.Policy.Asker(ctx, e.cfg.People, b.Requester.ID, b.Author.ID, age)
	own := b.Follows == 0 || b.Link == LinkRest
	a.Emergency = a.Emergency && (b.Emergency || b.State == Planning) && own && strings.TrimSpace(b.Reason) != ""
	return a, err
}

// needsReason refuses a request that must say why and does not.
func (e *Engine) needsReason(ctx context.Context, req Request) error {
	if strings.TrimSpace(req.Reason) != "" {
		return nil
	}
	if e.cfg.RequireReason {
		return ErrNeedsReason
	}
	if e.cfg.Policy.Emergency == "" {
		return nil
	}
	members, err := e.cfg.People.Members(ctx, e.cfg.Policy.Emergency, askAge)
	if err == nil && slices.Contains(members, req.Requester.ID) {
		return ErrNeedsReason
	}
	if errors.Is(err, ErrGroupUnreadable) {
		return nil // then it is no emergency either
	}
	return err
}

// askAge is how old what is known of a user group may be for what only asks, and for the first look at a plan; the click
// looks again.
const askAge = time.Minute
