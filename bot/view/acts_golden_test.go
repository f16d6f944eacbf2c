package view

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// sameAsFile compares a text with testdata, or writes it again.
func sameAsFile(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// What can be pressed on the card of a batch, in every state and with everything that it depends
// on.
func TestButtonsOfEveryState(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	group := func(state workflow.ChangeState, code workflow.ReasonCode, action workflow.ActionName, n int) workflow.Summary {
		return workflow.Summary{Groups: []workflow.Group{{Action: action, State: state, Code: code, Count: n}}}
	}
	summaries := map[string]workflow.Summary{
		"failed":        group(workflow.ChangeFailed, workflow.ReasonDrifted, workflow.Rename, 3),
		"stuck":         group(workflow.ChangeFailed, workflow.ReasonStuck, workflow.Rename, 1),
		"waited":        group(workflow.ChangeSkipped, workflow.ReasonPredecessor, workflow.Rename, 1),
		"done":          group(workflow.ChangeDone, "", workflow.Rename, 1200),
		"done for good": group(workflow.ChangeDone, "", workflow.Remove, 2),
		"not checked":   group(workflow.ChangeBlocked, workflow.ReasonCouldNotCheck, workflow.Rename, 2),
		"ready":         group(workflow.ChangeReady, "", workflow.Rename, 2),
	}
	mixed := workflow.Summary{}
	for _, name := range []string{"failed", "done", "done for good", "not checked"} {
		mixed.Groups = append(mixed.Groups, summaries[name].Groups...)
	}
	show := func(name string, c Card) {
		fmt.Fprintf(&got, "%s\n", name)
		for _, e := range c.buttons() {
			b := e.(*slack.ButtonBlockElement)
			fmt.Fprintf(&got, "  %s %q %s\n", b.ActionID, b.Text.Text, b.Style)
			if b.Value != buttonValue(42, testDigest) {
				t.Errorf("%s: %s has the value %s", name, b.ActionID, b.Value)
			}
			if d := b.Confirm; d != nil && !strings.Contains(name, ", its ") {
				fmt.Fprintf(&got, "    %q\n    %q\n    %q %q %s\n", d.Title.Text, d.Text.Text, d.Confirm.Text, d.Deny.Text, d.Style)
			}
		}
	}
	in := func(state workflow.State, change func(*Card)) Card {
		c := sealedBatch()
		approve(&c, state)
		c.Summary = summaries["ready"]
		if change != nil {
			change(&c)
		}
		return c
	}
	for _, state := range workflow.States() {
		show(string(state), in(state, nil))
		for _, name := range []string{"failed", "stuck", "waited", "done", "done for good", "not checked"} {
			show(string(state)+", "+name, in(state, func(c *Card) { c.Summary = summaries[name] }))
		}
		show(string(state)+", mixed", in(state, func(c *Card) { c.Summary = mixed }))
		for _, how := range []workflow.State{workflow.Cancelled, workflow.Done} {
			show(string(state)+", ending as "+string(how), in(state, func(c *Card) {
				c.Batch.Ending, c.Summary = &workflow.Ending{By: alice, How: how, At: at(11)}, mixed
			}))
		}
		for _, link := range []workflow.Link{workflow.LinkUndo, workflow.LinkAgain, workflow.LinkRecheck, workflow.LinkRetry} {
			for _, became := range workflow.States() {
				show(fmt.Sprintf("%s, its %s is %s", state, link, became), in(state, func(c *Card) {
					c.Summary = mixed
					c.Relations = []Relation{
						{Number: 43, Link: link, Batch: &workflow.Batch{Number: 43, State: workflow.Rejected}},
						{Number: 44, Link: link, Batch: &workflow.Batch{Number: 44, State: became}},
					}
				}))
			}
		}
	}
	sameAsFile(t, "buttons.txt", got.String())
}

// What is said to whoever may not, may not yet or may no more, for every button.
func TestActWords(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, action := range []string{
		ActionApprove, ActionReject, ActionWithdraw, ActionPause, ActionCancel, ActionResume, ActionRecheck, ActionRetry,
		ActionUndo, ActionAgain,
	} {
		fmt.Fprintf(&got, "%s\n", action)
		for _, err := range []error{
			workflow.ErrNoRole, workflow.ErrNotAdmin, workflow.ErrNotRequester, workflow.ErrOwnBatch, workflow.ErrMayNotResume,
			workflow.ErrBeingChecked, workflow.ErrUndone, &workflow.IneligibleError{Kind: workflow.WithoutRole}, &workflow.IneligibleError{Kind: workflow.Guest},
			&workflow.IneligibleError{Kind: workflow.NotCheckable, Err: errors.New("out")},
		} {
			_, ineligible := errors.AsType[*workflow.IneligibleError](err)
			role := ineligible || errors.Is(err, workflow.ErrNoRole) || errors.Is(err, workflow.ErrNotAdmin)
			if action == ActionWithdraw && role {
				continue // it asks for no role, so it is never refused for want of one
			}
			for _, admins := range [][]string{nil, {"U0ALICE", "S0ITADMINS", "U0CAROL"}} {
				for _, made := range []string{"", "#44."} {
					if made != "" && !errors.Is(err, workflow.ErrBeingChecked) && !errors.Is(err, workflow.ErrUndone) {
						continue
					}
					refused := &ActError{Action: action, Number: 42, Exclude: []string{"U0CAROL"}, Made: made, Err: err}
					text, ok := Words(refused, "/countersign", admins...)
					fmt.Fprintf(&got, "  %v, %d admins%s: %v %s\n", err, len(admins), made, ok, text)
				}
			}
		}
		made := Made(action, 42, &workflow.Batch{Number: 43})
		fmt.Fprintf(&got, "  done: %q made: %q\n", DoneWords(action), made)
	}
	for _, cause := range []workflow.StopCause{workflow.StopPerson, workflow.StopCanary} {
		b := sealedBatch().Batch
		b.State, b.Stop = workflow.Paused, workflow.Stop{Cause: cause, By: bob, At: at(3)}
		fmt.Fprintf(&got, "paused by %s: %s\n", cause, ended(b))
	}
	for _, code := range []workflow.ReasonCode{
		workflow.ReasonProtected, workflow.ReasonOrgAdmin, workflow.ReasonOwnAlone, workflow.ReasonDayLimit,
		workflow.ReasonStalePolicy, workflow.ReasonHeld,
	} {
		for _, rows := range [][]int{nil, {4}, {4, 5, 6}} {
			text, ok := Words(&workflow.GuardError{Code: code, Rows: rows, Facts: []string{"", "<two>", "3", "4"}}, "/countersign")
			fmt.Fprintf(&got, "%s %d: %v %s\n", code, rows, ok, text)
		}
	}
	sameAsFile(t, "acts.txt", got.String())
}

// What is said of effects and of changes, one action at a time.
func TestWordsOfActions(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, e := range []workflow.Effect{
		workflow.EffectSignedOut, workflow.EffectSignedOutTwice, workflow.EffectLockedOut, workflow.EffectBilled, "of_later_on",
	} {
		for _, n := range []int{1, 1200} {
			c := Card{Batch: &workflow.Batch{Number: 1}, Summary: workflow.Summary{Groups: []workflow.Group{
				{Action: workflow.Rename, State: workflow.ChangeReady, Effects: []workflow.Effect{e}, Count: n},
			}}}
			fmt.Fprintf(&got, "%s %d: %s\n", e, n, c.effects())
		}
	}
	all := Card{Batch: &workflow.Batch{Number: 1}, Summary: workflow.Summary{Groups: []workflow.Group{
		{State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectBilled}, Count: 1},
		{State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectLockedOut}, Count: 2},
		{State: workflow.ChangeRunning, Effects: []workflow.Effect{workflow.EffectSignedOutTwice}, Count: 3},
		{State: workflow.ChangeUnknown, Effects: []workflow.Effect{workflow.EffectSignedOut}, Count: 4},
	}}}
	fmt.Fprintf(&got, "all: %s\n", all.effects())
	for _, action := range append(workflow.ActionNames(), "") {
		for _, set := range []workflow.Values{
			workflow.Of(workflow.FieldEmail, "a@new.example").
				With(workflow.FieldGroups, "finance"), workflow.Of(workflow.FieldGroups, "finance"), {},
		} {
			c := workflow.Change{Action: action, Expect: workflow.Of(workflow.FieldEmail, "a@old.example"), Set: set}
			from, to := fromTo(c)
			fmt.Fprintf(&got, "%s: %q %q\n", action, from, to)
		}
	}
	sameAsFile(t, "actions.txt", got.String())
}
