package bot

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox/workspace"
)

// Where the workspace's rules keep files out, words stand in their place, and the batch goes its way.
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
	w.inThread(card.TS, "I cannot put batch-1-plan.csv here: Slack does not let me (file_uploads_disabled)")
	w.click("U0ALICE", card, actionApprove)
	w.cardSays(1, "*Done*")
	w.inThread(card.TS, "I cannot put batch-1-results.csv here")
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
	w.click("U0ALICE", card, actionApprove)
	w.cardSays(1, "*Done*")
}

// With too much to do, a click or command is not lost without a word.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	capacity := func(n int) {
		w.bot.clicks.mu.Lock()
		defer w.bot.clicks.mu.Unlock()
		w.bot.clicks.cap = n
	}
	capacity(0)
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "I have too much to do just now; nothing was done")
	capacity(clicksWaiting)
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
	card := w.cardSays(1, "Nobody can approve this just now: the group S0ADMINS is empty.")
	w.click("U0ALICE", card, actionApprove)
	w.told("U0ALICE", requests, "You may not approve #1; an admin other than the requester may: <!subteam^S0ADMINS>.")
	if err := w.slack.SetGroupMembers("S0ADMINS", []string{"U0ALICE"}); err != nil {
		t.Fatal(err)
	}
	w.until("the card no longer says so", func() bool {
		m, ok := w.card(1)
		return ok && !strings.Contains(text(m), "Nobody can approve")
	})
	w.click("U0ALICE", card, actionApprove)
	w.cardSays(1, "*Done*")
}

func TestReadable(t *testing.T) {
	b := &Bot{cfg: Config{MaxFileBytes: 100}}
	for _, c := range []struct {
		name string
		file file
		want string // part of the sentence, "" when the file can be read
	}{
		{"hosted", file{Mode: "hosted", URL: "https://files.slack.com/a", Size: 100}, ""},
		{"a snippet", file{Mode: "snippet", Private: "https://files.slack.com/a"}, ""},
		{"outside", file{Mode: "external", External: true, URL: "https://drive.example/a"}, "kept outside Slack"},
		{"remote", file{Mode: "remote", URL: "https://drive.example/a"}, "kept outside Slack"},
		{"deleted", file{Mode: "tombstone"}, "was deleted"},
		{"hidden", file{Mode: "hidden_by_limit"}, "over its limit"},
		{"denied", file{Access: "access_denied"}, "does not let me read it"},
		{"canvas", file{Mode: "canvas", URL: "https://files.slack.com/a"}, "no file but a canvas"},
		{"large", file{Mode: "hosted", URL: "https://files.slack.com/a", Size: 101}, "too large"},
		{"nowhere", file{Mode: "hosted"}, "where its bytes are"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := b.readable(c.file)
			if err == nil {
				if c.want != "" {
					t.Errorf("is readable, want %q", c.want)
				}
				return
			}
			if got, ok := words(err, "/countersign"); !ok || c.want == "" || !strings.Contains(got, c.want) {
				t.Errorf("refused with %q, want %q", got, c.want)
			}
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
	info, err := w.bot.fileInfo(t.Context(), m.Files[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.bot.api.download(t.Context(), info.URL, 100); !errors.Is(err, errTooLarge) {
		t.Errorf("downloaded with %v, want %v", err, errTooLarge)
	}
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 0 {
		t.Errorf("batches %v, %v; want none", list, err)
	}
}

// Batches cost few reads of groups, however many groups of admins there are: two a decision, for who clicks and for who
// asked, and none for a card.
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
		w.click("U0ALICE", card, actionApprove)
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
