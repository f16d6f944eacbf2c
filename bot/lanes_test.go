package bot_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// crowd adds people without any role, and gives their ids.
func (w *world) crowd(n int) (ids []string) {
	for i := range n {
		id := fmt.Sprintf("U0CROWD%02d", i)
		name := strings.ToLower(id)
		w.slack.AddPerson(workspace.Person{ID: id, Name: name, RealName: name, Email: name + "@example.com"})
		ids = append(ids, id)
	}
	return ids
}

// However much people without a role write to the bot, a file has its card within seconds; each of
// them is answered once in ten minutes.
func TestGreetingsHoldNothingUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ people, each int }{{1, 60}, {1, 600}, {30, 20}, {100, 6}} {
		t.Run(fmt.Sprintf("%d people, %d times", c.people, c.each), func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(2), func(w *world) {
				t := w.t
				people := w.crowd(c.people)
				for range c.each {
					for _, id := range people {
						if _, err := w.slack.Say(t.Context(), id, w.slack.OpenDM(id), "", "hello?"); err != nil {
							t.Fatal(err)
						}
					}
				}
				begin := time.Now()
				w.say(requests, "", renames(2))
				w.cardSays(1, "Needs 1 approval")
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("the card stood after %s", took)
				}
				time.Sleep(5 * time.Minute)
				for _, id := range people {
					if n := w.greetings(id); n != 1 {
						t.Errorf("%s was answered %d times, want once", id, n)
					}
				}
				time.Sleep(10 * time.Minute)
				if _, err := w.slack.Say(t.Context(), people[0], w.slack.OpenDM(people[0]), "", "hello again"); err != nil {
					t.Fatal(err)
				}
				w.until("the greeting is said again", func() bool { return w.greetings(people[0]) == 2 })
			})
		})
	}
}

// greetings counts what the bot wrote to a person directly.
func (w *world) greetings(person string) (n int) {
	for _, m := range w.slack.Messages(w.slack.OpenDM(person), person) {
		if m.User == workspace.BotUserID {
			n++
		}
	}
	return n
}

// A decision and a stop do not wait for commands, however many there are and whatever Slack does
// not give: the link of a card, say.
func TestCommandsHoldNoDecisionUp(t *testing.T) {
	t.Parallel()
	const flood = 100
	for _, c := range []struct {
		name    string
		command func(i int) string
		before  workspace.Faults
	}{
		{"requests", func(i int) string { return fmt.Sprintf("rename p%d@old.example p%d@new.example", i+5, i+5) }, workspace.Faults{}},
		{
			"requests while Slack gives no links", func(i int) string { return fmt.Sprintf("rename p%d@old.example p%d@new.example", i+5, i+5) },
			workspace.Faults{BeforeCall: workspace.OnMethod("chat.getPermalink", 0, workspace.Reply{Delay: time.Hour})},
		},
		{"stops of nothing", func(i int) string { return fmt.Sprintf("pause %d", i+1000) }, workspace.Faults{}},
		{"lists", func(int) string { return "batches" }, workspace.Faults{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAccounts(5 + flood)
			inBubble(t, a, func(w *world) {
				w.accounts.set(func() { a.hold = make(chan struct{}) }) // of the bubble
				w.say(requests, "", renames(5))
				card := w.cardSays(1, "Needs 1 approval")
				w.faults(c.before)
				for i := range flood {
					w.command("U0CAROL", requests, c.command(i))
				}
				begin := time.Now()
				w.click("U0ALICE", card, view.ActionApprove)
				w.reaches(workflow.Running, begin, 5*time.Second)
				begin = time.Now()
				w.command("U0BOB", requests, "pause 1")
				w.reaches(workflow.Paused, begin, 5*time.Second)
				close(a.hold)
			})
		})
	}
}

// Nor does it wait for the clicks of somebody who presses again and again what they may not, or may no more, at that very batch.
func TestClicksHoldNoDecisionUp(t *testing.T) {
	t.Parallel()
	const flood = 100
	for _, c := range []struct {
		name, person, action string
		most                 time.Duration
	}{
		{"who asked approves", "U0CAROL", view.ActionApprove, 2 * time.Second},
		{"who approved approves", "U0BOB", view.ActionApprove, 4 * time.Second},
		{"who asked looks at the details", "U0CAROL", view.ActionDetails, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAccounts(5)
			inBubbleWith(t, &world{accounts: a, approvals: 2, admins: []string{"S0ADMINS"}}, func(w *world) {
				w.accounts.set(func() { a.hold = make(chan struct{}) }) // of the bubble
				w.slack.AddGroup(workspace.Group{ID: "S0ADMINS", Handle: "admins", Name: "Admins", Users: []string{"U0ALICE", "U0BOB"}})
				w.say(requests, "", renames(5))
				card := w.cardSays(1, "Needs 2 approvals")
				w.click("U0BOB", card, view.ActionApprove)
				card = w.cardSays(1, "1 of 2")
				for range flood {
					w.click(c.person, card, c.action)
				}
				begin := time.Now()
				w.click("U0ALICE", card, view.ActionApprove)
				w.reaches(workflow.Running, begin, c.most)
				close(a.hold)
			})
		})
	}
}

// reaches waits until the first batch is in a state, which must not take longer than most.
func (w *world) reaches(state workflow.State, begin time.Time, most time.Duration) {
	w.t.Helper()
	for {
		b, err := w.db.Batch(w.t.Context(), 1)
		if err != nil && !errors.Is(err, workflow.ErrNoBatch) {
			w.t.Fatal(err)
		}
		took := time.Since(begin)
		if err == nil && b.State == state {
			if took > most {
				w.t.Errorf("#1 is %s after %s", state, took)
			}
			return
		}
		if took > 10*time.Minute {
			w.t.Fatalf("#1 is not %s", state)
		}
		time.Sleep(50 * time.Millisecond) // fake time
	}
}

// The answer to a request leads to its card; where the card takes long, the answer comes without,
// and the link follows.
func TestTheLinkFollows(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(2), func(w *world) {
		t := w.t
		w.faults(workspace.Faults{BeforeCall: workspace.OnMethod("chat.postMessage", 1, workspace.Reply{Delay: 10 * time.Second})})
		begin := time.Now()
		w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
		w.told("U0CAROL", requests, "#1 is being checked.")
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("answered after %s", took)
		}
		w.told("U0CAROL", requests, "#1 has its card now. <http://slack.test")
		w.command("U0CAROL", "C0OTHER", "deactivate p1@old.example for 3d")
		w.told("U0CAROL", "C0OTHER", "#2 is being checked. For 3d from its start. <http://slack.test")
	})
}

// In the requests channel the card is the answer to a request; nothing else is said.
func TestTheCardIsTheAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(2), func(w *world) {
		t := w.t
		w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
		w.cardSays(1, "Needs 1 approval")
		w.command("U0CAROL", requests, "deactivate p1@old.example for 3d")
		w.cardSays(2, "*Time:* ends 3d after its start")
		time.Sleep(10 * time.Second) // fake time
		for _, m := range w.slack.Messages(requests, "U0CAROL") {
			if m.Ephemeral {
				t.Errorf("besides the card there is: %s", text(m))
			}
		}
	})
}

// However much people without a role send, commands, clicks and files alike, files and decisions of others are dealt with within
// seconds, and each of theirs is answered.
func TestPeopleWithoutARoleHoldNothingUp(t *testing.T) {
	t.Parallel()
	const each, people = 150, 4
	for _, c := range []struct {
		name string
		send func(w *world, id string, card workspace.Message, i int) error
	}{
		{"files", func(w *world, id string, _ workspace.Message, _ int) error {
			_, err := w.slack.Say(w.t.Context(), id, requests, "", "reason: mine", renames(1))
			return err
		}},
		{"requests", func(w *world, id string, _ workspace.Message, i int) error {
			return w.slack.Command(w.t.Context(), id, requests, fmt.Sprintf("rename p%d@old.example p%d@new.example", i%5, i%5))
		}},
		{"help", func(w *world, id string, _ workspace.Message, _ int) error {
			return w.slack.Command(w.t.Context(), id, requests, "help")
		}},
		{"words that are no command", func(w *world, id string, _ workspace.Message, _ int) error {
			return w.slack.Command(w.t.Context(), id, requests, "please please")
		}},
		{"commands on a batch", func(w *world, id string, _ workspace.Message, _ int) error {
			return w.slack.Command(w.t.Context(), id, requests, "resume 1")
		}},
		{"clicks", func(w *world, id string, card workspace.Message, _ int) error {
			return w.slack.Click(w.t.Context(), id, requests, card.TS, view.ActionApprove, "")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAccounts(10)
			inBubble(t, a, func(w *world) {
				t := w.t
				ids := w.crowd(people)
				for _, id := range ids {
					w.joins(id)
				}
				w.say(requests, "", renames(5))
				card := w.cardSays(1, "Needs 1 approval")
				w.until("it can be approved", func() bool { m, _ := w.card(1); return pressable(m, view.ActionApprove) })
				time.Sleep(10 * time.Minute)
				w.accounts.set(func() { a.hold = make(chan struct{}) }) // of the bubble
				var all sync.WaitGroup
				for i := range each {
					for _, id := range ids {
						all.Go(func() {
							if err := c.send(w, id, card, i); err != nil {
								t.Errorf("%s: %v", id, err)
							}
						})
					}
				}
				time.Sleep(100 * time.Millisecond)
				begin := time.Now()
				if _, err := w.slack.Say(t.Context(), "U0CAROL", requests, "", "", oneRename(7)); err != nil {
					t.Fatal(err)
				}
				w.click("U0ALICE", card, view.ActionApprove)
				w.reaches(workflow.Running, begin, 5*time.Second)
				w.cardSays(2, "Needs 1 approval")
				if took := time.Since(begin); took > 10*time.Second {
					t.Errorf("the card stood after %s", took)
				}
				close(a.hold)
				all.Wait()
			})
		})
	}
}

// oneRename is a CSV that renames one account.
func oneRename(i int) workspace.Upload {
	return workspace.Upload{
		Name: "one.csv", Content: fmt.Appendf(nil, "account_id,new_email\n712020:%04d,p%d@new.example\n", i, i),
	}
}

// joins has a person come into the requests channel.
func (w *world) joins(id string) {
	w.t.Helper()
	err := w.slack.UpdateChannel(requests, func(c *workspace.Channel) { c.Members = append(c.Members, id) })
	if err != nil {
		w.t.Fatal(err)
	}
}
