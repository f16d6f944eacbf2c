package pace

import "time"

// reservationTime is how long after the read of an account its write is expected.
const reservationTime = 5 * time.Second

// soon is how long after its read a write may leave where calls leave evenly.
const soon = 4 * time.Second

// reservations keep room for the writes to which reads in flight will lead. An account is written
// right after it was read. A write that finds no room must wait for the next window; by then the
// read is stale and has to be made again. So, where reads and writes share a limit, a read that
// begins a change leaves only if there is room for both. The read that proves a change begins none.
type reservations struct {
	workers int                  // the most that can be needed at once
	due     map[string]time.Time // by account: until when its write is expected
	changed map[string]bool      // accounts whose write is not proved yet
}

// mostChanged bounds changed, in which a write that is never proved would stay.
const mostChanged = 1000

func newReservations(workers int) reservations {
	return reservations{workers: workers, due: map[string]time.Time{}, changed: map[string]bool{}}
}

// room returns how many calls the limit must have left for this one to leave, and when the first of
// the reservations ends that make it so.
func (r *reservations) room(now time.Time, w *waiter, shared bool, limit int) (need int, until time.Time) {
	if w.write || !shared {
		return 1, time.Time{}
	}
	reserved := 0
	for account, end := range r.due {
		switch {
		case !end.After(now):
			delete(r.due, account)
		case account != w.account:
			if reserved++; until.IsZero() || end.Before(until) {
				until = end
			}
		}
	}
	need = 1 + min(reserved, r.workers)
	if r.begins(w) {
		need++
	}
	return min(need, max(1, limit/2)), until // a limit of a few calls has no room to reserve
}

// begun returns how many changes were read whose write has not left, and when the first of them is
// given up.
func (r *reservations) begun(now time.Time) (n int, until time.Time) {
	for account, end := range r.due {
		if !end.After(now) {
			delete(r.due, account)
			continue
		}
		n++
		until = sooner(until, end)
	}
	return n, until
}

// begins reports whether the call is the read that begins a change.
func (r *reservations) begins(w *waiter) bool {
	return w.account != "" && !w.write && !r.changed[w.account]
}

// proves reports whether the call is the read that proves a change.
func (r *reservations) proves(w *waiter) bool {
	return w.account != "" && !w.write && r.changed[w.account]
}

// proofs returns how many reads will prove changes in progress, including the next one to begin.
func (r *reservations) proofs() int { return min(len(r.due)+len(r.changed)+1, r.workers) }

// leave records that a call leaves.
func (r *reservations) leave(now time.Time, w *waiter) {
	switch {
	case w.account == "":
	case w.write:
		delete(r.due, w.account)
		if len(r.changed) >= mostChanged {
			clear(r.changed)
		}
		r.changed[w.account] = true
	case r.begins(w):
		r.due[w.account] = now.Add(reservationTime)
	default:
		delete(r.changed, w.account)
	}
}
