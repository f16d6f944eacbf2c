package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// deciding is how long after a click its decision may be made: the check of a person may take half a minute, and it may
// have to wait for others.
const deciding = 90 * time.Second

// arrived looks at a request at the moment when it reaches the organisation, and reports whether it is to change something.
// Then it must be of a plan, its intent must be on disk, and enough people must have approved it, as far as the simulator
// saw them do so and knows who they were.
func (s *scenario) arrived(r *http.Request) (write bool) {
	account, kind, to, write := written(r)
	if !write {
		return false
	}
	if kind == "invite" { // one call is for several rows
		for address := range strings.SplitSeq(to, ";") {
			s.arrivedAt("", kind, address)
		}
		return true
	}
	s.arrivedAt(s.accountOf(account), kind, to)
	return true
}

// arrivedAt looks at a call for one row.
func (s *scenario) arrivedAt(account, kind, to string) {
	call := simCall{at: time.Now(), account: account, kind: kind, to: to}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, call)
	}()
	ctx := context.Background()
	batches, err := s.db().List(ctx, 0, workflow.Running, workflow.Paused, workflow.Cancelled, workflow.Done)
	if err != nil {
		s.violated("list the batches at a call: %v", err)
		return
	}
	var of *workflow.Batch
	var row workflow.Change
	found, candidates := false, 0
	for _, b := range batches {
		changes, err := s.db().Changes(ctx, b.Number, 0, 0, workflow.ChangeRunning)
		if err != nil {
			s.violated("list the changes at a call: %v", err)
		}
		for _, c := range changes {
			step, ok := action.NextStep(&c)
			if !ok || c.AccountID != account || !sameCall(step, kind, to) {
				continue
			}
			// Two batches may lock out the same person at the same moment. Which of them calls cannot be told then.
			candidates++
			unseen := s.first(b.Number, c)
			if unseen && !found || of == nil && kind != "email" {
				of, row, call.from, found = b, c, step.Expect.Get(workflow.FieldEmail), unseen
			}
		}
	}
	if candidates > 1 {
		s.mu.Lock()
		s.together[account] = true
		s.mu.Unlock()
	}
	if of == nil {
		s.violated("a call that is of no plan, made twice for one intent, or without an intent on disk: %s %s to %q", kind,
			account, to)
		return
	}
	s.attempted(of.Number, row)
	s.arrivedFor(of, row, &call)
}

// arrivedFor looks at a call of which it is known for which row it is made.
func (s *scenario) arrivedFor(b *workflow.Batch, c workflow.Change, call *simCall) {
	call.batch, call.row = b.Number, c.Row
	s.tell("call: %s %s to %q for #%d, line %d", call.kind, call.account, call.to, b.Number, c.Row)
	s.approved(b, *call)
	switch {
	case len(b.Parked) > 0: // an exchange that has begun is brought to its end
	case b.State == workflow.Paused && c.Called.After(b.Stop.At):
		s.violated("a call for #%d, line %d was begun after the batch had been paused", b.Number, c.Row)
	case b.Ending != nil && c.Called.After(b.Ending.At):
		s.violated("a call for #%d, line %d was begun after the batch had been ended", b.Number, c.Row)
	}
}

func (s *scenario) attempted(batch int64, c workflow.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts[attemptOf(batch, c)] = true
}

func attemptOf(batch int64, c workflow.Change) string {
	return fmt.Sprint(batch, c.Row, c.Proved(), c.Back, c.Attempts, c.Called)
}

// first reports whether no call was seen yet for this attempt at a row.
func (s *scenario) first(batch int64, c workflow.Change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.attempts[attemptOf(batch, c)]
}

// sameCall reports whether a call may be that of a step. What it is to bring about is held against the step where the
// simulator knows the call; others must come from an action whose calls it does not know.
func sameCall(s workflow.Step, kind, to string) bool {
	known := map[workflow.ActionName]string{
		workflow.Rename: "email", workflow.SetName: "name", workflow.Deactivate: "disable", workflow.Activate: "enable",
		workflow.Delete: "delete", workflow.CancelDelete: "cancel-delete", workflow.RevokeTokens: "token",
		workflow.Suspend: "suspend", workflow.Restore: "restore", workflow.Remove: "remove",
		workflow.GroupAdd: "group-add", workflow.GroupRemove: "group-remove", workflow.Invite: "invite",
		workflow.SiteGroupAdd: "site-group-add", workflow.SiteGroupRemove: "site-group-remove", workflow.SiteCreate: "site-create",
		workflow.SiteDelete: "site-delete", workflow.SiteColumns: "site-columns-reset",
	}[s.Action]
	if s.Place == workflow.PlaceSCIM {
		known = scimKind(s.Action)
	}
	switch {
	case known == "":
		return !slices.ContainsFunc(simWrites, func(w simWrite) bool { return w.kind == kind })
	case kind == "email", kind == "scim-email", ofNobody(kind):
		return known == kind && s.Set.Get(workflow.FieldEmail) == to
	case kind == "name", kind == "scim-name":
		return known == kind && s.Set.Get(workflow.FieldName) == to
	}
	return kind == known
}

// approved reports whether enough people approved the batch: by clicks that the simulator saw, on the digest that stands, of
// people who were entitled to it then, none of them requester or author, each human once.
func (s *scenario) approved(b *workflow.Batch, call simCall) {
	if b.Link == workflow.LinkReturn { // approved with what it takes back
		first, err := s.reader.Batch(context.Background(), b.Follows)
		if err != nil {
			s.violated("a call for #%d, which takes nothing back: %v", b.Number, err)
			return
		}
		b = first
	}
	s.mu.Lock()
	clicks := slices.Clone(s.clicks)
	s.mu.Unlock()
	var humans []string
	want := 100 // at least, whatever the rules say
	for _, w := range s.actors.between(b.Created, call.at) {
		if want = min(want, w.rules.approvals); w.rules.emergency != "" {
			want = 1
		}
	}
	for _, c := range clicks {
		if c.action != "approve" || c.batch != b.Number || c.digest != b.Digest || c.digest == "" ||
			c.who == b.Requester.ID || c.who == b.Author.ID {
			continue
		}
		until := c.at.Add(deciding)
		if until.After(call.at) {
			until = call.at
		}
		human := s.actors.human(c.who, c.at, until)
		if s.actors.wasAdmin(c.who, c.at, until) && !slices.Contains(humans, human) {
			humans = append(humans, human)
		}
	}
	if len(humans) < want {
		s.violated("a call for #%d, line %d with %d approvals of %d: %v", b.Number, call.row, len(humans), want, humans)
	}
}
