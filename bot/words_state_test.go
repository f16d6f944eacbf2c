package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// The side effects on a card are those still to come, and who is signed out twice is counted among the signed out.
func TestEffectsToCome(t *testing.T) {
	group := func(state workflow.ChangeState, e workflow.Effect, n int) workflow.Group {
		return workflow.Group{Action: workflow.Rename, State: state, Effect: e, Count: n}
	}
	for _, c := range []struct {
		name   string
		groups []workflow.Group
		want   string
	}{
		{"none", []workflow.Group{group(workflow.ChangeReady, "", 3)}, ""},
		{"by way of a parking address", []workflow.Group{
			group(workflow.ChangeReady, workflow.EffectSignedOut, 3), group(workflow.ChangeReady, workflow.EffectSignedOutTwice, 1),
		}, "4 people will be signed out, 1 of them twice (swap through a parking address)"},
		{"in a run", []workflow.Group{
			group(workflow.ChangeDone, workflow.EffectSignedOut, 5), group(workflow.ChangeFailed, workflow.EffectSignedOut, 1),
			group(workflow.ChangeRunning, workflow.EffectSignedOut, 1), group(workflow.ChangeUnknown, workflow.EffectSignedOut, 1),
			group(workflow.ChangeReady, workflow.EffectSignedOut, 2), group(workflow.ChangeSkipped, workflow.EffectSignedOut, 9),
		}, "4 people will be signed out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := card{Batch: &workflow.Batch{Number: 1}, Summary: workflow.Summary{Groups: c.groups}}.effects()
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A run whose approval ran out is not said to be cancelled by somebody, and has no buttons.
func TestApprovalRanOut(t *testing.T) {
	for _, state := range []workflow.State{workflow.Approved, workflow.Running, workflow.Paused} {
		c := sealedBatch()
		approve(&c, state)
		c.Batch.Ending = &workflow.Ending{How: workflow.Done, Reason: "ran out of its approval", At: at(12)}
		c.Links = []linked{{Number: 45, Link: workflow.LinkRest, Batch: &workflow.Batch{Number: 45, State: workflow.Planning}}}
		m := c.draw()
		withinLimits(t, m)
		if s := c.status(); !strings.Contains(s, "approval has run out") || strings.Contains(s, "<@>") || strings.Contains(s, "ancelled") {
			t.Errorf("%s: the card says %q", state, s)
		}
		if buttons := c.buttons(); len(buttons) > 0 {
			t.Errorf("%s: %d buttons", state, len(buttons))
		}
		p := progress{thread: thread{Batch: c.Batch, Summary: c.Summary}}.draw()
		if state != workflow.Paused && !strings.Contains(p.Text, "its approval ran out") {
			t.Errorf("%s: the progress says %q", state, p.Text)
		}
		late := &workflow.StateError{Number: 42, State: state, Wanted: workflow.Paused, Batch: c.Batch}
		if text, _ := words(late, "/countersign"); !strings.Contains(text, "run out") || strings.Contains(text, "<@>") {
			t.Errorf("%s: who is too late hears %q", state, text)
		}
	}
	rest := linked{Number: 45, Link: workflow.LinkRest, Batch: &workflow.Batch{Number: 45, State: workflow.AwaitingApproval}}
	end := threadOf(workflow.Done, func(t *thread) { t.Links = []linked{rest} }).end()
	if want := "the rest is #45 (waiting for approval)."; !strings.Contains(end.Text, want) {
		t.Errorf("the end does not say %q: %s", want, end.Text)
	}
}

// Accounts that may show a parking address are named wherever a pause or an end is told.
func TestParkedIsSaid(t *testing.T) {
	parked := func(t *thread) { t.Batch.Parked = []int{3, 9} }
	c := card{Batch: threadOf(workflow.Done, parked).Batch}
	for name, s := range map[string]string{
		"pause": threadOf(workflow.Paused, parked).paused().Text,
		"end":   threadOf(workflow.Done, parked).end().Text, "card": c.status(),
	} {
		if !strings.Contains(s, "Line 3 and 9: the account may show a parking address") {
			t.Errorf("the %s says %q", name, s)
		}
	}
	if s := c.status(); !strings.Contains(s, "by hand") {
		t.Errorf("the card of an ended batch does not say what to do: %q", s)
	}
}

// A pause calls who asked and who approved, and those who may let it go on when they have to; the person who paused knows.
func TestPauseCalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		stop  workflow.Stop
		calls string
	}{
		{"by the requester", workflow.Stop{Cause: workflow.StopPerson, By: carol, At: at(11)}, "\n<@U0BOB>"},
		{"by an approver", workflow.Stop{Cause: workflow.StopPerson, By: bob, At: at(11)}, "\n<@U0CAROL>"},
		{"by the bot", workflow.Stop{Cause: workflow.StopKeyRefused, At: at(11)}, "<@U0BOB> <@U0CAROL>"},
	} {
		text := threadOf(workflow.Paused, func(t *thread) {
			t.Batch.Stop, t.Admins = c.stop, []string{"U0BOB", "U0CAROL"}
		}).paused().Text
		if !strings.HasSuffix(text, c.calls) {
			t.Errorf("%s: %q does not call %q", c.name, text, c.calls)
		}
	}
}

// A card that waits for its run's counts says from when they are, and its mark does not change with the time.
func TestRunningCardHasItsTime(t *testing.T) {
	c := sealedBatch()
	approve(&c, workflow.Running)
	c.Now = at(15)
	if s := c.counts(); !strings.Contains(s, "as of "+moment(at(15))) {
		t.Errorf("counts without their time: %q", s)
	}
	mark := c.mark()
	c.Now = c.Now.Add(time.Minute)
	if c.mark() != mark {
		t.Error("time alone changes the mark")
	}
	c.Summary.Groups[0].State = workflow.ChangeDone
	if now := c.mark(); now == mark || steady(now) != steady(mark) {
		t.Errorf("mark %q after %q: counting further is to change what is behind the stroke alone", now, mark)
	}
	c.Batch.State = workflow.Paused
	if steady(c.mark()) == steady(mark) {
		t.Error("a pause does not change the steady part of the mark")
	}
}
