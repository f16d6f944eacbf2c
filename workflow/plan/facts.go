package plan

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// askFacts reads what each row still needs, round by round: what was read may say that more is
// needed. What is not about one account is read once for all rows.
func (k *check) askFacts(ctx context.Context) error {
	k.relate() // what waits for nobody or for somebody blocked need not be asked about
	for {
		shared, ask := k.missingFacts()
		if len(shared) > 0 {
			if err := k.askShared(ctx, shared); err != nil {
				return err
			}
		} else if len(ask) > 0 {
			if err := k.askOwn(ctx, ask); err != nil {
				return err
			}
		} else {
			return nil
		}
		for _, d := range k.live() {
			if fact, err := k.unreadOf(d); err != nil {
				if errors.Is(err, workflow.ErrNotFound) && fact.AccountID != "" {
					d.Block(workflow.ReasonNotManaged, fact.AccountID)
				} else {
					d.unreadable(err)
				}
				continue
			}
			d.judge()
			if d.action.Order == nil {
				d.expand()
			}
		}
		refuseDuplicates(k.drafts)
		k.relate()
	}
}

// missingFacts are the facts about no account that live rows need and that nobody has asked for yet, and
// the rows that need one about an account.
func (k *check) missingFacts() (shared []workflow.Fact, ask []*draft) {
	seen := map[workflow.Fact]bool{}
	for _, d := range k.live() {
		own := false
		for _, fact := range d.action.Reads(d.Row, &d.Facts) {
			switch {
			case k.learned(fact):
			case fact.AccountID != "":
				own = true
			case !seen[fact]:
				seen[fact] = true
				shared = append(shared, fact)
			}
		}
		if own {
			ask = append(ask, d)
		}
	}
	return shared, ask
}

// unreadOf is a fact that the row cannot do without and that could not be read, and why.
func (k *check) unreadOf(d *draft) (workflow.Fact, error) {
	for _, fact := range d.action.Reads(d.Row, &d.Facts) {
		err := k.known.Unread[fact]
		if err != nil && (d.action.Spares == nil || !d.action.Spares(fact, &d.Facts)) {
			return fact, err
		}
	}
	return workflow.Fact{}, nil
}

// askShared asks about what is no account's: all questions of one kind about one place together, so that the reader can
// put many into one call.
func (k *check) askShared(ctx context.Context, facts []workflow.Fact) error {
	type kind struct {
		workflow.FactKind
		workflow.Endpoint
	}
	var kinds []kind
	together := map[kind][]workflow.Fact{}
	for _, fact := range facts {
		of := kind{fact.Kind, fact.Endpoint}
		if together[of] == nil {
			kinds = append(kinds, of)
		}
		together[of] = append(together[of], fact)
	}
	for _, of := range kinds {
		var answers workflow.Answers
		err := k.outage.ask(ctx, func() (err error) {
			answers, err = k.Reader.Read(ctx, together[of]...)
			return err
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k.learn(together[of], answers, err)
	}
	return nil
}

// askOwn asks about accounts, each row for all that it needs of its own, one reading after the other: a
// row that waited for the others between two readings would leave an endpoint idle while another one is
// at its limit.
func (k *check) askOwn(ctx context.Context, ask []*draft) error {
	return k.each(ctx, allAsked, ask, func(ctx context.Context, d *draft) error {
		for facts := k.claim(d); len(facts) > 0; facts = k.claim(d) {
			answers, err := k.read(ctx, facts)
			if err != nil {
				return err
			}
			k.learn(facts, answers, nil)
		}
		return nil
	}, func(d *draft, err error) {
		k.learn(k.claimed(d), nil, err)
	})
}

// claim are the facts about its account that a row needs by what is known of it, and that it reads now: none
// where that speaks against the row. What another row is reading is told by the next round.
func (k *check) claim(d *draft) []workflow.Fact {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d.judge(); !d.Live() {
		return nil
	}
	if k.reading == nil {
		k.reading = map[workflow.Fact]*draft{}
	}
	var free []workflow.Fact
	for _, fact := range d.action.Reads(d.Row, &d.Facts) {
		if fact.AccountID != "" && k.reading[fact] == nil && !k.learned(fact) {
			k.reading[fact] = d
			free = append(free, fact)
		}
	}
	return free
}

// claimed are the facts that the row is reading.
func (k *check) claimed(d *draft) []workflow.Fact {
	k.mu.Lock()
	defer k.mu.Unlock()
	var facts []workflow.Fact
	for fact, by := range k.reading {
		if by == d {
			facts = append(facts, fact)
		}
	}
	return facts
}

// learned reports whether a fact was read, or could not be, or is read in bulk; the caller holds mu.
func (k *check) learned(fact workflow.Fact) bool {
	_, known := k.known.Answers[fact]
	_, failed := k.known.Unread[fact]
	return known || failed || fact.Kind == workflow.KindHolders || fact.Kind == workflow.KindDomains
}

// read answers facts about one account: what is known here, and of the rest what the directory
// says within the outage budget.
func (k *check) read(ctx context.Context, facts []workflow.Fact) (workflow.Answers, error) {
	here := workflow.Answers{}
	ask := slices.DeleteFunc(slices.Clone(facts), func(fact workflow.Fact) bool { return fact.Kind == workflow.KindEarlier })
	if len(ask) > 0 {
		err := k.outage.ask(ctx, func() error {
			answers, err := k.Reader.Read(ctx, ask...)
			maps.Copy(here, answers)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, fact := range facts {
		if fact.Kind != workflow.KindEarlier {
			continue
		}
		here[fact] = nil
		if k.Deletion == nil {
			continue
		}
		deletion, err := k.Deletion(ctx, fact.AccountID)
		if err != nil {
			return nil, err
		}
		if deletion.Before != "" {
			here[fact] = []workflow.Values{workflow.Of(workflow.FieldStatus, string(deletion.Before))}
		}
	}
	return here, nil
}

// learn keeps what was read of the facts, or why it was not. What was learned first stays: rows were
// judged by it.
func (k *check) learn(facts []workflow.Fact, answers workflow.Answers, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, fact := range facts {
		delete(k.reading, fact)
		_, known := k.known.Answers[fact]
		_, failed := k.known.Unread[fact]
		if known || failed {
			continue
		}
		if err != nil {
			k.known.Unread[fact] = err
		} else {
			if !slices.EqualFunc(answers[fact], k.latest, workflow.Values.Equal) {
				k.latest = answers[fact]
			}
			k.known.Answers[fact] = k.latest
		}
	}
}
