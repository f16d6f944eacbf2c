package bot_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// remindIn is when these tests remind; it is short, as a bot that waits costs something also in
// fake time.
const remindIn = 10 * time.Minute

// remindersIn are the reminders under a card.
func (w *world) remindersIn(card workspace.Message) []workspace.Message {
	return w.mentioning(card.TS, "still waits for")
}

// asked has Carol ask for a batch in a bubble, and waits until it stands.
func (w *world) asked() workspace.Message {
	w.t.Helper()
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.inThread(card.TS, "please review #1")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	return card
}

// A batch that nobody decided on is reminded of once, at its time, and calls those who may approve
// and nobody else.
func TestReminder(t *testing.T) {
	t.Parallel()
	admins := []string{"U0CAROL", "U0ALICE", "U0BOB", "U0EVE", "U0IDA", "S0HELPDESK"}
	w := &world{accounts: newAccounts(3), remind: remindIn, admins: admins}
	inBubbleWith(t, w, func(w *world) {
		t := w.t
		w.slack.AddPerson(workspace.Person{ID: "U0EVE", Name: "eve", RealName: "Eve", Email: "carol@example.com"}) // Carol, too
		w.slack.AddPerson(workspace.Person{ID: "U0IDA", Name: "ida", RealName: "Ida", Email: "p0@old.example"})    // it is her account
		if err := w.slack.UpdatePerson("U0BOB", func(p *workspace.Person) { p.Deleted = true }); err != nil {
			t.Fatal(err)
		}
		card := w.asked()
		b, err := w.db.Batch(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		due := b.Planned.Add(remindIn)
		time.Sleep(time.Until(due) - time.Second)
		if got := w.remindersIn(card); len(got) != 0 {
			t.Fatalf("reminded too early: %s", got[0].Text)
		}
		time.Sleep(6 * time.Second)
		got := w.remindersIn(card)
		const want = "#1 still waits for 1 approval. <@U0ALICE> or another admin can approve. It expires <!date^"
		if len(got) != 1 || !strings.HasPrefix(got[0].Text, want) {
			t.Fatalf("%d reminders: %+v, want one of %q", len(got), got, want)
		}
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		w.startBot(nil)
		time.Sleep(20 * time.Minute)
		if n := len(w.remindersIn(card)); n != 1 {
			t.Errorf("%d reminders after a restart, want 1", n)
		}
	})
}

// What fell due while the bot was down is said at the next start, unless the batch has been decided
// on; and once, also when the bot dies in the middle of saying it.
func TestReminderAfterADowntime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		act  func(w *world, b *workflow.Batch) error // while the bot is down
		want int
	}{
		{"undecided", func(*world, *workflow.Batch) error { return nil }, 1},
		{"rejected", func(w *world, b *workflow.Batch) error {
			_, err := w.engine.Decide(w.t.Context(), 1, workflow.Actor{Person: aliceOfSlack, Admin: true}, workflow.Reject, b.Digest, "no")
			return err
		}, 0},
		{"approved", func(w *world, b *workflow.Batch) error {
			_, err := w.engine.Decide(w.t.Context(), 1, workflow.Actor{Person: aliceOfSlack, Admin: true}, workflow.Approve, b.Digest, "")
			return err
		}, 0},
		{"expired", func(*world, *workflow.Batch) error { time.Sleep(3 * time.Hour); return nil }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubbleWith(t, &world{accounts: newAccounts(3), remind: remindIn, expires: 3 * time.Hour}, func(w *world) {
				t := w.t
				card := w.asked()
				if err := w.stopBot(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				b, err := w.db.Batch(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				if err := tt.act(w, b); err != nil {
					t.Fatal(err)
				}
				over := &crashing{Store: w.db, key: "batch/1/reminder", crashed: make(chan struct{})}
				w.startBot(over)
				time.Sleep(10 * time.Second)
				if got := w.remindersIn(card); len(got) != tt.want {
					t.Fatalf("%d reminders, want %d: %+v", len(got), tt.want, got)
				}
				if err := w.stopBot(); err != nil { // it was sent, and that was never noted
					t.Fatal(err)
				}
				w.startBot(nil)
				time.Sleep(time.Minute)
				if got := w.remindersIn(card); len(got) != tt.want {
					t.Errorf("%d reminders after another start, want %d", len(got), tt.want)
				}
				if tt.name == "expired" {
					w.cardSays(1, "*Expired*")
					w.click("U0BOB", w.mayPress(view.ActionAgain), view.ActionAgain)
					if again := w.cardSays(2, "Needs 1 approval"); !strings.Contains(text(again), "sked by <@U0BOB>") {
						t.Errorf("asked again:\n%s", text(again))
					}
				}
			})
		})
	}
}

// A decision while a reminder cannot be sent stops it for good.
func TestNoReminderAfterADecision(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, &world{accounts: newAccounts(3), remind: remindIn}, func(w *world) {
		t := w.t
		card := w.asked()
		b, err := w.db.Batch(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		// From before it is due Slack asks to wait a minute with each message.
		time.Sleep(time.Until(b.Planned.Add(remindIn)) - time.Second)
		w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
			if method == "chat.postMessage" {
				return &workspace.Reply{Status: http.StatusTooManyRequests, Error: "ratelimited", RetryAfter: time.Minute}
			}
			return nil
		}})
		time.Sleep(20 * time.Second)
		_, err = w.engine.Decide(t.Context(), 1, workflow.Actor{Person: aliceOfSlack, Admin: true}, workflow.Reject, b.Digest, "no")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		w.faults(workspace.Faults{})
		time.Sleep(10 * time.Minute)
		if got := w.remindersIn(card); len(got) != 0 {
			t.Errorf("reminded after the decision: %s", got[0].Text)
		}
	})
}
