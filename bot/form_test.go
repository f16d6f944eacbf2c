package bot_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// submit fills in and sends a person's form.
func (w *world) submit(person string, v workspace.View, values map[string]string) {
	w.t.Helper()
	if err := w.slack.SubmitView(w.t.Context(), person, v.ID, values); err != nil {
		w.t.Fatalf("%s sends %s: %v", person, v.CallbackID, err)
	}
}

// Helpdesk fills in the form, sees what would happen, puts a row right, and sends it: until then
// nobody sees anything, and there is no batch.
func TestForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	night := func(yield func(workflow.Member, error) bool) {
		for i := range 30 {
			a := workflow.Account{ID: fmt.Sprintf("712020:%04d", i), Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("p%d@old.example", i), Status: workflow.StatusActive}
			if i == 20 {
				a.Status = workflow.StatusInactive
			}
			if !yield(workflow.Member{Account: a}, nil) {
				return
			}
		}
	}
	if _, err := w.db.TakeSnapshot(t.Context(), "nightly", time.Now(), night); err != nil {
		t.Fatal(err)
	}
	w.command("U0DAVE", "C0OTHER", "new")
	w.told("U0DAVE", "C0OTHER", "You cannot ask for changes. Ask <@U0ALICE> <@U0BOB>.")
	if len(w.slack.Views("U0DAVE")) > 0 {
		t.Error("a form is open for somebody without a role")
	}
	for person, want := range map[string]string{"U0DAVE": "Ask <@U0ALICE> <@U0BOB>", "U0CAROL": "old → new"} { // no place for a message
		if err := w.slack.GlobalShortcut(t.Context(), person, view.ShortcutNew); err != nil {
			t.Fatal(err)
		}
		shown := w.modalSays(person, want)
		if (shown.Submit == "") != (person == "U0DAVE") {
			t.Errorf("the modal of %s can be sent by %q", person, shown.Submit)
		}
		if err := w.slack.CloseView(t.Context(), person, shown.ID); err != nil {
			t.Fatal(err)
		}
	}
	w.command("U0CAROL", "C0OTHER", "new")
	form := w.modalSays("U0CAROL", "old → new")
	w.press("U0CAROL", form, view.FieldAction, string(workflow.Deactivate))
	form = w.modalSays("U0CAROL", "Message to them")
	err := w.slack.SubmitView(t.Context(), "U0CAROL", form.ID, nil)
	if err == nil || !strings.Contains(err.Error(), "Name the accounts") {
		t.Errorf("a form without accounts: %v", err)
	}
	all, err := w.slack.Suggest(t.Context(), "U0CAROL", form.ID, view.FieldPerson, "person")
	if err != nil || len(all) != 20 {
		t.Errorf("%d hits, %v; want 20", len(all), err)
	}
	options, err := w.slack.Suggest(t.Context(), "U0CAROL", form.ID, view.FieldPerson, "SON p2")
	if err != nil || len(options) != 11 || options[0].Text != "Person 2" || options[0].Description != "p2@old.example" ||
		options[10].Description != "p20@old.example · deactivated" {
		t.Fatalf("searched: %+v, %v", options, err)
	}
	w.press("U0CAROL", form, view.FieldPerson, options[0].Value)
	form = w.viewWith("U0CAROL", `p2@old.example`)
	w.submit("U0CAROL", form, map[string]string{
		view.FieldLines:                      "p2@old.example\nPerson One <p1@old.example>\nnobody@old.example",
		view.FieldOf(workflow.ColumnMessage): "Thank you for all", view.FieldReason: "left the company",
	})
	checked := w.modalSays("U0CAROL", "cannot run")
	for _, want := range []string{
		"Deactivate 2 accounts", "*2* ready · *1* cannot run", "2 people can no longer log in", "3. nobody@old.example",
		"Needs 1 approval", "Nobody sees this yet", "Message to all 2: “Thank you for all”",
	} {
		if !strings.Contains(viewText(checked), want) {
			t.Errorf("the check does not say %q:\n%s", want, viewText(checked))
		}
	}
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) > 0 {
		t.Errorf("a check made batches: %v, %v", list, err)
	}
	w.press("U0CAROL", checked, view.ActionFix, "")
	form = w.viewWith("U0CAROL", `"initial_value":"Thank you for all"`)
	w.submit("U0CAROL", form, map[string]string{view.FieldLines: "p2@old.example\np1@old.example"})
	checked = w.modalSays("U0CAROL", "*2* ready")
	w.submit("U0CAROL", checked, nil)
	w.modalSays("U0CAROL", "This is request *#1*")
	card := w.cardSays(1, "Needs 1 approval")
	for _, want := range []string{"#1 · Deactivate 2 accounts", "left the company", "Thank you for all"} {
		if !strings.Contains(text(card), want) {
			t.Errorf("the card does not say %q:\n%s", want, text(card))
		}
	}
	w.told("U0CAROL", "C0OTHER", "#1 is being checked. <http")
	b, err := w.db.Batch(t.Context(), 1)
	if err != nil || !b.OwnReason || b.Source.Kind != workflow.SourceForm || b.Author.ID != "U0CAROL" {
		t.Errorf("the batch is %+v, %v", b.BatchRequest, err)
	}
}

// viewWith waits until the person's top view holds something, also in a field.
func (w *world) viewWith(person, part string) workspace.View {
	w.t.Helper()
	var top workspace.View
	w.until("a view of "+person+" holds "+part, func() bool {
		views := w.slack.Views(person)
		if len(views) > 0 {
			top = views[len(views)-1]
		}
		return strings.Contains(string(top.Blocks), part)
	})
	return top
}

// A form is sent once, whatever is pressed twice; one that was checked before a restart is not
// lost; who lost their role meanwhile sends nothing; and a form of another version says so.
func TestFormSentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.command("U0CAROL", requests, "rename reason: typo")
	form := w.viewWith("U0CAROL", "typo")
	w.submit("U0CAROL", form, map[string]string{view.FieldLines: "p0@old.example → p0@new.example"})
	checked := w.modalSays("U0CAROL", "*1* ready")
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.startBot(nil)
	w.submit("U0CAROL", checked, nil)
	w.modalSays("U0CAROL", "This is request *#1*")
	w.cardSays(1, "typo")

	w.command("U0CAROL", requests, "rename p1@old.example")
	form = w.viewWith("U0CAROL", "p1@old.example")
	w.submit("U0CAROL", form, map[string]string{view.FieldLines: "p1@old.example p1@new.example"})
	checked = w.modalSays("U0CAROL", "*1* ready")
	if err := w.slack.SetGroupMembers("S0HELPDESK", nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("Carol has no role", func() bool {
		actor, err := w.people.Load().Eligible(t.Context(), "U0CAROL")
		return err != nil || !actor.HasRole()
	})
	w.submit("U0CAROL", checked, nil)
	w.modalSays("U0CAROL", "You cannot ask for changes")
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 1 {
		t.Errorf("%d batches, %v; want 1", len(list), err)
	}
}

// A CSV of the form's file field is checked and sent as a file is; its author is who uploaded it.
func TestFormWithAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.command("U0CAROL", requests, "new")
	form := w.modalSays("U0CAROL", "old → new")
	file := renames(3)
	id := w.slack.AddFile("U0CAROL", file)
	w.submit("U0CAROL", form, map[string]string{view.FieldFile: id})
	checked := w.modalSays("U0CAROL", "*3* ready")
	w.submit("U0CAROL", checked, nil)
	w.cardSays(1, "with renames.csv")
}

// The file of a message is used by a shortcut: who posted it cannot approve, nor can who asked.
func TestUseThisCSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	leavers := workspace.Upload{Name: "leavers.csv", Content: []byte("email\np1@old.example\np2@old.example\n")}
	m, err := w.slack.Say(t.Context(), "U0ALICE", "C0OTHER", "", "deactivate, they left", leavers)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := w.slack.Say(t.Context(), "U0ALICE", "C0OTHER", "", "no file")
	if err != nil {
		t.Fatal(err)
	}
	use := func(person, ts string) {
		t.Helper()
		if err := w.slack.MessageShortcut(t.Context(), person, "C0OTHER", ts, view.ShortcutCSV); err != nil {
			t.Fatal(err)
		}
	}
	use("U0CAROL", plain.TS)
	w.told("U0CAROL", "C0OTHER", "This message has no CSV")
	use("U0CAROL", m.TS)
	form := w.modalSays("U0CAROL", "<@U0ALICE> posted it")
	if strings.Contains(string(form.Blocks), "they left") {
		t.Error("the reason of another person's message is filled in")
	}
	w.submit("U0CAROL", form, map[string]string{view.FieldReason: "left"})
	w.submit("U0CAROL", w.modalSays("U0CAROL", "Deactivate 2 accounts"), nil)
	card := w.cardSays(1, "(file by <@U0ALICE>)")
	w.click("U0ALICE", card, view.ActionApprove)
	w.told("U0ALICE", requests, "somebody else must approve it")
}

// late is an engine whose batches have times that have passed.
type late struct{ bot.Engine }

func (late) AskAgain(context.Context, int64, workflow.Actor) (*workflow.Batch, error) {
	return nil, workflow.ErrTimePassed
}

// Ask again of a batch whose times have passed opens the form with its rows, as lines or, where they
// are many, beside it; who was its author stays one, and it makes no emergency.
func TestAskAgainWithOtherTimes(t *testing.T) {
	t.Parallel()
	w := &world{t: t, accounts: newAccounts(70), log: &logged{}, quick: true, wrap: func(e bot.Engine) bot.Engine { return late{e} }}
	startWorld(t, w)
	w.say(requests, "reason: they left", renames(2))
	again := func(number int64, person string) workspace.View {
		t.Helper()
		card := w.cardSays(number, "Needs 1 approval")
		b, err := w.db.Batch(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		alice := workflow.Actor{Person: aliceOfSlack, Admin: true}
		if _, err := w.engine.Decide(t.Context(), number, alice, workflow.Reject, b.Digest, "not so"); err != nil {
			t.Fatal(err)
		}
		w.click(person, card, view.ActionAgain)
		return w.modalSays(person, "Its times have passed")
	}
	form := again(1, "U0BOB")
	for _, want := range []string{"712020:0000 → p0@new.example\\n712020:0001 → p1@new.example", "they left"} {
		if !strings.Contains(string(form.Blocks), want) {
			t.Errorf("the form does not hold %q:\n%s", want, form.Blocks)
		}
	}
	w.submit("U0BOB", form, nil)
	w.submit("U0BOB", w.modalSays("U0BOB", "*2* ready"), nil)
	w.cardSays(2, "(first asked by <@U0CAROL>)")
	if b, err := w.db.Batch(t.Context(), 2); err != nil || b.OwnReason || b.Author.ID != "U0CAROL" || b.Requester.ID != "U0BOB" {
		t.Errorf("asked by %s with %s, own reason %v, %v", b.Requester.ID, b.Author.ID, b.OwnReason, err)
	}
	w.say(requests, "reason: many left", renames(70))
	form = again(3, "U0BOB")
	if !strings.Contains(viewText(form), "*70 accounts* are in it. I sent you renames.csv") {
		t.Errorf("the form of many rows says\n%s", viewText(form))
	}
	w.submit("U0BOB", form, map[string]string{view.FieldLeave: "712020:0002"})
	w.modalSays("U0BOB", "*67* ready")
}

// A form that is sent again says as which request it was sent, also when too much was filled in to be
// carried with it, and after a restart.
func TestFormSentAgain(t *testing.T) {
	t.Parallel()
	for name, reason := range map[string]string{"short": "typo", "long": strings.Repeat("typo ", 190)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(90))
			w.command("U0CAROL", requests, "rename")
			lines := "p0@old.example → p0@new.example"
			if name == "long" {
				for i := range 70 {
					lines += fmt.Sprintf("\np%d@old.example → p%d@new.example", i+1, i+1)
				}
			}
			w.submit("U0CAROL", w.modalSays("U0CAROL", "old → new"), map[string]string{view.FieldLines: lines, view.FieldReason: reason})
			checked := w.modalSays("U0CAROL", "Nobody sees this yet")
			w.submit("U0CAROL", checked, nil)
			w.modalSays("U0CAROL", "This is request *#1*")
			for _, restart := range []bool{false, true} {
				if restart {
					if err := w.stopBot(); err != nil {
						t.Fatal(err)
					}
					w.startBot(nil)
				}
				if err := w.slack.SubmitStale(t.Context(), "U0CAROL", checked); err != nil {
					t.Fatal(err)
				}
				w.modalSays("U0CAROL", "sent before, as request *#1*")
			}
			if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 1 {
				t.Errorf("%d batches, %v; want 1", len(list), err)
			}
		})
	}
}

// Whoever was chosen in the form, by a draft or from a hit of find, is meant by their account: the
// request is never about another one that has their address.
func TestFormMeansWhoWasChosen(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(w *world) workspace.View{
		"search": func(w *world) workspace.View {
			w.command("U0CAROL", "C0OTHER", "new")
			form := w.modalSays("U0CAROL", "old → new")
			w.press("U0CAROL", form, view.FieldAction, string(workflow.Deactivate))
			form = w.modalSays("U0CAROL", "Message to them")
			for text, line := range map[string]string{"Person 1": "712020:0001", "Person 2": "p2@old.example"} {
				options, err := w.slack.Suggest(w.t.Context(), "U0CAROL", form.ID, view.FieldPerson, text)
				if err != nil || len(options) != 1 {
					w.t.Fatalf("searched %s: %+v, %v", text, options, err)
				}
				w.press("U0CAROL", form, view.FieldPerson, options[0].Value)
				form = w.viewWith("U0CAROL", line)
			}
			return form
		},
		"hit": func(w *world) workspace.View {
			w.command("U0CAROL", "C0OTHER", "find p2@old.example")
			w.told("U0CAROL", "C0OTHER", "*Person 2* p2@old.example")
			hit := w.slack.Messages("C0OTHER", "U0CAROL")
			w.click("U0CAROL", hit[len(hit)-1], view.HitDisable)
			return w.viewWith("U0CAROL", "p2@old.example")
		},
		"draft": func(w *world) workspace.View {
			w.reportsIn()
			w.command("U0ALICE", requests, "report run idle")
			var told workspace.Message
			w.until("the result is told", func() bool {
				for _, m := range w.slack.Messages("C0LICENCES", "U0ALICE") {
					if pressable(m, view.ActionDraft) {
						told = m
					}
				}
				return told.TS != ""
			})
			w.click("U0ALICE", told, view.ActionDraft)
			w.press("U0ALICE", w.viewWith("U0ALICE", "p2@old.example"), view.FieldAction, string(workflow.Deactivate))
			w.submit("U0ALICE", w.viewWith("U0ALICE", "Message to them"), nil) // as it stands, all of them can be checked
			w.press("U0ALICE", w.modalSays("U0ALICE", "Fix rows"), view.ActionFix, "")
			return w.viewWith("U0ALICE", view.FieldLines)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(4))
			night := func(yield func(workflow.Member, error) bool) {
				for i := range 4 {
					a, _ := w.accounts.Account(t.Context(), fmt.Sprintf("712020:%04d", i))
					if i == 1 {
						a.Email = ""
					}
					if !yield(workflow.Member{Account: a, LastActive: "2020-01-01"}, nil) {
						return
					}
				}
			}
			if _, err := w.db.TakeSnapshot(t.Context(), "nightly", time.Now(), night); err != nil {
				t.Fatal(err)
			}
			form := open(w)
			w.accounts.mu.Lock()
			moved, other := w.accounts.by["712020:0002"], w.accounts.by["712020:0003"]
			moved.Email, other.Email = "moved@old.example", "p2@old.example"
			w.accounts.by["712020:0002"], w.accounts.by["712020:0003"] = moved, other
			w.accounts.mu.Unlock()
			w.submit(form.For, form, nil)
			checked := w.modalSays(form.For, "p2@old.example: ")
			if strings.Contains(viewText(checked), "Person 3") || strings.Contains(viewText(checked), "p2@old.example → ") {
				t.Errorf("the check is about somebody else:\n%s", viewText(checked))
			}
		})
	}
}

// A form opens filled in whatever a command holds: what its fields cannot take is cut.
func TestFormFilledInWithTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.command("U0CAROL", requests, "rename reason: "+strings.Repeat("ä long reason ", 150))
	form := w.viewWith("U0CAROL", "ä long reason")
	w.submit("U0CAROL", form, map[string]string{view.FieldLines: "p1@old.example → p1@new.example"})
	w.modalSays("U0CAROL", "*1* ready")
}
