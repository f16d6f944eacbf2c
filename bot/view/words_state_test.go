package view

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// The side effects on a card are those still to come, and who is signed out twice is counted among
// the signed out.
func TestEffectsToCome(t *testing.T) {
	group := func(state workflow.ChangeState, e workflow.Effect, n int) workflow.Group {
		g := workflow.Group{Action: workflow.Rename, State: state, Count: n}
		if e != "" {
			g.Effects = []workflow.Effect{e}
		}
		return g
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
			got := Card{Batch: &workflow.Batch{Number: 1}, Summary: workflow.Summary{Groups: c.groups}}.effects()
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
		c.Batch.Ending = &workflow.Ending{How: workflow.Done, Reason: "the approval expired after 3 days", At: at(12)}
		c.Relations = []Relation{{Number: 45, Link: workflow.LinkRest, Batch: &workflow.Batch{Number: 45, State: workflow.Planning}}}
		m := c.Draw()
		withinLimits(t, m)
		if s := c.status(); !strings.Contains(s, "The approval expired after 3 days.") || strings.Contains(s, "<@>") || strings.Contains(s, "ancelled") {
			t.Errorf("%s: the card says %q", state, s)
		}
		if buttons := c.buttons(); len(buttons) > 0 {
			t.Errorf("%s: %d buttons", state, len(buttons))
		}
		p := Progress{Thread: Thread{Batch: c.Batch, Summary: c.Summary}}.Draw()
		if state != workflow.Paused && !strings.Contains(p.Text, "its approval expired") {
			t.Errorf("%s: the progress says %q", state, p.Text)
		}
		late := &workflow.StateError{Number: 42, State: state, Wanted: workflow.Paused, Batch: c.Batch}
		if text, _ := Words(late, "/countersign"); !strings.Contains(text, "approval expired") || strings.Contains(text, "<@>") {
			t.Errorf("%s: who is too late hears %q", state, text)
		}
	}
	rest := Relation{Number: 45, Link: workflow.LinkRest, Batch: &workflow.Batch{Number: 45, State: workflow.AwaitingApproval}}
	end := threadOf(workflow.Done, func(t *Thread) { t.Relations = []Relation{rest} }).End()
	if want := "The rest is #45."; !strings.Contains(end.Text, want) {
		t.Errorf("the end does not say %q: %s", want, end.Text)
	}
}

// Accounts that may show a parking address are named wherever a pause or an end is told.
func TestParkedIsSaid(t *testing.T) {
	parked := func(t *Thread) { t.Batch.Parked = []int{3, 9} }
	c := Card{Batch: threadOf(workflow.Done, parked).Batch}
	for name, s := range map[string]string{
		"pause": threadOf(workflow.Paused, parked).Paused().Text,
		"end":   threadOf(workflow.Done, parked).End().Text, "card": c.status(),
	} {
		if !strings.Contains(s, "Lines 3 and 9: the accounts may show a parking address") {
			t.Errorf("the %s says %q", name, s)
		}
	}
	if s := c.status(); !strings.Contains(s, "Set the right address in Atlassian") {
		t.Errorf("the card of an ended batch does not say what to do: %q", s)
	}
}

// A pause calls who asked and who approved, and those who may let it go on when they have to; the
// person who paused knows.
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
		text := threadOf(workflow.Paused, func(t *Thread) {
			t.Batch.Stop, t.Admins = c.stop, []string{"U0BOB", "U0CAROL"}
		}).Paused().Text
		if !strings.HasSuffix(text, c.calls) {
			t.Errorf("%s: %q does not call %q", c.name, text, c.calls)
		}
	}
}

// A card of a run says where the live count is, and counting further changes what is behind the stroke
// of its mark alone.
func TestRunningCardLeadsToTheCount(t *testing.T) {
	c := sealedBatch()
	approve(&c, workflow.Running)
	if s := c.counts(); !strings.HasSuffix(s, " · live count in the thread") {
		t.Errorf("counts that do not say where they go on: %q", s)
	}
	mark := c.Mark()
	c.Summary.Groups[0].State = workflow.ChangeDone
	if now := c.Mark(); now == mark || Steady(now) != Steady(mark) {
		t.Errorf("mark %q after %q: counting further is to change what is behind the stroke alone", now, mark)
	}
	c.Batch.State = workflow.Paused
	if Steady(c.Mark()) == Steady(mark) {
		t.Error("a pause does not change the steady part of the mark")
	}
}

// Nobody decided is said only where nobody did.
func TestExpiredWithSomeApprovals(t *testing.T) {
	t.Parallel()
	for approvers, people := range [][]workflow.Person{nil, {bob}, {alice, bob}} {
		c := sealedBatch()
		c.Batch.State, c.Batch.Ended, c.Batch.Approvals = workflow.Expired, at(24*60), 3
		for _, p := range people {
			c.Batch.Decisions = append(c.Batch.Decisions, workflow.Decision{Person: p, Verdict: workflow.Approve, Digest: testDigest, At: at(9)})
		}
		for where, text := range map[string]string{
			"title": c.title(), "card": c.status(), "thread": Thread{Batch: c.Batch, Summary: c.Summary}.Ended().Text,
			"late click": stateWords(&workflow.StateError{Number: 42, State: workflow.Expired, Batch: c.Batch}),
		} {
			nobody, some := strings.Contains(strings.ToLower(text), "nobody decided"), strings.Contains(text, fmt.Sprintf("%d of 3 approvals", approvers))
			if nobody != (approvers == 0) || some != (approvers > 0) {
				t.Errorf("%s after %d approvals: %q", where, approvers, text)
			}
			if where != "title" && approvers == 1 && !strings.Contains(text, "Bob") && !strings.Contains(text, bob.ID) {
				t.Errorf("%s does not name who approved: %q", where, text)
			}
		}
	}
}

// stops are the causes for which the bot stops, each with the notes that come with it.
func stops() map[workflow.StopCause][]string {
	return map[workflow.StopCause][]string{
		workflow.StopCanary: {"3", "1"}, workflow.StopInARow: {"5", "1"},
		workflow.StopPercent:    {"12 % of the changes failed, 3 of 25, and 10 % is the limit"},
		workflow.StopKeyRefused: {"that of the SCIM directory hr", "it was made with scopes"}, workflow.StopUnknown: nil, workflow.StopLicence: nil, workflow.StopStuck: nil, workflow.StopOtherOrg: nil,
		workflow.StopUnavailable: {workflow.LastingWords(5 * time.Minute)}, workflow.StopLateStart: {workflow.LastingWords(12 * time.Hour)},
		workflow.StopStart: {"the requester has no role any more"}, workflow.StopAltered: {"approvals missing: 1"},
	}
}

// What is said of a stop is whole sentences with the right plurals, the number that belongs to it, and
// no notation of programs, whatever is known of it.
func TestStopsReadAsSentences(t *testing.T) {
	t.Parallel()
	wrong := regexp.MustCompile(`[{}]|  |\b1 (changes|lines|rows)\b|\(s\)|\b\d+[hms]\d|\.\.|first 1\b`)
	for cause := range stopCauses() {
		notes, known := stops()[cause]
		if !known {
			t.Errorf("the test has no notes for %s", cause)
		}
		for _, note := range append(notes, "") {
			for _, rows := range [][]int{nil, {4}, {4, 9}} {
				text := stopWords(workflow.Stop{Cause: cause, Note: note, Rows: rows})
				if bad := wrong.FindString(text); bad != "" || !strings.HasSuffix(text, ".") {
					t.Errorf("%s, %q, %v: %q in %q", cause, note, rows, bad, text)
				}
				if at := strings.Index(text, "(line"); (at >= 0) != (rows != nil) || strings.Contains(text[:max(at, 0)], ". ") {
					t.Errorf("%s, %q, %v: the lines do not stand in the first sentence of %q", cause, note, rows, text)
				}
				if len(note) > 1 && !strings.Contains(text, note) {
					t.Errorf("%s: %q is not said in %q", cause, note, text)
				}
			}
		}
	}
}

// A refused key that is not the organisation's is named, and one made with scopes is told from one
// that is not taken.
func TestStopNamesTheKey(t *testing.T) {
	for note, want := range map[string]string{
		"":                                 "Atlassian refused the API key. The",
		"that of the SCIM directory hr":    "Atlassian refused the API key (that of the SCIM directory hr). The",
		"it was made with scopes":          "Atlassian refused the API key (it was made with scopes). The",
		"that of the SCIM directory <@U1>": "Atlassian refused the API key (that of the SCIM directory &lt;",
	} {
		if words := stopWords(workflow.Stop{Cause: workflow.StopKeyRefused, Note: note}); !strings.HasPrefix(words, want) {
			t.Errorf("%q: %s", note, words)
		}
	}
}
