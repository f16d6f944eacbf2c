package atlassian

import "time"

// promiseTime is how long after an account was read a change of it is expected.
const promiseTime = 5 * time.Second

// promises keep room for the changes that calls under way will lead to. A change is made only right after its account was
// read, and a change that finds no room any more has to wait for the next window, when that reading is stale and must be
// made again. So, where reads and changes share a limit, a reading that begins a change leaves only when there is room for
// both. The reading that proves a change begins none.
type promises struct {
	most    int // no more than there are workers
	due     map[string]time.Time
	changed map[string]bool // accounts whose change has not been proven yet
}

// mostChanged bounds changed, as a change that is never proven would stay in it.
const mostChanged = 1000

func newPromises(workers int) promises {
	return promises{most: workers, due: map[string]time.Time{}, changed: map[string]bool{}}
}

// room is how many calls must be left for this one to leave, and when a promise ends that keeps it.
func (p *promises) room(now time.Time, w *waiter, shared bool, limit int) (need int, until time.Time) {
	if w.write || !shared {
		return 1, time.Time{}
	}
	kept := 0
	for account, end := range p.due {
		switch {
		case !end.After(now):
			delete(p.due, account)
		case account != w.account:
			if kept++; until.IsZero() || end.Before(until) {
				until = end
			}
		}
	}
	need = 1 + min(kept, p.most)
	if p.begins(w) {
		need++
	}
	return min(need, max(1, limit/2)), until // a limit of a few calls cannot keep any
}

func (p *promises) begins(w *waiter) bool {
	return w.account != "" && !w.write && !p.changed[w.account]
}

// proves says whether the call is the reading that proves a change.
func (p *promises) proves(w *waiter) bool { return w.account != "" && !w.write && p.changed[w.account] }

// proofs is how many readings will prove changes that have begun, the next one to begin among them.
func (p *promises) proofs() int { return min(len(p.due)+len(p.changed)+1, p.most) }

// leave notes that a call leaves.
func (p *promises) leave(now time.Time, operation string, w *waiter) {
	switch {
	case w.account == "":
	case w.write:
		delete(p.due, w.account)
		if len(p.changed) >= mostChanged {
			clear(p.changed)
		}
		p.changed[w.account] = true
	case operation != opProfile:
	case p.begins(w):
		p.due[w.account] = now.Add(promiseTime)
	default:
		delete(p.changed, w.account)
	}
}
