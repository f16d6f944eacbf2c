package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"golang.org/x/sync/errgroup"
)

// askDomains lets the rows be judged by the organisation's domains that need to be.
func (k *check) askDomains(ctx context.Context) error {
	need := slices.DeleteFunc(k.live(), func(d *draft) bool {
		return !slices.Contains(d.action.Reads(d.Row, &d.Facts), workflow.DomainsFact())
	})
	if len(need) == 0 {
		return nil
	}
	var claims []workflow.DomainClaim
	failed := k.outage.ask(ctx, func() (err error) {
		claims, err = k.Reader.Domains(ctx)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed != nil {
		for _, d := range need {
			d.Block(workflow.ReasonCouldNotCheck, whyNot(failed))
		}
		return nil
	}
	k.known.Domains = workflow.NewVerifiedDomains(claims)
	for _, d := range need {
		d.judge()
	}
	return nil
}

// askHolds blocks what belongs to another open batch.
func (k *check) askHolds(ctx context.Context) error {
	if k.Held == nil {
		return nil
	}
	var keys []string
	var ask []*draft
	for _, d := range k.live() {
		if mine := d.keys(); !d.asked && len(mine) > 0 {
			keys = append(keys, mine...)
			ask = append(ask, d)
			d.asked = true
		}
	}
	if len(keys) == 0 {
		return nil
	}
	held, err := k.Held(ctx, keys)
	if err != nil {
		return fmt.Errorf("ask what other batches hold: %w", err)
	}
	for _, d := range ask {
		for _, key := range d.keys() {
			h, taken := held[key]
			if !taken {
				continue
			}
			// A leaver must be locked out at once: what locks out is held up only by a call that is
			// under way now, and then leaves the hold where it is.
			if d.action.Locks && !h.Acting {
				d.yields = true
				continue
			}
			d.Block(workflow.ReasonHeld, strconv.FormatInt(h.Batch, 10))
			break
		}
	}
	return nil
}

// askNeeds finds out what the rows need of each other: addresses by way of which others are
// exchanged.
func (k *check) askNeeds(ctx context.Context) error {
	k.relate()
	var addresses []string
	for _, d := range k.live() {
		for _, need := range d.Needs {
			addresses = append(addresses, need.Arg)
		}
	}
	if len(addresses) == 0 {
		return nil
	}
	holders, err := k.holders(ctx, addresses)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, d := range k.live() {
		if len(d.Needs) == 0 {
			continue
		}
		if err != nil {
			d.Block(workflow.ReasonCouldNotCheck, whyNot(err))
			continue
		}
		for _, to := range setAddresses(d.Steps) {
			if k.Guard.Protects(to) {
				d.Block(workflow.ReasonProtected, to)
			}
		}
		for _, need := range d.Needs {
			k.known.Holders[need.Arg] = holders[need.Arg]
			unshown, found := errors.AsType[*workflow.Unshown](k.known.Unread[need])
			if !found {
				continue
			}
			if id := unshown.Holders[need.Arg]; id != "" {
				d.Block(workflow.ReasonHolderHidden, need.Arg, id)
			} else {
				d.Block(workflow.ReasonCouldNotCheck, whyNot(unshown))
			}
		}
	}
	return nil
}

// setAddresses are the addresses that steps set.
func setAddresses(steps []workflow.Step) []string {
	var out []string
	for i := range steps {
		if to := steps[i].Set.Get(workflow.FieldEmail); to != "" {
			out = append(out, to)
		}
	}
	return out
}

// each asks about the drafts of a phase, several at a time; failed deals with what was not answered. To
// read within the outage budget is up to ask.
func (k *check) each(
	ctx context.Context, phase int, drafts []*draft, ask func(context.Context, *draft) error, failed func(*draft, error),
) error {
	k.dealt = 0
	from := k.shown
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(k.Workers, 1))
	for _, d := range drafts {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := ask(gctx, d)
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			if err != nil {
				failed(d, err)
			}
			k.mu.Lock()
			k.dealt++
			percent := from + (phase-from)*k.dealt/len(drafts)
			k.mu.Unlock()
			return k.progress(gctx, percent)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil { // before the first of them was asked about, or behind the last answer
		return context.Cause(ctx)
	}
	return nil
}

// progress says how far the check is, in percent of the way, no more often than need be and never
// backwards.
func (k *check) progress(ctx context.Context, percent int) error {
	k.mu.Lock()
	k.shown = max(k.shown, percent)
	due := k.Progress != nil && time.Since(k.told) >= progressEvery
	if due {
		k.told = time.Now()
	}
	checked := len(k.drafts) * k.shown / allAsked
	k.mu.Unlock()
	if !due {
		return nil
	}
	return k.Progress(ctx, checked)
}

// whyNot puts the kind of a failed read into a few words.
func whyNot(err error) string {
	switch {
	case errors.As(err, new(*workflow.Unshown)):
		return "Atlassian finds accounts and does not show their addresses"
	case errors.Is(err, workflow.ErrKeyScoped):
		return "the Atlassian key was made with scopes"
	case errors.Is(err, workflow.ErrKeyRefused):
		if of := workflow.KeyOf(err); of != "" {
			return "Atlassian refused the key of " + of
		}
		return "Atlassian refused the key"
	case errors.Is(err, workflow.ErrThrottled):
		return "Atlassian kept throttling"
	case errors.Is(err, workflow.ErrUnavailable):
		return "Atlassian did not answer"
	}
	if refusal, ok := errors.AsType[*workflow.Refusal](err); ok {
		return refusal.Reason.Words()
	}
	return "Atlassian gave no usable answer"
}
