package engine_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

// Whom the table names, in the words that people read, is whom its conditions let through: in every
// situation, everybody.
func TestWhoIsWhoMay(t *testing.T) {
	t.Parallel()
	all := everybody()
	asker, author := all[0].Person, all[3].Person
	is := func(p workflow.Person, other workflow.Person) bool {
		return p.ID == other.ID || p.Email != "" && workflow.SameAddress(p.Email, other.Email)
	}
	for _, c := range situations() {
		if c.change == nil {
			continue
		}
		b := &workflow.Batch{Number: 7, BatchRequest: workflow.BatchRequest{Requester: asker, Author: author}}
		b.Approvals = 1
		c.change(b)
		for _, act := range workflow.Acts() {
			for _, who := range all {
				asked := is(who.Person, asker) || is(who.Person, author)
				named := map[workflow.Who]bool{
					workflow.WithRole: who.HasRole(), workflow.RequesterAlone: who.ID == asker.ID,
					workflow.RequesterOrAdmin: who.Admin || who.Requester && who.ID == asker.ID,
					workflow.Admins:           who.Admin, workflow.OtherAdmins: who.Admin && !asked,
				}[workflow.WhoMay(act.Name, b)]
				may := workflow.May(act.Name, b, who.Actor)
				if _, late := errors.AsType[*workflow.StateError](may); late {
					if act.InState(b) == nil {
						t.Errorf("%s: %s by %s is refused for a state in which it can be done", c.name, act.Name, who.called)
					}
					continue
				}
				other := errors.Is(may, workflow.ErrNotWaiting) || errors.Is(may, workflow.ErrNoReturn) || errors.Is(may, workflow.ErrReturnWaits)
				if other {
					continue
				}
				special := errors.Is(may, workflow.ErrHiddenAddress) || errors.Is(may, workflow.ErrAlready)
				if named != (may == nil) && !special {
					t.Errorf("%s: %s is for %s, and %s gets %v", c.name, act.Name, workflow.WhoMay(act.Name, b), who.called, may)
				}
				if err := workflow.WhoMay(act.Name, b).Admits(who.Actor); err != nil && may == nil {
					t.Errorf("%s: %s by %s is allowed, and their roles do not suffice: %v", c.name, act.Name, who.called, err)
				}
			}
		}
	}
	if err := workflow.May("of_later_on", &workflow.Batch{}, all[0].Actor); err == nil {
		t.Error("an act that is not in the table is allowed")
	}
}

// What an act does to a batch is an edge of its life, and begins where the table says.
func TestActsFollowTheStates(t *testing.T) {
	t.Parallel()
	seen := map[workflow.ActName]bool{}
	for _, act := range workflow.Acts() {
		if seen[act.Name] {
			t.Errorf("%s is in the table twice", act.Name)
		}
		seen[act.Name] = true
		if act.Makes != "" && act.To != workflow.Planning {
			t.Errorf("%s makes a batch that begins as %s", act.Name, act.To)
		}
		for _, from := range act.From {
			if act.Makes == "" && !from.CanBecome(act.To) {
				t.Errorf("%s leads from %s to %s, which is no edge", act.Name, from, act.To)
			}
		}
		for _, state := range act.Unoffered {
			if !slices.Contains(act.From, state) {
				t.Errorf("%s is not offered in %s, where it cannot be done anyway", act.Name, state)
			}
		}
	}
	var fresh []workflow.ActName
	for _, act := range workflow.Acts() {
		if act.Fresh {
			fresh = append(fresh, act.Name)
		}
	}
	want := []workflow.ActName{
		workflow.ActApprove, workflow.ActReject, workflow.ActResume, workflow.ActStart, workflow.ActEnd, workflow.ActKeep, workflow.ActRetry,
	}
	if diff := cmp.Diff(want, fresh); diff != "" {
		t.Errorf("the deciding clicks (-want +got):\n%s", diff)
	}
}
