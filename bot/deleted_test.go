package bot_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// directly are the bot's messages to a person that contain the words.
func (w *world) directly(person, words string) (found []workspace.Message) {
	for _, m := range w.slack.Messages(w.slack.OpenDM(person), person) {
		if m.User == workspace.BotUserID && strings.Contains(text(m), words) {
			found = append(found, m)
		}
	}
	return found
}

// A card that is deleted in the moment it is posted comes back. When that goes on, requester and
// everyone who may approve are told directly, once, and can answer there; the card comes back when
// it is let.
func TestCardDeletedAsItIsPosted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		times  int
		direct bool
	}{{"once", 1, false}, {"three times", 3, false}, {"again and again", 1 << 20, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(3), func(w *world) {
				t, deleted := w.t, 0
				w.faults(workspace.Faults{DeletePosted: func(channel, ts string) bool {
					card, ok := w.card(1)
					if channel != requests || !ok || card.TS != ts || deleted == c.times {
						return false
					}
					deleted++
					return true
				}})
				w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
				if !c.direct {
					w.inThread(w.cardSays(1, "Needs 1 approval").TS, "please review #1")
					return
				}
				time.Sleep(10 * time.Minute)
				if deleted > 15 {
					t.Errorf("the card was posted %d times in 10 minutes", deleted)
				}
				for _, person := range []string{"U0CAROL", "U0ALICE", "U0BOB"} {
					if n := len(w.directly(person, "Somebody deletes this card from <#"+requests+"> each time it is posted")); n != 1 {
						t.Errorf("%s was told %d times, want once", person, n)
					}
				}
				w.faults(workspace.Faults{})
				w.inThread(w.cardSays(1, "Needs 1 approval").TS, "please review #1")
			})
		})
	}
}

// With the channel closed to us, the requester and everyone who may approve are told directly, each
// once, and who may approve can do it there.
func TestClosedChannelIsToldToWhoMayApprove(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		close      func(w *world) error
		rows       int
	}{
		{"archived", "is_archived", func(w *world) error { return w.slack.Archive(requests) }, 1},
		{"expelled", "channel_not_found", func(w *world) error { return w.slack.Expel(requests) }, 1},
		{"with more rows than a card shows", "is_archived", func(w *world) error { return w.slack.Archive(requests) }, 40},
		{"to an app without access", "no_permission", refusing("no_permission"), 1},
		{"by the organisation", "team_access_not_granted", refusing("team_access_not_granted"), 1},
		{"for a reason that nobody knows", "new_kind_of_refusal", refusing("new_kind_of_refusal"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(c.rows), func(w *world) {
				t := w.t
				if err := c.close(w); err != nil {
					t.Fatal(err)
				}
				submitted(w, c.rows)
				time.Sleep(30 * time.Minute)
				why := "countersign cannot write into <#"
				if c.code == "new_kind_of_refusal" {
					why = "Slack does not take this card in <#"
				}
				for _, person := range []string{"U0CAROL", "U0ALICE", "U0BOB"} {
					if n := len(w.directly(person, why+requests+"> ("+c.code+")")); n != 1 {
						t.Errorf("%s was told %d times, want once", person, n)
					}
				}
				if pressable(w.directly("U0CAROL", why)[0], view.ActionApprove) {
					t.Error("who asked is offered to approve")
				}
				card := w.directly("U0ALICE", why)[0]
				if files := w.files("U0ALICE"); c.rows > view.TableRows && files != 1 {
					t.Errorf("%d files with all rows, want one", files)
				}
				w.click("U0ALICE", card, view.ActionApprove)
				w.reaches(workflow.Done, time.Now(), time.Minute)
			})
		})
	}
}

// refusing has Slack refuse every call on the channel of requests.
func refusing(code string) func(*world) error {
	return func(w *world) error {
		w.faults(workspace.Faults{BeforeCall: func(method string, form url.Values) *workspace.Reply {
			if !strings.HasPrefix(method, "chat.") || form.Get("channel") != requests {
				return nil
			}
			return &workspace.Reply{Error: code}
		}})
		return nil
	}
}

// submitted has Carol's request taken, as from a file.
func submitted(w *world, rows int) {
	w.t.Helper()
	if _, err := w.slack.Say(w.t.Context(), "U0CAROL", w.slack.OpenDM("U0CAROL"), "", "reason: new names", renames(rows)); err != nil {
		w.t.Fatal(err)
	}
	w.reaches(workflow.AwaitingApproval, time.Now(), time.Minute)
}

// files counts the bot's files in a person's direct messages.
func (w *world) files(person string) (n int) {
	for _, m := range w.slack.Messages(w.slack.OpenDM(person), person) {
		if m.User == workspace.BotUserID {
			n += len(m.Files)
		}
	}
	return n
}
