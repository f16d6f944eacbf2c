package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// TestEveryActInEveryState holds what comes of every act, by everybody, on a batch in every state
// it can be in, to what it came to before: testdata/permissions.txt.
func TestEveryActInEveryState(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, c := range situations() {
		fmt.Fprintf(&got, "%s\n", c.name)
		for _, act := range actsOnABatch() {
			outcomes, order := map[string][]string{}, []string(nil)
			for _, who := range everybody() {
				what := attempt(t, c, act, who)
				if outcomes[what] == nil {
					order = append(order, what)
				}
				outcomes[what] = append(outcomes[what], who.called)
			}
			for _, what := range order {
				who := strings.Join(outcomes[what], " ")
				if len(order) == 1 {
					who = "everybody"
				}
				fmt.Fprintf(&got, "  %-18s %s: %s\n", act.name, what, who)
			}
		}
	}
	workflowtest.SameAsFile(t, filepath.Join("testdata", "permissions.txt"), got.String())
}

// somebody is a person who tries an act, as the batches of situations know them.
type somebody struct {
	called string
	workflow.Actor
}

func everybody() []somebody {
	person := func(name, email string) workflow.Person {
		return workflow.Person{ID: "U0" + strings.ToUpper(name), Name: name, Email: email}
	}
	asker, author := person("Hana", "hana@corp.example"), person("Walt", "walt@corp.example")
	return []somebody{
		{"requester", workflow.Actor{Person: asker, Requester: true}},
		{"requester-without-role", workflow.Actor{Person: asker}},
		{"requester-as-admin", workflow.Actor{Person: asker, Admin: true}},
		{"author", workflow.Actor{Person: author, Requester: true}},
		{"author-as-admin", workflow.Actor{Person: author, Admin: true}},
		{"admin", admin0()},
		{"admin-2", workflow.Actor{Person: person("Bob", "bob@corp.example"), Admin: true}},
		{"admin's-twin", workflow.Actor{Person: person("Alice2", "ALICE@corp.example"), Admin: true}},
		{"colleague", workflow.Actor{Person: person("Ida", "ida@corp.example"), Requester: true}},
		{"requester's-admin-twin", workflow.Actor{Person: person("Hana2", "HANA@corp.example"), Admin: true}},
		{"author's-admin-twin", workflow.Actor{Person: person("Walt2", "walt@CORP.example"), Admin: true}},
		{"requester's-twin", workflow.Actor{Person: person("Hana3", "hana@corp.example"), Requester: true}},
		{"admin-without-address", workflow.Actor{Person: person("Eve", ""), Admin: true}},
		{"stranger", workflow.Actor{Person: person("Gus", "gus@corp.example")}},
		{"requester's-twin-without-role", workflow.Actor{Person: person("Hana4", "hana@corp.example")}},
	}
}

func admin0() workflow.Actor {
	return workflow.Actor{Person: workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@corp.example"}, Admin: true}
}

// act is one act on a batch, as the engine takes it.
type act struct {
	name string
	do   func(context.Context, *engine.Engine, int64, workflow.Actor) (*workflow.Batch, error)
}

const plannedDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func actsOnABatch() []act {
	type method func(*engine.Engine, context.Context, int64, workflow.Actor) (*workflow.Batch, error)
	call := func(name string, m method) act {
		return act{name, func(ctx context.Context, e *engine.Engine, n int64, who workflow.Actor) (*workflow.Batch, error) {
			return m(e, ctx, n, who)
		}}
	}
	decide := func(name string, verdict workflow.Verdict, digest string) act {
		return act{name, func(ctx context.Context, e *engine.Engine, n int64, who workflow.Actor) (*workflow.Batch, error) {
			return e.Decide(ctx, n, who, verdict, digest, "because")
		}}
	}
	return []act{
		decide("approve", workflow.Approve, plannedDigest), decide("approve other plan", workflow.Approve, "other"),
		decide("reject", workflow.Reject, plannedDigest), decide("reject other plan", workflow.Reject, ""),
		call("withdraw", (*engine.Engine).Withdraw), call("pause", (*engine.Engine).Pause),
		call("cancel", (*engine.Engine).Cancel), call("resume", (*engine.Engine).Resume),
		call("retry", (*engine.Engine).Retry), call("undo", (*engine.Engine).Undo),
		call("ask again", (*engine.Engine).AskAgain), call("check again", (*engine.Engine).Recheck),
		call("start now", (*engine.Engine).Start), call("end now", (*engine.Engine).End), call("keep", (*engine.Engine).Keep),
	}
}

// situation is a batch in a state, and what else an act on it may depend on.
type situation struct {
	name    string
	change  func(*workflow.Batch) // nil when there is no batch at all
	made    []*workflow.Batch     // of the batch
	retry   int                   // how many changes can be retried
	undo    int                   // and undone
	blocked int                   // and could not be checked
}

func situations() []situation {
	in := func(state workflow.State) func(*workflow.Batch) { return func(b *workflow.Batch) { b.State = state } }
	and := func(all ...func(*workflow.Batch)) func(*workflow.Batch) {
		return func(b *workflow.Batch) {
			for _, change := range all {
				change(b)
			}
		}
	}
	sealed := func(b *workflow.Batch) { b.Digest, b.Planned, b.Expires = plannedDigest, now, now.Add(time.Hour) }
	approved := func(b *workflow.Batch) {
		sealed(b)
		b.Approved = now
		b.Decisions = []workflow.Decision{{Person: admin0().Person, Verdict: workflow.Approve, Digest: b.Digest, At: now}}
	}
	started := func(b *workflow.Batch) { approved(b); b.Started, b.Run = now, 1 }
	needs := func(n int) func(*workflow.Batch) { return func(b *workflow.Batch) { b.Approvals = n } }
	dropped := func(b *workflow.Batch) { b.Dropped = []string{"U0ALICE"} }
	elsewhere := func(b *workflow.Batch) { b.OrgID = "org-2" }
	overdue := func(b *workflow.Batch) { b.Expires = now.Add(-time.Minute) }
	unsealed := func(*workflow.Batch) {}
	ending := func(how workflow.State) func(*workflow.Batch) {
		return func(b *workflow.Batch) { b.Ending = &workflow.Ending{By: admin0().Person, How: how, At: now} }
	}
	stopped := func(cause workflow.StopCause, by workflow.Person) func(*workflow.Batch) {
		return func(b *workflow.Batch) {
			b.Stop, b.PausedFrom = workflow.Stop{Cause: cause, By: by, At: now}, workflow.Running
		}
	}
	byPerson := stopped(workflow.StopPerson, admin0().Person)
	byBot := stopped(workflow.StopCanary, workflow.Person{})
	linked := func(link workflow.Link, state workflow.State) []*workflow.Batch {
		return []*workflow.Batch{{Number: 40, State: state, BatchRequest: workflow.BatchRequest{Follows: 7, Link: link}}}
	}

	out := []situation{{name: "no such batch"}}
	add := func(name string, change func(*workflow.Batch)) {
		out = append(out, situation{name: name, change: change})
	}
	add("planning", and(in(workflow.Planning), unsealed))
	add("awaiting approval", and(in(workflow.AwaitingApproval), sealed))
	add("awaiting approval, the second of two", and(in(workflow.AwaitingApproval), approved, needs(2)))
	add("awaiting approval, an approval dropped out", and(in(workflow.AwaitingApproval), approved, needs(2), dropped))
	add("awaiting approval, overdue", and(in(workflow.AwaitingApproval), sealed, overdue))
	add("awaiting approval, planned for another organisation", and(in(workflow.AwaitingApproval), sealed, elsewhere))
	out = append(out, situation{
		name: "awaiting approval, rows not checked", change: and(in(workflow.AwaitingApproval), sealed), blocked: 1,
	})
	add("approved", and(in(workflow.Approved), approved))
	add("approved, being cancelled", and(in(workflow.Approved), approved, ending(workflow.Cancelled)))
	add("running", and(in(workflow.Running), started))
	add("running, being cancelled", and(in(workflow.Running), started, ending(workflow.Cancelled)))
	add("running, its approval ran out", and(in(workflow.Running), started, ending(workflow.Done)))
	add("running, planned for another organisation", and(in(workflow.Running), started, elsewhere))
	add("paused by a person", and(in(workflow.Paused), started, byPerson))
	add("paused by the bot", and(in(workflow.Paused), started, byBot))
	add("paused before its first call by a person", and(in(workflow.Paused), approved, byPerson))
	add("paused by a person, being cancelled", and(in(workflow.Paused), started, byPerson, ending(workflow.Cancelled)))
	add("paused by the bot, being cancelled", and(in(workflow.Paused), started, byBot, ending(workflow.Cancelled)))
	add("paused by a person, planned for another organisation", and(in(workflow.Paused), started, byPerson, elsewhere))
	add("paused by the bot, planned for another organisation", and(in(workflow.Paused), started, byBot, elsewhere))
	add("rejected", and(in(workflow.Rejected), sealed, ending(workflow.Rejected)))
	add("expired", and(in(workflow.Expired), sealed))
	add("empty", in(workflow.Empty))
	out = append(out, situation{name: "empty, rows not checked", change: in(workflow.Empty), blocked: 1})
	for _, state := range []workflow.State{workflow.Done, workflow.Cancelled} {
		for _, retry := range []int{0, 1} {
			for _, undo := range []int{0, 1} {
				out = append(out, situation{
					name:   fmt.Sprintf("%s, %d retryable, %d undoable", state, retry, undo),
					change: and(in(state), started), retry: retry, undo: undo,
				})
			}
		}
	}
	out = append(out,
		situation{
			name: "done, planned for another organisation", change: and(in(workflow.Done), started, elsewhere), retry: 1, undo: 1,
		},
		situation{name: "cancelled before it was approved", change: and(in(workflow.Cancelled), sealed)},
	)
	timed := func(b *workflow.Batch) { b.When.At = now.Add(time.Hour) }
	add("approved, waits for its time", and(in(workflow.Approved), approved, timed))
	add("approved, waits for its time, being cancelled", and(in(workflow.Approved), approved, timed, ending(workflow.Cancelled)))
	add("running, its time has come", and(in(workflow.Running), started, timed))
	add("paused before its time by a person", and(in(workflow.Paused), approved, timed, byPerson))
	back := func(actions ...workflow.ActionName) func(*workflow.Batch) {
		return func(b *workflow.Batch) {
			sealed(b)
			b.Link, b.Follows, b.Approved, b.Traits.Actions, b.When.At = workflow.LinkReturn, 6, now, actions, now.Add(time.Hour)
		}
	}
	kept := func(b *workflow.Batch) {
		b.Decisions = []workflow.Decision{{Person: admin0().Person, Verdict: workflow.Keep, Digest: b.Digest, At: now}}
	}
	begun := func(b *workflow.Batch) { b.Started, b.Run = now, 1 }
	add("a return that lets in waits", and(in(workflow.Approved), back(workflow.Activate)))
	add("a return that locks out waits", and(in(workflow.Approved), back(workflow.GroupRemove)))
	add("a return that does both waits", and(in(workflow.Approved), back(workflow.Activate, workflow.GroupRemove)))
	add("a return waits, kept by one of two", and(in(workflow.Approved), back(workflow.Activate), needs(2), kept))
	add("a return runs", and(in(workflow.Running), back(workflow.Activate), begun))
	add("a return is paused by the bot", and(in(workflow.Paused), back(workflow.Activate), begun, byBot))
	add("a return was kept", and(in(workflow.Cancelled), back(workflow.Activate), ending(workflow.Cancelled)))
	for _, state := range []workflow.State{workflow.AwaitingApproval, workflow.Done, workflow.Rejected} {
		name := ", its %s is " + string(state)
		out = append(out,
			situation{
				name: "done" + fmt.Sprintf(name, "undo"), change: and(in(workflow.Done), started), undo: 1,
				made: linked(workflow.LinkUndo, state),
			},
			situation{
				name: "expired" + fmt.Sprintf(name, "asking again"), change: and(in(workflow.Expired), sealed),
				made: linked(workflow.LinkAgain, state),
			},
			situation{
				name: "empty" + fmt.Sprintf(name, "check again"), change: in(workflow.Empty),
				made: linked(workflow.LinkRecheck, state),
			},
		)
	}
	return out
}

// now is when everything of a situation happened.
var now = time.Now()

// attempt has somebody try an act on a batch of its own, and says what came of it.
func attempt(t *testing.T, c situation, act act, who somebody) string {
	t.Helper()
	s := &shelf{made: c.made}
	if c.change != nil {
		s.batch = &workflow.Batch{
			Number: 7, OrgID: "org-1", Revision: 1,
			BatchRequest: workflow.BatchRequest{
				Requester: everybody()[0].Person, Author: everybody()[3].Person, Reason: "moves",
				Source: workflow.Source{Kind: workflow.SourceFile, FileName: "ask.csv"}, Rows: 1, Created: now,
			},
			BatchApproval: workflow.BatchApproval{Approvals: 1},
		}
		c.change(s.batch)
		s.changes = changesOf(c, s.batch)
	}
	people := &staff{}
	for _, p := range everybody() {
		if !strings.HasPrefix(p.called, "requester-") && !strings.HasPrefix(p.called, "author-") {
			people.is(p.Actor)
		}
	}
	engine, err := engine.New(engine.Config{
		Store: s, Directory: &workflowtest.Organisation{}, People: people, OrgID: "org-1", Policy: policy.Policy{Approvals: 1},
		ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour, Run: run.Limits{Workers: 1}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	before := workflow.Batch{}
	if s.batch != nil {
		before = *s.batch
	}
	b, err := act.do(context.Background(), engine, 7, who.Actor)
	if err != nil {
		if s.created != nil || s.batch != nil && s.batch.State != before.State && s.batch.State != workflow.Expired {
			t.Errorf("%s: %s by %s is refused (%v), and something was changed", c.name, act.name, who.called, err)
		}
		return "refused: " + refusedWith(err)
	}
	if s.created != nil {
		if s.created.Requester != who.Person {
			t.Errorf("%s: %s by %s made a batch of %s", c.name, act.name, who.called, s.created.Requester.ID)
		}
		return fmt.Sprintf("allowed: a new batch (%s)", s.created.Link)
	}
	what := "allowed: " + string(b.State)
	if b.Cancelling() {
		what += ", being cancelled"
	}
	return what
}

// refusedWith is a refusal with everything that a program could tell it by.
func refusedWith(err error) string {
	text := err.Error()
	if state, ok := errors.AsType[*workflow.StateError](err); ok {
		text = fmt.Sprintf("is %s, not to become %s", state.State, state.Wanted)
		if state.Batch == nil {
			text += " (without the batch)"
		}
	}
	return text
}

// changesOf are the rows of a situation's batch.
func changesOf(c situation, b *workflow.Batch) []workflow.Change {
	change := func(row int, state workflow.ChangeState, why workflow.ReasonCode) workflow.Change {
		expect := workflow.Of(workflow.FieldEmail, fmt.Sprintf("p%d@old.example", row))
		set := workflow.Of(workflow.FieldEmail, fmt.Sprintf("p%d@new.example", row))
		return workflow.Change{
			Batch: b.Number, Row: row, Action: workflow.Rename, AccountID: fmt.Sprintf("acc-%d", row), State: state,
			Reason: workflow.NewReason(why), Expect: expect, Set: set,
			Steps: []workflow.Step{{
				Seq: row, Row: row, Action: workflow.Rename, Place: workflow.PlaceAccount,
				AccountID: fmt.Sprintf("acc-%d", row), Expect: expect, Set: set,
			}},
			Outcomes: []workflow.StepOutcome{{State: state}},
		}
	}
	var out []workflow.Change
	for range c.retry {
		out = append(out, change(len(out)+1, workflow.ChangeFailed, workflow.ReasonDrifted))
	}
	for range c.undo {
		out = append(out, change(len(out)+1, workflow.ChangeDone, ""))
	}
	for range c.blocked {
		out = append(out, change(len(out)+1, workflow.ChangeBlocked, workflow.ReasonCouldNotCheck))
	}
	if b.State.Open() {
		out = append(out, change(len(out)+1, workflow.ChangeReady, ""))
	}
	return out
}

// shelf is a store of one batch, in memory: what the rules of an act need of one, some ten thousand
// times.
type shelf struct {
	workflow.Store // nil: what is not below is not needed

	batch   *workflow.Batch
	changes []workflow.Change
	made    []*workflow.Batch
	created *workflow.Batch
}

func (s *shelf) Batch(context.Context, int64) (*workflow.Batch, error) {
	if s.batch == nil {
		return nil, workflow.ErrNoBatch
	}
	b := *s.batch
	return &b, nil
}

func (s *shelf) Update(_ context.Context, number int64, rule func(*workflow.Batch) error) (*workflow.Batch, error) {
	b, err := s.Batch(context.Background(), number)
	if err != nil {
		return nil, err
	}
	if err := rule(b); err != nil {
		return nil, err
	}
	b.TakeEvents()
	s.batch = b
	return s.Batch(context.Background(), number)
}

func (s *shelf) UpdateChanges(
	ctx context.Context, number int64, in workflow.ChangeState, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	b, err := s.Update(ctx, number, rule)
	for i := range s.changes {
		if c := &s.changes[i]; err == nil && c.State == in {
			err = each(c)
		}
	}
	return b, err
}

func (s *shelf) Changes(
	_ context.Context, _ int64, after, _ int, states ...workflow.ChangeState,
) (out []workflow.Change, err error) {
	for _, c := range s.changes {
		if c.Row > after && (len(states) == 0 || slices.Contains(states, c.State)) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (s *shelf) Summary(context.Context, int64) (out workflow.Summary, err error) {
	for _, c := range s.changes {
		out.Groups = append(out.Groups, workflow.Group{Action: c.Action, State: c.State, Code: c.Reason.Code, Count: 1})
	}
	return out, nil
}

func (s *shelf) Following(context.Context, int64) ([]*workflow.Batch, error) { return s.made, nil }

func (s *shelf) Original(context.Context, int64) ([]byte, error) { return []byte("rows"), nil }

func (s *shelf) Rows(context.Context, int64) ([]workflow.Row, error) {
	return []workflow.Row{{Line: 1}}, nil
}

func (s *shelf) Create(
	_ context.Context, b *workflow.Batch, _ []workflow.Row, _ []byte, rule func([]*workflow.Batch) error,
) error {
	if rule != nil {
		if err := rule(s.made); err != nil {
			return err
		}
	}
	b.Number, s.created = 41, b
	return nil
}
