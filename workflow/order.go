package workflow

import (
	"slices"
	"strconv"
)

// draft is one row on its way to being a change: the row as sent, the account it is about, what was found.
type draft struct {
	row     *Row
	action  Action
	account Account
	change  *Change // its place in the plan
	yields  bool    // another batch holds the account, and this row goes on all the same
	park    string  // the parking address by way of which it takes its own; "" for the direct way
}

// live says whether nothing speaks against the row so far.
func (d *draft) live() bool { return d.change.State == ChangeReady }

func (d *draft) block(code ReasonCode, facts ...string) {
	d.change.State = ChangeBlocked
	d.change.Reason = NewReason(code, facts...)
}

func (d *draft) leave(code ReasonCode, facts ...string) {
	d.change.State = ChangeUnchanged
	d.change.Reason = NewReason(code, facts...)
}

// target is the address that the row takes, "" when it takes none.
func (d *draft) target() string { return d.action.Target(*d.row) }

// refuseDuplicates blocks rows that are about one account, and rows that want one address; each names the other line.
func refuseDuplicates(drafts []*draft) {
	byAccount := map[string][]*draft{}
	byTarget := map[string][]*draft{}
	for _, d := range drafts {
		if d.account.ID == "" || d.change.State == ChangeBlocked || d.change.State == ChangeBad {
			continue
		}
		byAccount[d.account.ID] = append(byAccount[d.account.ID], d)
		if t := d.target(); t != "" {
			byTarget[AddressKey(t)] = append(byTarget[AddressKey(t)], d)
		}
	}
	for _, same := range byTarget {
		for i, d := range same {
			if len(same) > 1 {
				other := same[other(i)]
				d.block(ReasonSameTarget, d.target(), strconv.Itoa(other.row.Line))
			}
		}
	}
	for _, same := range byAccount { // after the targets: that it is one account says more than that it is one address
		for i, d := range same {
			if len(same) == 1 {
				continue
			}
			o := same[other(i)]
			if o.action.Name == d.action.Name {
				d.block(ReasonDuplicate, strconv.Itoa(o.row.Line))
			} else {
				d.block(ReasonConflict, string(d.action.Name), strconv.Itoa(o.row.Line), string(o.action.Name))
			}
		}
	}
}

// other is the place of the row that the i-th of several names: the first one, and the second for the first.
func other(i int) int {
	if i == 0 {
		return 1
	}
	return 0
}

// chain finds, for every live row whose address is held by another account, the row of this batch that frees it. What
// nobody frees is blocked, and so is what waits for something blocked, down the chain. circles are the rows that exchange
// their addresses among themselves. holders gives the accounts that hold an address (AddressKey), hidden ones not included.
func chain(drafts []*draft, holders map[string][]Account) (after map[*draft]*draft, circles [][]*draft) {
	after = map[*draft]*draft{}
	freedBy := map[string]*draft{} // account id → the live row that takes its address away
	for _, d := range drafts {
		if d.live() && d.target() != "" {
			freedBy[d.account.ID] = d
		}
	}
	blockedRow := map[string]*draft{} // account id → a row of this batch that would have, had it not been blocked
	for _, d := range drafts {
		if d.change.State == ChangeBlocked && d.account.ID != "" && d.target() != "" {
			blockedRow[d.account.ID] = d
		}
	}
	for _, d := range drafts {
		if !d.live() || d.target() == "" {
			continue
		}
		for _, h := range holders[AddressKey(d.target())] {
			if h.ID == d.account.ID {
				continue
			}
			if before := freedBy[h.ID]; before != nil && !SameAddress(before.target(), d.target()) {
				after[d] = before
				continue
			}
			if blocked := blockedRow[h.ID]; blocked != nil {
				d.block(ReasonWaitsForBlocked, strconv.Itoa(blocked.row.Line), d.target())
				break
			}
			d.block(ReasonTaken, d.target(), h.ID, h.Name, string(h.Status))
			break
		}
	}
	circles = findCircles(drafts, after)
	blockBehind(drafts, after, circles)
	return after, circles
}

// findCircles finds the rows that wait for each other. Each row waits for one other at most, so a circle is found by
// walking on until a row comes again. A circle begins with the row that is parked, then comes who waits for it, and so on:
// that is the order in which they run.
func findCircles(drafts []*draft, after map[*draft]*draft) [][]*draft {
	var circles [][]*draft
	seen := map[*draft]int{} // the walk in which the row was met
	for i, start := range drafts {
		walk := i + 1
		d := start
		for d != nil && seen[d] == 0 {
			seen[d] = walk
			d = after[d]
		}
		if d == nil || seen[d] != walk {
			continue
		}
		var circle []*draft
		for c := d; ; {
			circle = append(circle, c)
			if c = after[c]; c == d {
				break
			}
		}
		slices.Reverse(circle) // after leads from who waits to who is waited for
		first := 0
		for i, c := range circle {
			if parksRather(c, circle[first]) {
				first = i
			}
		}
		circles = append(circles, slices.Concat(circle[first:], circle[:first]))
	}
	return circles
}

// parksRather says whether a is the better row to park: one whose person is not signed out by it, else the first in the
// request.
func parksRather(a, b *draft) bool {
	if quiet := a.account.Status != StatusActive; quiet != (b.account.Status != StatusActive) {
		return quiet
	}
	return a.row.Line < b.row.Line
}

// blockBehind blocks what waits for a blocked row, down the chain, and forgets the waiting of what is not live.
func blockBehind(drafts []*draft, after map[*draft]*draft, circles [][]*draft) {
	var settle func(d *draft) bool
	settled := map[*draft]bool{}
	for _, circle := range circles { // live, all of it, and waits for nobody else: here the walk ends
		for _, d := range circle {
			settled[d] = true
		}
	}
	settle = func(d *draft) bool {
		before := after[d]
		if before == nil || !d.live() || settled[d] {
			return d.live()
		}
		if !settle(before) {
			d.block(ReasonWaitsForBlocked, strconv.Itoa(before.row.Line), d.target())
		}
		settled[d] = true
		return d.live()
	}
	for _, d := range drafts {
		settle(d)
	}
	for d := range after {
		if !d.live() {
			delete(after, d)
		}
	}
}

// number puts the live rows into running order, the file's order but for what waits for a later row, and gives each its
// steps: one, or two for a row that goes by way of a parking address. The steps come back in that order.
func number(drafts []*draft, after map[*draft]*draft, circles [][]*draft) []Step {
	n := numbering{after: after, seq: map[*draft]int{}, circle: map[*draft][]*draft{}}
	for _, circle := range circles {
		for _, d := range circle {
			n.circle[d] = circle
		}
	}
	for _, d := range drafts {
		if d.live() {
			n.place(d)
		}
	}
	return n.steps
}

type numbering struct {
	after  map[*draft]*draft
	circle map[*draft][]*draft
	seq    map[*draft]int // the latest step of the row
	steps  []Step
}

// place gives a row its steps, after those of the rows that it waits for.
func (n *numbering) place(d *draft) {
	switch before := n.after[d]; {
	case n.seq[d] != 0:
	case n.circle[d] != nil:
		n.exchange(n.circle[d])
	case before != nil:
		n.place(before)
		n.add(d, d.target(), n.seq[before])
	default:
		n.add(d, d.target(), 0)
	}
}

// exchange places a circle: its first row makes way, the others move up, and the first takes what the last has left.
func (n *numbering) exchange(circle []*draft) {
	parked := circle[0]
	n.add(parked, parked.park, 0)
	for i, d := range circle[1:] {
		n.add(d, d.target(), n.seq[circle[i]])
	}
	n.add(parked, parked.target(), n.seq[circle[len(circle)-1]])
}

func (n *numbering) add(d *draft, to string, after int) {
	from := d.account.Email
	if had := len(d.change.Steps); had > 0 {
		from = d.change.Steps[had-1].To
	}
	n.seq[d] = len(n.steps) + 1
	step := Step{
		Seq: n.seq[d], After: after, Row: d.row.Line, Action: d.action.Name, AccountID: d.account.ID,
		ExpectedStatus: d.account.Status, From: from, To: to, Message: d.change.Message,
	}
	d.change.Steps = append(d.change.Steps, step)
	n.steps = append(n.steps, step)
}
