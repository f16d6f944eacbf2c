package action

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// OpSetEmail gives an account the address of FieldEmail (user management API, PUT email).
const OpSetEmail workflow.Operation = "set-email"

// privilegeEmail is the right to set an account's address.
const privilegeEmail = "email.set"

var rename = Action{
	Name:  workflow.Rename,
	Usage: "rename <user> <new-email>",
	Help:  "a new address for one account",
	Title: Title{
		Does: "Rename {who}", Done: "Renamed {who}",
		One: "rename", More: "renames",
	},
	Columns: []ColumnUse{{
		Column: workflow.ColumnNewEmail, Required: true, Field: workflow.FieldEmail, Noun: "an address", Problem: workflow.NewAddressProblem,
		Argument: Argument{Place: Behind, Say: "the new address"},
		Value:    func(s workflow.Step) string { return s.Set.Get(workflow.FieldEmail) },
	}},
	Subject: workflow.Subject{Managed: true},
	Target:  (*workflow.Row).NewEmail,
	Reads: func(r *workflow.Row, f *Facts) []workflow.Fact {
		address := workflow.Manage(f.Account.ID, privilegeEmail)
		return append([]workflow.Fact{workflow.Holders(r.NewEmail()), workflow.DomainsFact(), address}, heldReads(address, "", f)...)
	},
	Check: checkRename,
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		step := accountStep(workflow.Rename, f, workflow.Of(workflow.FieldEmail, r.NewEmail()))
		return []workflow.Step{whereHeld(step, workflow.Manage(f.Account.ID, privilegeEmail), "", f)}
	},
	Do: orRecord(func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{
			Endpoint: s.Endpoint(), Operation: OpSetEmail, Action: s.Action, AccountID: s.AccountID,
			Args: workflow.Of(workflow.FieldEmail, s.Set.Get(workflow.FieldEmail)),
		})
	}),
	Observes: observeHeld,
	Proved:   provedHeld,
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		from, to := s.Expect.Get(workflow.FieldEmail), s.Set.Get(workflow.FieldEmail)
		s.Expect, s.Set = s.Expect.With(workflow.FieldEmail, to), s.Set.With(workflow.FieldEmail, from)
		return s, true
	},
	Effects: func(d *Draft) []workflow.Effect {
		var out []workflow.Effect
		if len(d.Steps) > 0 && d.Steps[0].Place == workflow.PlaceSCIM {
			out = atHome(d)
		}
		switch {
		case d.Facts.Account.Status != workflow.StatusActive:
			return out
		case len(d.Steps) > 1:
			return append(out, workflow.EffectSignedOutTwice)
		}
		return append(out, workflow.EffectSignedOut)
	},
	Order: orderRenames,
	Cost:  Cost{Calls: map[workflow.Operation]int{OpSetEmail: 1}, Reads: readAround()},
	Aim:   Aim{Check: 3, Run: 3},
	Example: func(a workflow.Account, in Surroundings) workflow.RowValues {
		local, _, _ := strings.Cut(a.Email, "@")
		return workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnEmail, a.Email).
			With(workflow.ColumnNewEmail, local+".renamed@"+in.Domain)
	},
}

func checkRename(r *workflow.Row, f *Facts) Finding {
	to := r.NewEmail()
	switch a := f.Account; {
	case !workflow.SameAddress(a.Email, to):
	case a.Email != to && strings.EqualFold(a.Email, to):
		return Unchanged(workflow.ReasonCaseOnly, a.Email)
	default:
		return Unchanged(workflow.ReasonAlready, a.Email)
	}
	finding := allowedHere(workflow.Rename, workflow.Manage(f.Account.ID, privilegeEmail), "", f)
	if f.Domains == nil || finding.State != workflow.ChangeReady {
		return finding
	}
	if domain := workflow.Domain(to); !f.Domains.Verified(domain) {
		return Blocked(workflow.ReasonUnverified, workflow.DisplayDomain(domain), f.Domains.Like(domain))
	}
	if wanted := r.Values.Get(workflow.ColumnWanted); wanted != "" {
		return ReadyBut(workflow.ReasonNumbered, wanted)
	}
	if what := f.Domains.Odd(to); what != "" {
		return ReadyBut(workflow.ReasonOddAddress, what)
	}
	return finding
}

// orderRenames finds, for every live row whose address is held by another account, the row that
// frees it, and takes circles of rows apart by way of a parking address.
func orderRenames(drafts []*Draft) []Bundle {
	circles := chain(drafts)
	bundles := make([]Bundle, 0, len(circles))
	for _, circle := range circles {
		if b := exchange(circle); b != nil {
			bundles = append(bundles, b)
		}
	}
	return bundles
}

// exchange takes a circle apart: its first row makes way to a parking address, the others move up,
// and the first takes what the last has left.
func exchange(circle []*Draft) Bundle {
	first := circle[0]
	parked := parkingAddress(first)
	if parked == "" { // the domains are not known yet
		return nil
	}
	switch holders, known := first.Facts.Holders[workflow.AddressKey(parked)]; {
	case !known:
		first.Needs = []workflow.Fact{workflow.Holders(parked)}
	case len(holders) > 0:
		first.Block(workflow.ReasonParkTaken, parked, holders[0].ID)
		return nil
	}
	take := first.Steps[0]
	park := take
	park.Set = workflow.Of(workflow.FieldEmail, parked)
	first.Steps = []workflow.Step{park, take}
	first.After = nil // its first step waits for nobody
	bundle := Bundle{{first, 0}}
	for _, d := range circle[1:] {
		bundle = append(bundle, Leg{d, 0})
	}
	return append(bundle, Leg{first, 1})
}

// parkingAddress is where an account waits while its own address and the one it takes are
// exchanged: on its own domain, where that is verified, else on the other one.
func parkingAddress(d *Draft) string {
	f := &d.Facts
	if f.Domains == nil {
		return ""
	}
	domain := workflow.Domain(f.Account.Email)
	if !f.Domains.Verified(domain) {
		domain = workflow.Domain(d.Row.NewEmail())
	}
	return fmt.Sprintf("countersign-park-%d-%d@%s", f.Batch, d.Row.Line, domain)
}

// chain sets After of every live row that takes an address which another row frees. What nobody
// frees is blocked, and so is what waits for something blocked, down the chain. circles are the
// rows that exchange their addresses among themselves.
func chain(drafts []*Draft) (circles [][]*Draft) {
	freedBy := map[string]*Draft{}    // account id → the live row that takes its address away
	blockedRow := map[string]*Draft{} // account id → a row that would have, had it not been blocked
	for _, d := range drafts {
		switch {
		case d.Live():
			freedBy[d.Facts.Account.ID] = d
		case d.Change.State == workflow.ChangeBlocked && d.Facts.Account.ID != "":
			blockedRow[d.Facts.Account.ID] = d
		}
	}
	for _, d := range drafts {
		d.After = nil
		if !d.Live() {
			continue
		}
		for _, h := range d.Facts.Holders[workflow.AddressKey(d.Row.NewEmail())] {
			if h.ID == d.Facts.Account.ID {
				continue
			}
			if before := freedBy[h.ID]; before != nil && !workflow.SameAddress(before.Row.NewEmail(), d.Row.NewEmail()) {
				d.After = before
				continue
			}
			if blocked := blockedRow[h.ID]; blocked != nil {
				d.Block(workflow.ReasonWaitsForBlocked, strconv.Itoa(blocked.Row.Line), d.Row.NewEmail())
				break
			}
			if h.Status == workflow.StatusDeleting {
				d.Block(workflow.ReasonTakenDeleting, d.Row.NewEmail(), h.ID, h.Name)
				break
			}
			d.Block(workflow.ReasonTaken, d.Row.NewEmail(), h.ID, h.Name, string(h.Status))
			break
		}
	}
	circles = findCircles(drafts)
	blockBehind(drafts, circles)
	return circles
}

// findCircles finds the rows that wait for each other. Each row waits for one other at most, so a
// circle is found by walking on until a row comes again. A circle begins with the row that is
// parked, then comes who waits for it, and so on: that is the order in which they run.
func findCircles(drafts []*Draft) [][]*Draft {
	var circles [][]*Draft
	seen := map[*Draft]int{} // the walk in which the row was met
	for i, start := range drafts {
		walk := i + 1
		d := start
		for d != nil && seen[d] == 0 {
			seen[d] = walk
			d = d.After
		}
		if d == nil || seen[d] != walk {
			continue
		}
		var circle []*Draft
		for c := d; ; {
			circle = append(circle, c)
			if c = c.After; c == d {
				break
			}
		}
		slices.Reverse(circle) // After leads from who waits to who is waited for
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

// parksRather reports whether a is the better row to park: one whose person is not signed out by
// it, else the first in the request.
func parksRather(a, b *Draft) bool {
	if quiet := a.Facts.Account.Status != workflow.StatusActive; quiet != (b.Facts.Account.Status != workflow.StatusActive) {
		return quiet
	}
	return a.Row.Line < b.Row.Line
}

// blockBehind blocks what waits for a blocked row, down the chain.
func blockBehind(drafts []*Draft, circles [][]*Draft) {
	var settle func(d *Draft) bool
	settled := map[*Draft]bool{}
	for _, circle := range circles { // live, all of it, and waits for nobody else: here the walk ends
		for _, d := range circle {
			settled[d] = true
		}
	}
	settle = func(d *Draft) bool {
		before := d.After
		if before == nil || !d.Live() || settled[d] {
			return d.Live()
		}
		if !settle(before) {
			d.Block(workflow.ReasonWaitsForBlocked, strconv.Itoa(before.Row.Line), d.Row.NewEmail())
		}
		settled[d] = true
		return d.Live()
	}
	for _, d := range drafts {
		settle(d)
	}
	for _, d := range drafts {
		if !d.Live() {
			d.After = nil
		}
	}
}
