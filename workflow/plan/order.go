package plan

import (
	"maps"
	"slices"
	"strconv"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// draft is one row on its way to being a change, as the check sees it.
type draft struct {
	action.Draft
	action *action.Action // nil for a row that nothing can be made of
	asked  bool           // what other batches hold has been asked about
	yields bool           // another batch holds what it changes, and this row goes on all the same

	keepsOut bool // it keeps somebody locked out whom a return would let in
}

// account is the account that the row is about.
func (d *draft) account() workflow.Account { return d.Facts.Account }

// target is the address that the row takes, "" when it takes none.
func (d *draft) target() string {
	if d.action == nil || d.action.Target == nil {
		return ""
	}
	return d.action.Target(d.Row)
}

// judge takes in what the action finds about the row by what is known now.
func (d *draft) judge() {
	found := d.action.Check(d.Row, &d.Facts)
	d.Change.State, d.Change.Reason = found.State, found.Reason
}

// expand says which steps the row comes to, as far as is known.
func (d *draft) expand() {
	d.Steps = d.action.Steps(d.Row, &d.Facts)
	for i := range d.Steps {
		if d.Steps[i].Action == "" {
			d.Steps[i].Action = d.action.Name
		}
		if d.Steps[i].Set.Equal(d.Change.Set) { // nearly always; of 50,000 rows that is worth sharing
			d.Steps[i].Set = d.Change.Set
		}
	}
}

// keys are what the row changes.
func (d *draft) keys() []string { return keysOf(d.Steps) }

// keysOf are what steps change, each key once.
func keysOf(steps []workflow.Step) []string {
	var out []string
	for i := range steps {
		for _, k := range steps[i].Keys() {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// refuseDuplicates blocks rows that change the same thing, and rows that want one address; each
// names the other line.
func refuseDuplicates(drafts []*draft) {
	things, targets := newSharing(), newSharing()
	for _, d := range drafts {
		if d.action == nil || d.Change.State == workflow.ChangeBlocked || d.Change.State == workflow.ChangeBad {
			continue
		}
		for _, key := range d.keys() {
			if _, thing := workflow.KeyAccount(key); thing {
				things.add(key, d)
			}
		}
		if t := d.target(); t != "" {
			where := workflow.AddressKey(t)
			if d.action.Takes(workflow.ColumnSite) { // the same address at two sites is two things
				where += "\n" + action.SiteOf(d.Row)
			}
			targets.add(where, d)
		}
	}
	for _, same := range targets.shared {
		for i, d := range same {
			d.Block(workflow.ReasonSameTarget, d.target(), strconv.Itoa(same[other(i)].Row.Line))
		}
	}
	// After the targets: that it is one account says more than that it is one address. In a fixed
	// order, as a row may share several things with several others.
	for _, key := range slices.Sorted(maps.Keys(things.shared)) {
		same := things.shared[key]
		for i, d := range same {
			o := same[other(i)]
			if o.action.Name == d.action.Name {
				d.Block(workflow.ReasonDuplicate, strconv.Itoa(o.Row.Line))
			} else {
				d.Block(workflow.ReasonConflict, string(d.action.Name), strconv.Itoa(o.Row.Line), string(o.action.Name))
			}
		}
	}
}

// sharing finds the rows that have something in common. Most of a large file share nothing, so only
// those that do are kept in lists.
type sharing struct {
	first  map[string]*draft
	shared map[string][]*draft // of at least two
}

func newSharing() sharing {
	return sharing{map[string]*draft{}, map[string][]*draft{}}
}

func (s sharing) add(key string, d *draft) {
	first, known := s.first[key]
	switch {
	case !known:
		s.first[key] = d
	case s.shared[key] == nil:
		s.shared[key] = []*draft{first, d}
	default:
		s.shared[key] = append(s.shared[key], d)
	}
}

// other is the place of the row that the i-th of several names: the first one, and the second for
// the first.
func other(i int) int {
	if i == 0 {
		return 1
	}
	return 0
}

// relate lets each action put its rows in relation, from the steps that they come to.
func (k *check) relate() {
	k.bundles = nil
	byAction := map[*action.Action][]*action.Draft{}
	for _, d := range k.drafts {
		if d.action == nil || d.action.Order == nil {
			continue
		}
		d.After, d.Needs = nil, nil
		if d.Live() {
			d.expand()
		}
		byAction[d.action] = append(byAction[d.action], &d.Draft)
	}
	for _, action := range action.Catalogue() { // in a fixed order
		if drafts := byAction[action]; drafts != nil {
			k.bundles = append(k.bundles, action.Order(drafts)...)
		}
	}
	k.aloneInBundles()
}

// aloneInBundles blocks the other rows on an account whose steps are part of a bundle. A bundle that has begun is finished
// or put back before any stop, whatever stops the batch; a row in between could be in its way just then.
func (k *check) aloneInBundles() {
	members := map[string]*action.Draft{}
	for _, b := range k.bundles {
		for _, leg := range b {
			members[leg.Draft.Facts.Account.ID] = leg.Draft
		}
	}
	for _, d := range k.drafts {
		if m := members[d.account().ID]; m != nil && m != &d.Draft && d.Live() {
			d.Block(workflow.ReasonConflict, string(d.action.Name), strconv.Itoa(m.Row.Line), string(m.Row.Action))
		}
	}
}

// numbering puts the steps of the live rows into running order: the file's order, but for what
// waits for a later row.
type numbering struct {
	before map[*action.Draft]*action.Draft // the row of the file before, on the same account; of most there is none
	bundle map[*action.Draft]action.Bundle
	shown  map[string]map[workflow.Field]shown // of accounts with several steps: what they show after those that are numbered
	steps  int                                 // that have a number

	at, until string // of each step
}

// shown is a value that an account will show, and the row that sets it.
type shown struct {
	value string
	by    *action.Draft
}

// number gives each live row its steps.
func (k *check) number() {
	n := numbering{
		at: k.At, until: k.Until,
		before: map[*action.Draft]*action.Draft{}, bundle: map[*action.Draft]action.Bundle{}, shown: map[string]map[workflow.Field]shown{},
	}
	for _, b := range k.bundles {
		for _, leg := range b {
			n.bundle[leg.Draft] = b
		}
	}
	last := map[string]*action.Draft{}
	for _, d := range k.drafts {
		id := d.account().ID
		if !d.Live() || id == "" {
			continue
		}
		before := last[id]
		if before != nil {
			n.before[&d.Draft] = before
		}
		if before != nil || len(d.Steps) > 1 {
			n.shown[id] = map[workflow.Field]shown{}
		}
		last[id] = &d.Draft
	}
	for _, d := range k.drafts {
		if d.Live() {
			n.place(&d.Draft)
		}
	}
}

// place gives a row its steps, behind those of the rows that it waits for.
func (n *numbering) place(d *action.Draft) {
	if len(d.Change.Steps) > 0 {
		return
	}
	if bundle := n.bundle[d]; bundle != nil {
		n.placeBundle(bundle)
		return
	}
	if before := n.before[d]; before != nil {
		n.place(before)
	}
	after := 0
	if d.After != nil {
		n.place(d.After)
		after = d.After.Change.Steps[len(d.After.Change.Steps)-1].Seq
	}
	numbers := make([]int, len(d.Steps))
	for i, s := range d.Steps {
		switch {
		case s.After > 0:
			s.After = numbers[s.After-1]
		case i == 0:
			s.After = after
		}
		numbers[i] = n.add(d, s)
	}
}

func (n *numbering) placeBundle(bundle action.Bundle) {
	for _, leg := range bundle {
		if before := n.before[leg.Draft]; before != nil {
			n.place(before)
		}
	}
	first, after := n.steps+1, 0
	for _, leg := range bundle {
		s := leg.Draft.Steps[leg.Step]
		s.After, s.Bundle = after, first
		after = n.add(leg.Draft, s)
	}
}

// add numbers a step. It expects what earlier steps of its row set. Of what other rows of the batch set on its account it
// expects nothing: whether they succeed, and how late that shows, is no reason for it to run or not to.
func (n *numbering) add(d *action.Draft, s workflow.Step) int {
	n.steps++
	s.Seq, s.Row, s.At, s.Until = n.steps, d.Row.Line, n.at, n.until
	if earlier := n.shown[s.AccountID]; earlier != nil {
		for field := range s.Expect.All() {
			switch set, ok := earlier[field]; {
			case ok && set.by == d:
				s.Expect = s.Expect.With(field, set.value)
			case ok:
				s.Expect = s.Expect.With(field, "")
			}
		}
		for field, value := range s.Set.All() {
			if _, ok := s.FactOf(field); ok {
				earlier[field] = shown{value, d}
			}
		}
	}
	if d.Change.Steps == nil {
		d.Change.Steps = make([]workflow.Step, 0, len(d.Steps))
	}
	d.Change.Steps = append(d.Change.Steps, s)
	return s.Seq
}
