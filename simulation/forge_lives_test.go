package simulation

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
)

// evidenceLives makes a database in which batches have been through all that their evidence tells of, and returns the numbers
// of those that are worth forging.
func evidenceLives(t *testing.T, place string) []int64 {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: place, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	e := &evidenceLife{T: t, db: db, now: time.Date(2026, 11, 24, 9, 0, 0, 123456789, time.UTC)}
	first, second, third := e.planned(), e.planned(), e.asked(7)
	e.decide(first, "U0EVE", workflow.Approve)
	e.update(first, func(b *workflow.Batch) error {
		b.Dropped = []string{"U0EVE"}
		b.Approvals, b.Why = 2, []string{"the rule on changes over 3"}
		b.Record(workflow.Event{At: e.now, Actor: workflow.Bot, Kind: workflow.EventDropped, Data: []byte(`{"person":"U0EVE"}`)})
		b.Record(workflow.Event{At: e.now, Actor: workflow.Bot, Kind: workflow.EventNeedsMore, Data: []byte(`{"approvals":2}`)})
		return nil
	})
	e.decide(first, "U0ALICE", workflow.Approve)
	e.decide(first, "U0BOB", workflow.Approve)
	e.update(first, func(b *workflow.Batch) error {
		b.Approved, b.Started = e.now, e.now
		if err := b.Move(workflow.Approved); err != nil {
			return err
		}
		return b.Move(workflow.Running)
	})
	e.run(first, 2, workflow.ChangeDone, workflow.Reason{})
	e.run(first, 3, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonNotRun, "cancelled", "Bob"))
	e.run(first, 4, workflow.ChangeDone, workflow.Reason{})
	e.run(first, 8, workflow.ChangeDone, workflow.Reason{})
	e.end(first)
	e.decide(second, "U0ALICE", workflow.Reject)
	e.update(second, func(b *workflow.Batch) error {
		b.Ended = e.now
		b.Ending = &workflow.Ending{By: workflow.Person{ID: "U0ALICE", Name: "Alice"}, How: workflow.Rejected, Reason: "no", At: e.now}
		return b.Move(workflow.Rejected)
	})
	fourth := e.left(first)
	e.warned()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return []int64{first, second, third, fourth}
}

// left is a batch that follows another one, so that nothing was sent for it: somebody is to leave two groups, and one of them
// is not left; a row that nothing comes of names a site and a directory.
func (e *evidenceLife) left(of int64) int64 {
	ask := workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@x.example"}
	b := &workflow.Batch{OrgID: "org-1", State: workflow.Planning, BatchRequest: workflow.BatchRequest{
		Requester: ask, Author: ask, Reason: "undo", Rows: 2, Created: e.now, Follows: of, Link: workflow.LinkUndo,
		Source: workflow.Source{Kind: workflow.SourceBatch},
	}}
	b.Record(workflow.Event{At: e.now, Actor: "U0HANA", Kind: workflow.EventAsked, Data: []byte(`{"author":"U0HANA","rows":2}`)})
	rows := []workflow.Row{{Line: 1, Action: workflow.Offboard}, {Line: 2, Action: workflow.SiteGroupAdd}}
	rows[0].Set(workflow.ColumnAccountID, "acc-1")
	rows[1].Set(workflow.ColumnSite, "main")
	rows[1].Set(workflow.ColumnDirectory, "Main directory")
	e.must(e.db.Create(e.Context(), b, rows, nil, nil))
	status := func(s string) workflow.Values { return workflow.Of(workflow.FieldStatus, s) }
	step := func(seq int, action workflow.ActionName, expect, set workflow.Values) workflow.Step {
		return workflow.Step{
			Seq: seq, Row: 1, Action: action, Place: workflow.PlaceAccount, AccountID: "acc-1", Until: "+3600", Expect: expect, Set: set,
		}
	}
	group := workflow.Of[workflow.Field]
	steps := []workflow.Step{
		step(1, workflow.Deactivate, status("active"), status("inactive")),
		step(2, workflow.GroupRemove, group("group:g9", "in"), group("group:g9", "out")),
		step(3, workflow.GroupRemove, group("group:g1", "in"), group("group:g1", "out")),
	}
	changes := []workflow.Change{
		{
			Row: 1, Action: workflow.Offboard, AccountID: "acc-1", Name: "N", Steps: steps, State: workflow.ChangeReady,
			Expect: workflow.Of(workflow.FieldEmail, "n@x.example"), Set: workflow.Of(workflow.FieldGroups, "zebras;ants"),
		},
		{
			Row: 2, Action: workflow.SiteGroupAdd, State: workflow.ChangeBlocked,
			Reason: workflow.NewReason(workflow.ReasonNoAccount, "o@x.example", ""),
		},
	}
	_, err := e.db.SavePlan(e.Context(), b.Number, changes, nil, func(b *workflow.Batch) error {
		b.Digest, b.Approvals, b.Planned, b.Expires = workflow.PlanDigest(b, steps), 1, e.now, e.now.Add(time.Hour)
		b.Record(workflow.Event{At: e.now, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: []byte(
			fmt.Sprintf(`{"digest":%q,"approvals":1}`, b.Digest))})
		return b.Move(workflow.AwaitingApproval)
	})
	e.must(err)
	e.decide(b.Number, "U0ALICE", workflow.Approve)
	e.update(b.Number, func(b *workflow.Batch) error {
		b.Approved, b.Started = e.now, e.now
		if err := b.Move(workflow.Approved); err != nil {
			return err
		}
		return b.Move(workflow.Running)
	})
	e.run(b.Number, 1, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonInactive, "group-remove"))
	e.end(b.Number)
	return b.Number
}

// warned is a batch whose rows were shown each with another warning, the last with one that the log has no code of; two of
// them have got another reason since.
func (e *evidenceLife) warned() {
	codes := append(workflow.Warnings(), "")
	number := e.asked(len(codes))
	var changes []workflow.Change
	var steps []workflow.Step
	for i, code := range codes {
		step := workflow.Step{
			Seq: i + 1, Row: i + 2, Action: workflow.Rename, Place: workflow.PlaceAccount, AccountID: fmt.Sprint("w", i),
			Expect: workflow.Of(workflow.FieldEmail, fmt.Sprintf("w%d@x.example", i)),
			Set:    workflow.Of(workflow.FieldEmail, fmt.Sprintf("w%d@y.example", i)),
		}
		c := workflow.Change{
			Row: i + 2, Action: step.Action, AccountID: step.AccountID, Name: "W", State: workflow.ChangeReady,
			Reason: workflow.NewReason(code, "one", "2"),
		}
		if code == "" {
			c.Reason, step.Set = workflow.Reason{}, workflow.Of(workflow.FieldEmail, "p\u0430ul@y.example")
		}
		c.Expect, c.Set, c.Steps = step.Expect, step.Set, []workflow.Step{step}
		changes, steps = append(changes, c), append(steps, step)
	}
	_, err := e.db.SavePlan(e.Context(), number, changes, nil, func(b *workflow.Batch) error {
		b.Digest, b.Approvals, b.Planned, b.Expires = workflow.PlanDigest(b, steps), 1, e.now, e.now.Add(time.Hour)
		b.Record(workflow.Event{At: e.now, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: []byte(
			fmt.Sprintf(`{"digest":%q,"approvals":1}`, b.Digest))})
		return b.Move(workflow.AwaitingApproval)
	})
	e.must(err)
	e.decide(number, "U0ALICE", workflow.Approve)
	e.update(number, func(b *workflow.Batch) error {
		b.Approved, b.Started = e.now, e.now
		if err := b.Move(workflow.Approved); err != nil {
			return err
		}
		return b.Move(workflow.Running)
	})
	e.run(number, 2, workflow.ChangeDone, workflow.Reason{})
	e.run(number, 3, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonInactive, "rename"))
}

// evidenceLife writes batches as the engine does.
type evidenceLife struct {
	*testing.T
	db  *sqlite.DB
	now time.Time
}

func (e *evidenceLife) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
	e.now = e.now.Add(time.Second)
}

func (e *evidenceLife) asked(lines int) int64 {
	b := &workflow.Batch{
		OrgID: "org-1", State: workflow.Planning,
		BatchRequest: workflow.BatchRequest{
			Requester: workflow.Person{ID: "U0HANA", Name: "Hana <&>", Email: "hana@x.example"},
			Author:    workflow.Person{ID: "U0OTTO", Name: "Otto\u2028", Email: "otto@x.example"},
			Agent:     "assistant", Reason: "=new \"names\"", Verb: workflow.Rename, Rows: lines, Created: e.now,
			Header: []string{"email", "new_email", "phone"}, Ignored: []string{"phone"},
			Source: workflow.Source{Kind: workflow.SourceFile, Channel: "C0", FileName: "a.csv"},
		},
	}
	b.Record(workflow.Event{At: e.now, Actor: "U0HANA", Kind: workflow.EventAsked, Data: []byte(
		fmt.Sprintf(`{"author":"U0OTTO","rows":%d}`, lines))})
	rows := make([]workflow.Row, lines)
	for i := range rows {
		rows[i] = workflow.Row{Line: i + 2, Action: workflow.Rename, Cells: []string{"a", ""}}
		rows[i].Set(workflow.ColumnEmail, fmt.Sprintf("a%d@x.example", i))
	}
	e.must(e.db.Create(e.Context(), b, rows, []byte("email,new_email\na@x.example,a@y.example\n"), nil))
	return b.Number
}

// planned is a batch with a swap through a parking address, a rename whose new address looks odd, a deactivation, a blocked
// row and one that is unchanged.
func (e *evidenceLife) planned() int64 {
	number := e.asked(7)
	id := func(row int) string { return fmt.Sprintf("acc-%d-%d", number, row) }
	renamed := func(row, seq int, from, to string) workflow.Step {
		return workflow.Step{
			Seq: seq, Row: row, Action: workflow.Rename, Place: workflow.PlaceAccount, AccountID: id(row),
			Expect: workflow.Of(workflow.FieldEmail, from).With(workflow.FieldStatus, "active"),
			Set:    workflow.Of(workflow.FieldEmail, to),
		}
	}
	own := func(s string) string { return fmt.Sprintf("%s%d@x.example", s, number) }
	all := []workflow.Step{
		renamed(2, 1, own("a"), own("park")), renamed(3, 2, own("b"), own("a")), renamed(2, 4, own("park"), own("b")),
		{
			Seq: 3, Row: 4, Action: workflow.Deactivate, Place: workflow.PlaceAccount, AccountID: id(4),
			Expect: workflow.Of(workflow.FieldStatus, "active"),
			Set:    workflow.Of(workflow.FieldStatus, "inactive").With(workflow.FieldMessage, "+bye, all"),
		},
		renamed(5, 5, own("e"), "p\u0430ul@y.example"),
		{
			Seq: 6, Row: 8, Action: "group-add", Place: workflow.PlaceDirectory, Directory: "dir-1", AccountID: id(8),
			Expect: workflow.Of[workflow.Field]("group:g1", "out").
				With("group:g2", "out"), Set: workflow.Of[workflow.Field]("group:g2", "in").With("group:g1", "in"),
		},
	}
	row := func(row int, action workflow.ActionName, expect, set workflow.Values, steps ...workflow.Step) workflow.Change {
		return workflow.Change{
			Row: row, Action: action, AccountID: id(row), Name: "'=N, \"x\"", Expect: expect, Set: set, Steps: steps,
			State: workflow.ChangeReady,
		}
	}
	email := func(address string) workflow.Values { return workflow.Of(workflow.FieldEmail, address) }
	odd := row(5, workflow.Rename, email(own("e")), email("p\u0430ul@y.example"), all[4])
	odd.Reason = workflow.NewReason(workflow.ReasonOddAddress, "letters of two alphabets")
	blocked := row(6, workflow.Rename, email(own("f")), email(own("g")))
	blocked.State, blocked.Reason = workflow.ChangeBlocked, workflow.NewReason(workflow.ReasonNoAccount, own("f"), "")
	unchanged := row(7, workflow.Activate, email(own("h")), nil)
	unchanged.State = workflow.ChangeUnchanged
	changes := []workflow.Change{
		row(2, workflow.Rename, email(own("a")), email(own("b")), all[0], all[2]),
		row(3, workflow.Rename, email(own("b")), email(own("a")), all[1]),
		row(4, workflow.Deactivate, email(own("d")), workflow.Of(workflow.FieldMessage, "+bye, all"), all[3]), odd, blocked, unchanged,
		row(8, "group-add", nil, workflow.Of(workflow.FieldGroups, "a;b"), all[5]), // an action that its steps alone tell of
	}
	changes[0].Effects = []workflow.Effect{"signed_out_twice", "locked_out"}
	slices.SortFunc(all, func(a, b workflow.Step) int { return a.Seq - b.Seq })
	_, err := e.db.SavePlan(e.Context(), number, changes, nil, func(b *workflow.Batch) error {
		b.Digest, b.Approvals, b.Planned, b.Expires = workflow.PlanDigest(b, all), 1, e.now, e.now.Add(time.Hour)
		b.Traits, b.Emergency = workflow.Traits{Changes: 4}, number == 1
		b.Record(workflow.Event{At: e.now, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: []byte(
			fmt.Sprintf(`{"digest":%q,"approvals":1}`, b.Digest))})
		return b.Move(workflow.AwaitingApproval)
	})
	e.must(err)
	return number
}

func (e *evidenceLife) update(number int64, rule func(*workflow.Batch) error) {
	_, err := e.db.Update(e.Context(), number, rule)
	e.must(err)
}

func (e *evidenceLife) decide(number int64, who string, verdict workflow.Verdict) {
	e.update(number, func(b *workflow.Batch) error {
		reason := map[workflow.Verdict]string{workflow.Reject: "not these"}[verdict]
		b.Decisions = append(b.Decisions, workflow.Decision{
			Person: workflow.Person{ID: who, Name: who + " N", Email: who + "@x.example"}, Verdict: verdict, Digest: b.Digest,
			Reason: reason, At: e.now,
		})
		b.Record(workflow.Event{At: e.now, Actor: who, Kind: string(verdict), Data: []byte(
			fmt.Sprintf(`{"digest":%q,"reason":%q}`, b.Digest, reason))})
		return nil
	})
}

func (e *evidenceLife) run(number int64, row int, to workflow.ChangeState, reason workflow.Reason) {
	for _, next := range []workflow.ChangeState{workflow.ChangeRunning, to} {
		_, _, err := e.db.UpdateChange(e.Context(), number, row, func(b *workflow.Batch, c *workflow.Change) error {
			kind, facts := string(next), []byte(nil)
			if next == workflow.ChangeRunning {
				kind, facts = workflow.EventCalling, []byte(fmt.Sprintf(`{"account_id":%q}`, c.AccountID))
				c.Attempts, c.Called = c.Attempts+1, e.now
			} else {
				c.Finished, c.Reason = e.now, reason
				for i := range c.Steps {
					c.SetOutcome(i, workflow.StepOutcome{State: next, Reason: reason, Attempts: 1, Finished: e.now})
				}
			}
			b.Record(workflow.Event{At: e.now, Row: row, Actor: workflow.Bot, Kind: kind, Data: facts})
			return c.Move(next)
		})
		e.must(err)
	}
}

// end ends the batch; what is ready is skipped.
func (e *evidenceLife) end(number int64) {
	_, err := e.db.UpdateChanges(e.Context(), number, workflow.ChangeReady, func(c *workflow.Change) error {
		c.Reason = workflow.NewReason(workflow.ReasonNotRun, "cancelled", "Hana")
		return c.Move(workflow.ChangeSkipped)
	}, func(b *workflow.Batch) error {
		b.Ended = e.now
		return b.Move(workflow.Done)
	})
	e.must(err)
}
