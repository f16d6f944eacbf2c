package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// Cards name the batches that were made of theirs, the latest ones, and say what cannot be undone.
func TestLinkedWords(t *testing.T) {
	made := func(number int64, by workflow.Link, state workflow.State) Relation {
		b := &workflow.Batch{Number: number, State: state}
		b.Ended = at(9)
		return Relation{Number: number, Link: by, Batch: b}
	}
	done := sealedBatch()
	approve(&done, workflow.Done)
	done.Summary.Groups = []workflow.Group{
		{Action: workflow.Rename, State: workflow.ChangeDone, Count: 3},
		{Action: workflow.Remove, State: workflow.ChangeDone, Count: 2},
		{Action: workflow.Rename, State: workflow.ChangeFailed, Code: workflow.ReasonDrifted, Count: 1},
	}
	for _, c := range []struct {
		name    string
		links   []Relation
		says    []string
		buttons []string
	}{
		{"nothing", nil, []string{"2 changes cannot be undone."}, []string{"Retry failed", "Undo"}},
		{
			"undo that was rejected",
			[]Relation{made(43, workflow.LinkUndo, workflow.Rejected)},
			[]string{"Undo #43 was rejected."},
			[]string{"Retry failed", "Undo"},
		},
		{
			"undo that is open",
			[]Relation{made(43, workflow.LinkUndo, workflow.Rejected), made(44, workflow.LinkUndo, workflow.Running)},
			[]string{"Undo requested in #44, running."},
			[]string{"Retry failed", "Undo: #44"},
		},
		{"undone", []Relation{made(44, workflow.LinkUndo, workflow.Done)}, []string{"Undone by #44"}, []string{"Retry failed"}},
		{
			"taken back at its end",
			[]Relation{{Number: 47, Link: workflow.LinkReturn, Batch: made(47, workflow.LinkReturn, workflow.Done).Batch, All: true}},
			[]string{"Taken back by #47"},
			[]string{"Retry failed"},
		},
		{
			"taken back in part",
			[]Relation{made(47, workflow.LinkReturn, workflow.Done)},
			[]string{"Taken back by #47"},
			[]string{"Retry failed", "Undo"},
		},
		{
			"the rest",
			[]Relation{made(45, workflow.LinkRest, workflow.AwaitingApproval)},
			[]string{"The rest is #45 (waiting for approval)."},
			[]string{"Retry failed", "Undo"},
		},
		{
			"retry with other rows",
			[]Relation{made(46, workflow.LinkRetry, workflow.Planning)},
			[]string{"Rows that changed since the approval are #46 (checking)."},
			[]string{"Retry failed", "Undo"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			done := done
			done.Relations = c.links
			m := done.Draw()
			withinLimits(t, m)
			all := done.status() + "\n" + relationLines(done.Batch, c.links, false)
			for _, want := range c.says {
				if !strings.Contains(all, want) {
					t.Errorf("does not say %q:\n%s", want, all)
				}
			}
			for _, l := range c.links {
				lasting := relationLines(done.Batch, []Relation{l}, true)
				if l.Batch.State.Open() && strings.Contains(lasting, plainState(l.Batch)) || !strings.Contains(lasting, l.linkedNumber()) {
					t.Errorf("the thread goes on saying %q", lasting)
				}
			}
			var got []string
			for _, e := range done.buttons() {
				got = append(got, labelOf(e))
			}
			if !slices.Equal(got, c.buttons) {
				t.Errorf("buttons %q, want %q", got, c.buttons)
			}
		})
	}
}

func labelOf(e slack.BlockElement) string {
	b, ok := e.(*slack.ButtonBlockElement)
	if !ok {
		return "no button"
	}
	return b.Text.Text
}

func TestReminderWords(t *testing.T) {
	c := sealedBatch()
	for name, tt := range map[string]struct {
		admins, may []string
		want        string
	}{
		"two":    {[]string{"U0ALICE", "U0BOB"}, []string{"U0ALICE", "U0BOB"}, ". <@U0ALICE> or <@U0BOB> can approve."},
		"groups": {[]string{"S0IT"}, nil, " from an admin other than the requester."},
		"nobody": {[]string{"U0CAROL"}, nil, " from an admin other than the requester."},
	} {
		m := Thread{Batch: c.Batch, Admins: tt.admins}.Reminder(tt.may)
		withinLimits(t, m)
		want := fmt.Sprintf("#42 still waits for 1 approval%s It expires %s.", tt.want, moment(c.Batch.Expires))
		if m.Text != want {
			t.Errorf("%s: %s\nwant %s", name, m.Text, want)
		}
	}
}

// A return that began late says how late, by when what it takes back was to end.
func TestLateReturnSaysHowLate(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]string{
		30 * time.Second: "", 95 * time.Second: "It began 1 minute late", 3 * time.Hour: "It began 3 hours late",
	} {
		c := sealedBatch()
		approve(&c, workflow.Done)
		first := &workflow.Batch{Number: 41}
		first.Started, first.When = at(0), workflow.When{For: 20 * time.Minute}
		c.Batch.Link, c.Batch.Started, c.From = workflow.LinkReturn, at(20).Add(late), &Relation{Number: 41, Batch: first}
		if said := c.status(); strings.Contains(said, "It began") != (want != "") || !strings.Contains(said, want) {
			t.Errorf("%s late: %s", late, said)
		}
		if c.Batch.Released = (&workflow.Release{At: at(5)}); strings.Contains(c.status(), "It began") {
			t.Errorf("what was ended before its time is late: %s", c.status())
		}
	}
}

// Who let a batch run before its time decided: its card and its history say who, and when.
func TestWhoStartedBeforeTheTimeIsSaid(t *testing.T) {
	t.Parallel()
	for link, want := range map[workflow.Link]string{
		"":                  "Started before its time by <@U0BOB> " + moment(at(30)),
		workflow.LinkReturn: "Ended before its time by <@U0BOB> " + moment(at(30)),
	} {
		for _, state := range []workflow.State{workflow.Running, workflow.Paused, workflow.Done} {
			c := sealedBatch()
			approve(&c, state)
			c.Batch.Link, c.Batch.Released = link, &workflow.Release{By: workflow.Person{ID: "U0BOB"}, At: at(30)}
			if said := textsOf(t, c.Draw().Blocks); !strings.Contains(said, want) {
				t.Errorf("the card of a batch %q that is %s does not say %q:\n%s", link, state, want, said)
			}
			if history := strings.Join((Details{Card: c}).history(), " · "); !strings.Contains(history, moment(at(30))+" <@U0BOB>") {
				t.Errorf("its history is %s", history)
			}
		}
	}
}

// As long as what a batch did is to be taken back, its card and its end say when: also once it is
// done, when that has become the only thing that still happens.
func TestEndTimeIsSaid(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]workflow.When{"until": {Until: at(600), Zone: "UTC"}, "for": {For: 10 * time.Hour, Zone: "UTC"}} {
		for _, state := range []workflow.State{workflow.Running, workflow.Paused, workflow.Done, workflow.Cancelled} {
			c := sealedBatch()
			approve(&c, state)
			c.Batch.When, c.Batch.Started, c.Batch.Ended = when, at(0), at(30)
			ret := &workflow.Batch{Number: 43, State: workflow.Approved}
			ret.Link, ret.Rows = workflow.LinkReturn, 12
			ret.Traits.Actions = []workflow.ActionName{workflow.Activate}
			c.Relations = []Relation{{Number: 43, Link: workflow.LinkReturn, Batch: ret}}
			if n := strings.Count(textsOf(t, c.Draw().Blocks), moment(at(600))); n != 1 {
				t.Errorf("%s, %s: the card says %d times when it ends", name, state, n)
			}
			if end := (Thread{Batch: c.Batch, Summary: c.Summary, Relations: c.Relations}).End().Text; over(state) && !strings.Contains(end, moment(at(600))) {
				t.Errorf("%s, %s: the end says %q", name, state, end)
			}
		}
	}
}

// Who asked first for what another person asks for again wrote a file only where there was one.
func TestWhoAskedFirstIsSaid(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"leavers.csv": "(file by <@U0DAN>)", "": "(first asked by <@U0DAN>)"} {
		c := sealedBatch()
		c.Batch.Source.FileName, c.Batch.Author = file, workflow.Person{ID: "U0DAN"}
		if said := textsOf(t, c.Draw().Blocks); !strings.Contains(said, want) {
			t.Errorf("with the file %q the card does not say %q:\n%s", file, want, said)
		}
	}
}
