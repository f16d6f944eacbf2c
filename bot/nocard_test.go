package bot_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// private are the things that a person alone was told in a channel.
func (w *world) private(person, channel string) (all []string) {
	for _, m := range w.slack.Messages(channel, person) {
		if m.Ephemeral {
			all = append(all, text(m))
		}
	}
	return all
}

// shownWhole reports whether nothing of any batch is behind.
func (w *world) shownWhole() bool {
	behind, err := w.db.Revisions(w.t.Context())
	return err == nil && len(behind) == 0
}

// A command of which no row can run makes no card, wherever it is given: whoever gave it is told why, once.
func TestNothingCanRunIsSaidPrivately(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ command, says string }{
		{"deactivate nobody@old.example", "no managed account nobody@old.example"},
		{"rename p0@old.example p1@old.example", "Person 0: "},
		{"activate p0@old.example p1@old.example", "Person 1: "},
		{"deactivate a@old.example b@old.example c@old.example d@old.example e@old.example f@old.example g@old.example", "All 7 rows: 7 no such accounts."},
		{"set-name p0@old.example Person 0", "Person 0: "},
		{"migrate-domain nowhere.example new.example", "can run: no managed account has an address on nowhere.example."},
	} {
		for _, channel := range []string{requests, "C0OTHER"} {
			t.Run(c.command+" in "+channel, func(t *testing.T) {
				t.Parallel()
				inBubble(t, newAccounts(2), func(w *world) {
					t := w.t
					w.command("U0CAROL", channel, c.command)
					w.told("U0CAROL", channel, c.says)
					time.Sleep(5 * time.Minute) // fake time
					if said := w.private("U0CAROL", channel); len(said) != 1 || !strings.Contains(said[0], "Nothing in #1 can run") {
						t.Errorf("they are told %q", said)
					}
					if card, there := w.card(1); there {
						t.Errorf("there is a card: %s", text(card))
					}
					for _, other := range []string{"U0ALICE", "U0BOB"} {
						if said := w.private(other, channel); len(said) > 0 {
							t.Errorf("%s is told %q", other, said)
						}
					}
					if !w.shownWhole() {
						t.Error("it counts as behind for ever")
					}
					if b, err := w.db.Batch(t.Context(), 1); err != nil || b.State.Open() {
						t.Errorf("%v, %v", b, err)
					}
				})
			})
		}
	}
}

// What was asked for before a crash is answered after it, and not a second time after another.
func TestNothingCanRunIsSaidAfterARestart(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(1), func(w *world) {
		t := w.t
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		row := workflow.Row{Line: 1, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnEmail, "nobody@old.example")}
		_, err := w.engine.Submit(t.Context(), workflow.Actor{Person: carolOfSlack, Requester: true}, workflow.Request{
			Requester: carolOfSlack, Author: carolOfSlack, Verb: workflow.Deactivate,
			Source: workflow.Source{Kind: workflow.SourceCommand, Channel: "C0OTHER"}, Sheet: workflow.Sheet{Rows: []workflow.Row{row}},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for range 2 {
			w.startBot(nil)
			w.told("U0CAROL", "C0OTHER", "no managed account nobody@old.example")
			time.Sleep(time.Minute)
			if err := w.stopBot(); err != nil {
				t.Fatal(err)
			}
		}
		if said := w.private("U0CAROL", "C0OTHER"); len(said) != 1 {
			t.Errorf("they are told %q", said)
		}
		if _, there := w.card(1); there || !w.shownWhole() {
			t.Errorf("card: %v, behind: %v", there, !w.shownWhole())
		}
	})
}

// A card stands in time while a plan takes long, whatever that comes to.
func TestSlowPlanHasACard(t *testing.T) {
	t.Parallel()
	a := newAccounts(3)
	inBubble(t, a, func(w *world) {
		t := w.t
		a.list = make(chan struct{}) // of the bubble
		began := time.Now()
		w.command("U0CAROL", requests, "migrate-domain old.example new.example names first.last")
		w.cardSays(1, "listing the accounts")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the card stands after %s", took)
		}
		for i := range 3 { // nobody is left there
			id := fmt.Sprintf("712020:%04d", i)
			moved := a.by[id]
			moved.Email = fmt.Sprintf("p%d@new.example", i)
			a.by[id] = moved
		}
		close(a.list)
		w.cardSays(1, "No row can run")
	})
}

// A plan that is there at once is the first that its card shows.
func TestCardShowsThePlanAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		t := w.t
		w.command("U0CAROL", requests, "deactivate p0@old.example")
		w.until("there is a card", func() bool { _, there := w.card(1); return there })
		if card, _ := w.card(1); !strings.Contains(text(card), "Needs 1 approval") {
			t.Errorf("the card says at first: %s", text(card))
		}
		w.command("U0CAROL", requests, "activate p0@old.example nobody@old.example") // active already, and no such account
		w.told("U0CAROL", requests, "Person 0: ")
		w.command("U0CAROL", requests, "cancel 2")
		w.told("U0CAROL", requests, "#2")
		if _, there := w.card(2); there {
			t.Error("#2 has a card")
		}
	})
}

// Where nobody can be told privately a card says it.
func TestNothingCanRunAndNobodyCanBeTold(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(1), func(w *world) {
		w.faults(workspace.Faults{BeforeCall: func(method string, args url.Values) *workspace.Reply {
			if slices.Contains([]string{"chat.postEphemeral", "response_url"}, method) || method == "chat.postMessage" && args.Get("channel") == "U0CAROL" {
				return &workspace.Reply{Error: "channel_not_found"}
			}
			return nil
		}})
		w.command("U0CAROL", "C0OTHER", "deactivate nobody@old.example")
		w.cardSays(1, "No row can run")
	})
}

// What was answered privately is in the lists of batches, and sends nobody to a thread that there is not.
func TestAnsweredPrivatelyInLists(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(2), func(w *world) {
		t := w.t
		w.command("U0CAROL", "C0OTHER", "deactivate nobody@old.example")
		w.told("U0CAROL", "C0OTHER", "Nothing in #1 can run")
		w.command("U0CAROL", "C0OTHER", "batch 1")
		w.told("U0CAROL", "C0OTHER", "1 row did not run: 1 no such account")
		w.command("U0CAROL", "C0OTHER", "batches")
		w.told("U0CAROL", "C0OTHER", "#1 · No row can run")
		w.openHome("U0CAROL")
		tab := w.homeSays("U0CAROL", "#1 · No row can run")
		w.press("U0CAROL", tab, view.ActionDetails, "")
		w.modalSays("U0CAROL", "no managed account")
		for _, said := range append(w.private("U0CAROL", "C0OTHER"), viewText(w.slack.Views("U0CAROL")[0])) {
			if strings.Contains(said, "thread") {
				t.Errorf("it names a thread: %s", said)
			}
		}
	})
}
