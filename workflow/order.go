package workflow

import (
	"slices"
	"strconv"
	"strings"
)

// draft is one row on its way to being a change: the row as sent, the account it is about, what was found.
type draft struct {
	row     Row
	action  Action
	account Account
	change  Change
	yields  bool // another batch holds the account, and this row goes on all the same
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
func (d *draft) target() string { return d.action.Target(d.row) }

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
// nobody frees is blocked, what closes a circle is blocked, and so is what waits for something blocked, down the chain.
// holders gives the accounts that hold an address (AddressKey), hidden ones not included.
func chain(drafts []*draft, holders map[string][]Account) (after map[*draft]*draft) {
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
	refuseCycles(drafts, after)
	blockBehind(drafts, after)
	return after
}

// refuseCycles blocks every row of a circle of renames. Each row waits for one other at most, so a circle is found by
// walking on until a row comes again.
func refuseCycles(drafts []*draft, after map[*draft]*draft) {
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
		lines := make([]int, len(circle))
		for i, c := range circle {
			lines[i] = c.row.Line
		}
		slices.Sort(lines)
		words := make([]string, len(lines))
		for i, l := range lines {
			words[i] = strconv.Itoa(l)
		}
		for _, c := range circle {
			c.block(ReasonCycle, strings.Join(words, ", "))
		}
	}
}

// blockBehind blocks what waits for a blocked row, down the chain, and forgets the waiting of what is not live.
func blockBehind(drafts []*draft, after map[*draft]*draft) {
	var settle func(d *draft) bool
	settled := map[*draft]bool{}
	settle = func(d *draft) bool { // circles are blocked by now, so the walk ends
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
// step. The steps come back in that order.
func number(drafts []*draft, after map[*draft]*draft) []Step {
	var steps []Step
	seq := map[*draft]int{}
	var place func(d *draft)
	place = func(d *draft) {
		if seq[d] != 0 {
			return
		}
		before := after[d]
		if before != nil {
			place(before)
		}
		seq[d] = len(steps) + 1
		step := Step{
			Seq: seq[d], Row: d.row.Line, Action: d.action.Name, AccountID: d.account.ID,
			ExpectedStatus: d.account.Status, From: d.account.Email, To: d.target(), Message: d.change.Message,
		}
		if before != nil {
			step.After = seq[before]
		}
		d.change.Steps = []Step{step}
		steps = append(steps, step)
	}
	for _, d := range drafts {
		if d.live() {
			place(d)
		}
	}
	return steps
}
