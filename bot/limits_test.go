package bot_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Where the workspace's rules keep files out, words stand in their place, and the batch goes its
// way.
func TestFilesAreNotAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "files.getUploadURLExternal" {
			return &workspace.Reply{Error: "file_uploads_disabled"}
		}
		return nil
	}})
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	w.inThread(card.TS, "batch-1-plan.csv cannot be put here: Slack does not take it (file_uploads_disabled)")
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
	w.inThread(card.TS, "batch-1-results.csv cannot be put here")
	w.eventually("nothing of the batch is behind", func() bool {
		behind, err := w.db.Revisions(t.Context())
		return err == nil && len(behind) == 0
	})
}

// A card whose table Slack does not take is shown without it, and can be pressed.
func TestTableIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.refused = "invalid_blocks"
	w.faults(workspace.Faults{BeforeCall: func(_ string, args url.Values) *workspace.Reply {
		if strings.Contains(args.Get("blocks"), `"type":"table"`) {
			return &workspace.Reply{Error: "invalid_blocks"}
		}
		return nil
	}})
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
}

// With too much to do, a click or command is not lost without a word.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	before := w.bot.SetRoom(0)
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "I have too much to do; nothing was done")
	w.bot.SetRoom(before)
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "new.example: verified")
}

// The card says when nobody can approve it, and when somebody can again.
func TestNobodyCanApprove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.slack.AddGroup(workspace.Group{ID: "S0ADMINS", Handle: "admins", Name: "Admins"})
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.admins = []string{"S0ADMINS"}
	w.startBot(nil)
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Nobody can approve this: the group S0ADMINS is empty.")
	w.click("U0ALICE", card, view.ActionApprove)
	w.told("U0ALICE", requests, "You cannot approve #1. Ask an admin other than the requester: <!subteam^S0ADMINS>.")
	if err := w.slack.SetGroupMembers("S0ADMINS", []string{"U0ALICE"}); err != nil {
		t.Fatal(err)
	}
	w.until("the card no longer says so", func() bool {
		m, ok := w.card(1)
		return ok && !strings.Contains(text(m), "Nobody can approve")
	})
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
}

// The card counts as able to approve whom a click would admit, and nobody else.
func TestWhoCannotApproveIsNotCounted(t *testing.T) {
	t.Parallel()
	const carol = "carol@example.com"
	for name, change := range map[string]func(p *workspace.Person){
		"a guest":                    func(p *workspace.Person) { p.IsRestricted = true },
		"somebody deactivated":       func(p *workspace.Person) { p.Deleted = true },
		"somebody without address":   func(p *workspace.Person) { p.Email = "" },
		"the requester by address":   func(p *workspace.Person) { p.Email = "Carol@EXAMPLE.com" },
		"the requester in wide form": func(p *workspace.Person) { p.Email = "ｃarol@example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(3), func(w *world) {
				t := w.t
				if err := w.stopBot(); err != nil {
					t.Fatal(err)
				}
				w.admins = []string{"U0ALICE"}
				if err := w.slack.UpdatePerson("U0CAROL", func(p *workspace.Person) { p.Email = carol }); err != nil {
					t.Fatal(err)
				}
				before := ""
				if err := w.slack.UpdatePerson("U0ALICE", func(p *workspace.Person) { before = p.Email; change(p) }); err != nil {
					t.Fatal(err)
				}
				w.startBot(nil)
				w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
				w.cardSays(1, "Nobody can approve this: the other admins may not; countersign doctor says why.")
				if err := w.slack.UpdatePerson("U0ALICE", func(p *workspace.Person) {
					p.IsRestricted, p.Deleted, p.Email = false, false, before
				}); err != nil {
					t.Fatal(err)
				}
				w.until("the card no longer says so", func() bool {
					m, ok := w.card(1)
					return ok && !strings.Contains(text(m), "Nobody can approve")
				})
			})
		})
	}
}

// A file that lies about its size is cut at the limit, and a sign-in page is not taken for a file.
func TestDownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	page := renames(0)
	page.Content = []byte("<!DOCTYPE html><html>sign in</html>")
	asked := w.say(requests, "", page)
	w.inThread(asked.TS, "Slack does not let me read this file")
	large := renames(3)
	large.Content = append(large.Content, strings.Repeat(" ", 200)...)
	m := w.say("C0OTHER", "", large)
	client := slackapi.New(slackapi.Config{Token: workspace.DefaultBotToken, URL: w.url + "/api/", Log: zerolog.Nop()})
	info, err := client.FileInfo(t.Context(), m.Files[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Download(t.Context(), info.URL, 100); !errors.Is(err, slackapi.ErrTooLarge) {
		t.Errorf("downloaded with %v, want %v", err, slackapi.ErrTooLarge)
	}
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 0 {
		t.Errorf("batches %v, %v; want none", list, err)
	}
}

// Batches cost few reads of groups, however many groups of admins there are: two a decision, for
// who clicks and for who asked, and none for a card.
func TestGroupsAreReadRarely(t *testing.T) {
	t.Parallel()
	const batches = 3
	w := newWorld(t, newAccounts(batches))
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.admins = nil
	for i, id := range []string{"S0FIRST", "S0SECOND", "S0THIRD", "S0FOURTH", "S0FIFTH"} {
		members := []string{"U0BOB"}
		if i == 0 {
			members = []string{"U0ALICE"}
		}
		w.slack.AddGroup(workspace.Group{ID: id, Handle: strings.ToLower(id), Name: id, Users: members})
		w.admins = append(w.admins, id)
	}
	w.startBot(nil)
	for i := range int64(batches) {
		w.command("U0CAROL", requests, fmt.Sprintf("rename p%d@old.example p%d@new.example", i, i))
		card := w.cardSays(i+1, "Needs 1 approval")
		w.click("U0ALICE", card, view.ActionApprove)
		w.cardSays(i+1, "*Done*")
	}
	reads := 0
	for _, c := range w.slack.Calls() {
		if c.Method == "usergroups.users.list" {
			reads++
		}
	}
	if most := len(w.admins) + 1 + 2*batches; reads > most {
		t.Errorf("%d reads of groups for %d batches, want at most %d", reads, batches, most)
	}
}
