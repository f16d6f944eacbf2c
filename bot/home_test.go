package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// homeSays waits until a person's Home tab contains the words.
func (w *world) homeSays(person, words string) workspace.View {
	w.t.Helper()
	var tab workspace.View
	defer func() {
		if w.t.Failed() {
			w.t.Logf("Home says\n%s", viewText(tab))
		}
	}()
	w.until("Home of "+person+" says "+words, func() bool {
		tab, _ = w.slack.Home(person)
		return strings.Contains(viewText(tab), words)
	})
	return tab
}

func (w *world) openHome(person string) {
	w.t.Helper()
	if err := w.slack.OpenHome(w.t.Context(), person); err != nil {
		w.t.Fatal(err)
	}
}

// Home names the organisation once it is known.
func TestHomeNamesTheOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	w.openHome("U0CAROL")
	w.homeSays("U0CAROL", "Your requests")
	name := "Northwind <!channel> *Ltd*"
	w.organisation.Store(&name)
	w.bot.RedrawHome()
	w.homeSays("U0CAROL", "countersign · Northwind <!channel> *Ltd*") // plain text: it calls nobody
}

// Home shows what waits for a person and never their own, is drawn anew when something changes, also
// after a restart, and tells somebody without a role whom to ask.
func TestHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.accounts.refuse = map[string]bool{}
	for i, n := range []int{3, 5} {
		night := func(yield func(workflow.Member, error) bool) {
			for a := range n {
				m := workflow.Member{Account: workflow.Account{ID: string(rune('a' + a)), Status: workflow.StatusActive}, Billable: true}
				if !yield(m, nil) {
					return
				}
			}
		}
		if _, err := w.db.TakeSnapshot(t.Context(), "nightly", time.Now().Add(time.Duration(i)*time.Second), night); err != nil {
			t.Fatal(err)
		}
	}
	w.openHome("U0DAVE")
	if tab := w.homeSays("U0DAVE", "Ask <@U0ALICE> <@U0BOB>"); strings.Contains(string(tab.Blocks), view.HomeNew) {
		t.Error("somebody without a role is offered a request")
	}
	w.openHome("U0ALICE")
	tab := w.homeSays("U0ALICE", "Nothing waits for your decision")
	if !strings.Contains(viewText(tab), "*5* accounts (+2)") {
		t.Errorf("the directory of last night:\n%s", viewText(tab))
	}
	w.press("U0ALICE", tab, view.HomeReport, "")
	dm := w.slack.OpenDM("U0ALICE")
	w.until("Alice is told of the report", func() bool {
		return slices.ContainsFunc(w.slack.Messages(dm, "U0ALICE"), func(m workspace.Message) bool {
			return strings.Contains(m.Text, "No reports are set up")
		})
	})
	w.command("U0ALICE", requests, "rename p0@old.example p0@new.example")
	w.cardSays(1, "Needs 1 approval")
	w.command("U0CAROL", requests, "rename p1@old.example p1@new.example")
	w.cardSays(2, "Needs 1 approval")
	tab = w.homeSays("U0ALICE", "Waiting for you (1)")
	waits, _, _ := strings.Cut(viewText(tab), "Your requests")
	if !strings.Contains(waits, "#2 · Rename Person 1") || strings.Contains(waits, "#1 · Rename") {
		t.Errorf("what waits for Alice:\n%s", waits)
	}
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.startBot(nil)
	tab = w.homeSays("U0ALICE", "Waiting for you (1)")
	w.press("U0ALICE", tab, view.ActionDetails, "")
	w.press("U0ALICE", w.modalSays("U0ALICE", "p1@new.example"), view.ActionApprove, "")
	w.cardSays(2, "*Done*")
	w.homeSays("U0ALICE", "Nothing waits for your decision")

	w.openHome("U0CAROL")
	tab = w.homeSays("U0CAROL", "Your requests")
	if strings.Contains(viewText(tab), "Waiting for you") || strings.Contains(viewText(tab), "Needs care") {
		t.Errorf("Carol, who may only ask, sees\n%s", viewText(tab))
	}
	w.press("U0CAROL", tab, view.HomeFind, "")
	find := w.modalSays("U0CAROL", "Find an account")
	options, err := w.slack.Suggest(t.Context(), "U0CAROL", find.ID, view.FieldFind, "zzz")
	if err != nil || len(options) > 0 {
		t.Errorf("found %v, %v", options, err)
	}
}

// A hit of find opens the form filled in with the account.
func TestFormOfAHit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", "C0OTHER", "find p1@old.example")
	w.told("U0CAROL", "C0OTHER", "*Person 1* p1@old.example")
	hit := w.slack.Messages("C0OTHER", "U0CAROL")
	for action, want := range map[string]string{view.HitRename: "p1@old.example → ", view.HitDisable: "Message to them", view.HitMore: "p1@old.example"} {
		w.click("U0CAROL", hit[len(hit)-1], action)
		form := w.viewWith("U0CAROL", want)
		if err := w.slack.CloseView(t.Context(), "U0CAROL", form.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// Nothing waits for somebody who could not approve it at a click: the second account of whoever asked,
// by address or by the settings.
func TestHomeOfASecondAccount(t *testing.T) {
	t.Parallel()
	for name, twin := range map[string]struct {
		email string
		own   map[string]string
	}{
		"address":           {email: "Carol@example.com"},
		"account":           {email: "c2@example.com", own: map[string]string{"U0TWIN": "712020:0003", "U0CAROL": "712020:0003"}},
		"account's address": {email: "p3@old.example", own: map[string]string{"U0CAROL": "712020:0003"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, &world{
				t: t, accounts: newAccounts(4), log: &logged{}, quick: true, admins: []string{"U0ALICE", "U0BOB", "U0TWIN"}, own: twin.own,
			})
			w.slack.AddPerson(workspace.Person{ID: "U0TWIN", Name: "carol2", RealName: "Carol II", Email: twin.email})
			w.command("U0CAROL", requests, "rename p1@old.example p1@new.example")
			w.cardSays(1, "Needs 1 approval")
			w.openHome("U0ALICE")
			w.homeSays("U0ALICE", "Waiting for you (1)")
			w.openHome("U0TWIN")
			w.homeSays("U0TWIN", "Nothing waits for your decision")
		})
	}
}

// Home tells admins, and nobody else, what doctor would say of our channels, and that it is put right.
func TestHomeSaysWhatNeedsCareOfChannels(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(2), func(w *world) {
		t := w.t
		w.slack.AddChannel(workspace.Channel{ID: "C0REPORTS", Name: "reports", BotMember: true, Members: []string{"U0ALICE", "U0GUS"}})
		w.slack.AddPerson(workspace.Person{ID: "U0GUS", Name: "gus", RealName: "Gus", Email: "gus@x.example", IsRestricted: true})
		w.joins("U0GUS")
		w.openHome("U0ALICE")
		w.openHome("U0CAROL")
		care := []string{
			"Guests can read #requests: gus", "Guests can read #reports: gus",
			"#reports is public: everybody in the workspace can read who is renamed or deactivated",
		}
		for _, line := range care {
			w.homeSays("U0ALICE", line)
		}
		if tab := w.homeSays("U0CAROL", "Your requests"); strings.Contains(viewText(tab), "gus") {
			t.Errorf("Carol, who may only ask, sees\n%s", viewText(tab))
		}
		for channel, members := range map[string][]string{requests: {"U0ALICE"}, "C0REPORTS": {"U0ALICE"}} {
			if err := w.slack.UpdateChannel(channel, func(c *workspace.Channel) { c.Members, c.Private = members, true }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * time.Hour)
		if tab := w.homeSays("U0ALICE", "Your requests"); strings.Contains(viewText(tab), "Needs care") {
			t.Errorf("what was put right still needs care:\n%s", viewText(tab))
		}
		if calls := w.throttledCalls(); len(calls) > 0 {
			t.Errorf("throttled: %v", calls)
		}
	})
}

// Home says of what runs how long it has to go, opens its rows, and pauses it; all of a person's
// requests are a press away where there are more than it shows.
func TestHomeOfWhatRuns(t *testing.T) {
	t.Parallel()
	a := newAccounts(60)
	a.takes = 20 * time.Second
	inBubble(t, a, func(w *world) {
		t := w.t
		w.say(requests, "", slice(0, 50))
		card := w.cardSays(1, "Needs 1 approval")
		for i := range 6 {
			w.command("U0CAROL", requests, fmt.Sprintf("rename p%d@old.example p%d@new.example", i+50, i+50))
			w.cardSays(int64(i+2), "Needs 1 approval")
		}
		w.openHome("U0CAROL")
		w.openHome("U0BOB")
		w.homeSays("U0BOB", "Waiting for you (7)")
		w.click("U0ALICE", card, view.ActionApprove)
		tab := w.homeSays("U0CAROL", " to go")
		w.press("U0CAROL", tab, view.HomeAll, "")
		all := w.modalSays("U0CAROL", "#1 · Rename")
		for i := range 7 {
			if !strings.Contains(viewText(all), fmt.Sprintf("#%d · ", i+1)) {
				t.Errorf("all requests lack #%d:\n%s", i+1, viewText(all))
			}
		}
		w.press("U0CAROL", all, view.ActionDetails, "")
		if w.modalSays("U0CAROL", "All rows"); len(w.slack.Views("U0CAROL")) != 2 {
			t.Error("the details took the place of the list")
		}
		tab = w.homeSays("U0BOB", " to go")
		for _, label := range []string{"Open", "Pause"} {
			if !strings.Contains(viewText(tab), label) {
				t.Errorf("there is no %s:\n%s", label, viewText(tab))
			}
		}
		w.press("U0BOB", tab, string(workflow.ActPause), "")
		w.cardSays(1, "*Paused*")
	})
}
