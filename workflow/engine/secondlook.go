package engine

import (
	"time"

	"github.com/countersign/countersign/workflow"
)

// secondLook is how a row of a batch that has ended stands after Retry looked at it again and found
// that it does not run: the state that it gets, or keeps, and why.
type secondLook struct {
	state  workflow.ChangeState
	reason workflow.Reason
}

// lookedAt judges a row that failed, or was skipped because a row that it waited for had failed, by
// what checking it again found, which is anything but ready:
//
//	found            by a call of ours    without one
//	already so       done, seen late      unchanged
//	gone             failed, vanished     failed, gone
//	moved elsewhere  failed, drifted      failed, drifted
//	not to be read   as before, to be retried later
//	blocked          failed, with what blocks it; skipped where it still waits for another row
//
// A call of ours is one that may have gone out in any of the batch's runs.
func lookedAt(before, found *workflow.Change, restored bool) secondLook {
	ours := before.Attempts > 0
	why := found.Reason
	switch {
	case found.State == workflow.ChangeUnchanged && ours:
		return secondLook{workflow.ChangeDone, workflow.NewReason(workflow.ReasonSeenLate)}
	case found.State == workflow.ChangeUnchanged:
		return secondLook{workflow.ChangeUnchanged, beforeRestore(why, restored)}
	}
	switch why.Code {
	case workflow.ReasonCouldNotCheck:
		earlier := before.Reason.Words()
		if before.Reason.Code == workflow.ReasonNotLookedAt {
			earlier = before.Reason.Fact(1)
		}
		return secondLook{before.State, workflow.NewReason(workflow.ReasonNotLookedAt, why.Fact(0), earlier)}
	case workflow.ReasonNoAccount, workflow.ReasonNotManaged:
		if ours {
			return secondLook{workflow.ChangeFailed, workflow.NewReason(workflow.ReasonVanished, before.AccountID)}
		}
		return secondLook{workflow.ChangeFailed, workflow.NewReason(workflow.ReasonGone, before.AccountID)}
	case workflow.ReasonMismatch: // facts: the account, the address that it has, the one that the row gives
		return secondLook{workflow.ChangeFailed, workflow.NewReason(workflow.ReasonDrifted, "address", before.OldEmail(), why.Fact(1))}
	case workflow.ReasonWaitsForBlocked:
		if before.State == workflow.ChangeSkipped {
			return secondLook{before.State, before.Reason}
		}
	}
	return secondLook{workflow.ChangeFailed, why}
}

// ofPart is how a row stands of which some steps were made before: whatever was found of it now, it is
// done in part, so that what was made can be undone and the rest be retried.
func (l secondLook) ofPart(before workflow.Change) secondLook {
	if !inPart(before) || l.state != workflow.ChangeFailed && l.state != workflow.ChangeSkipped {
		return l
	}
	state, reason := before.Sum()
	why := l.reason
	if why.Code == workflow.ReasonNotLookedAt { // why it had failed is said with it
		why = workflow.NewReason(why.Code, why.Fact(0))
	}
	if state == workflow.ChangeFailed && why.Code != workflow.ReasonPartly {
		reason.Facts = append(reason.Facts, "now "+why.Words())
	}
	return secondLook{state, reason}
}

// apply writes down what was found.
func (l secondLook) apply(b *workflow.Batch, c *workflow.Change) error {
	if l.state == workflow.ChangeDone || l.state == workflow.ChangeUnchanged {
		for i := range c.Steps {
			switch o := c.Outcome(i); {
			case o.State == workflow.ChangeDone || o.State == workflow.ChangeUnchanged:
			case o.Attempts > 0, l.state == workflow.ChangeDone && (len(c.Steps) == 1 || c.Steps[i].Bundle != 0):
				c.Conclude(i, workflow.ChangeDone, l.reason)
			default:
				c.Conclude(i, workflow.ChangeUnchanged, l.reason)
			}
		}
		c.Back, c.Finished = false, time.Now()
	}
	if c.State != l.state {
		if err := c.Move(l.state); err != nil {
			return err
		}
	}
	c.Reason = l.reason
	b.Record(workflow.Event{At: time.Now(), Row: c.Row, Actor: workflow.Bot, Kind: string(l.state), Data: workflow.EventData(map[string]any{
		"action": c.Action, "account_id": c.AccountID, "from": c.OldEmail(), "to": c.NewEmail(), "reason": l.reason, "looked_again": true,
	})})
	return nil
}

// beforeRestore is why a row is unchanged that shows what it is to bring about: it is so already,
// or, after the database went back in time, because the batch did it before.
func beforeRestore(why workflow.Reason, restored bool) workflow.Reason {
	if restored && why.Code == workflow.ReasonAlready {
		return workflow.NewReason(workflow.ReasonBeforeRestore, why.Fact(0))
	}
	return why
}
