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

// theirFile has Alice post a file that names one account, with a message.
func (w *world) theirFile(channel, words string) workspace.Message {
	w.t.Helper()
	m, err := w.slack.Say(w.t.Context(), "U0ALICE", channel, "", words, workspace.Upload{Name: "list.csv", Content: []byte("email\np1@old.example\n")})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// useCSV has Carol, who may ask, use the file of a message in another channel than that for requests.
func (w *world) useCSV(ts string) {
	w.t.Helper()
	if err := w.slack.MessageShortcut(w.t.Context(), "U0CAROL", "C0OTHER", ts, view.ShortcutCSV); err != nil {
		w.t.Fatal(err)
	}
}

// timed waits until the plan of a batch has its times, and its card says them, so that they are
// approved with it.
func (w *world) timed(number int64, at, until string) {
	w.t.Helper()
	card := w.cardSays(number, "Needs 1 approval")
	w.cardSays(number, "*Time:* starts "+at)
	plan := w.fileInThread(card.TS, "batch-1-plan.csv")
	b, err := w.db.Batch(w.t.Context(), number)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, want := range []string{b.When.At.UTC().Format(time.RFC3339), until} {
		if !strings.Contains(plan, want) {
			w.t.Errorf("the plan has no %q:\n%s", want, plan)
		}
	}
}

// The times in another person's message count for who uses it: by the shortcut they stand in the form as
// the moments that they were when it was written, by the menu they are taken. Both are in plan, digest
// and approval.
func TestTimesOfAnotherPersonsMessage(t *testing.T) {
	t.Parallel()
	const words = "deactivate, they leave\nat: tomorrow 18:00\nuntil: 2000-01-09 08:00"
	t.Run("by the shortcut", func(t *testing.T) {
		t.Parallel()
		inBubble(t, newAccounts(3), func(w *world) {
			m := w.theirFile("C0OTHER", words)
			time.Sleep(24 * time.Hour) // what was tomorrow is today
			w.useCSV(m.TS)
			form := w.modalSays("U0CAROL", "<@U0ALICE> posted it")
			for _, want := range []string{"2000-01-02 18:00", "2000-01-09 08:00"} {
				if !strings.Contains(string(form.Blocks), want) {
					w.t.Errorf("the form has no %q", want)
				}
			}
			w.submit("U0CAROL", form, map[string]string{view.FieldReason: "left"})
			w.submit("U0CAROL", w.modalSays("U0CAROL", "Europe/Amsterdam"), nil)
			w.timed(1, "<!date^946832400^", "2000-01-09T07:00:00Z")
		})
	})
	t.Run("by the menu", func(t *testing.T) {
		t.Parallel()
		inBubble(t, newAccounts(3), func(w *world) {
			m := w.theirFile(requests, "they leave\nat: tomorrow 18:00\nuntil: 2000-01-09 08:00")
			menu := w.inThread(m.TS, "What should happen")
			time.Sleep(24 * time.Hour)
			choice := view.Choice{Action: workflow.Deactivate, File: m.Files[0].ID, Author: "U0ALICE", TS: m.TS}
			if err := w.slack.ClickValue(w.t.Context(), "U0CAROL", requests, menu.TS, view.ActionChoose, "", choice.String()); err != nil {
				w.t.Fatal(err)
			}
			w.timed(1, "<!date^946832400^", "2000-01-09T07:00:00Z")
		})
	})
	t.Run("by the menu, too late", func(t *testing.T) {
		t.Parallel()
		inBubble(t, newAccounts(3), func(w *world) {
			m := w.theirFile(requests, "they leave\nat: 18:00")
			menu := w.inThread(m.TS, "What should happen")
			time.Sleep(24 * time.Hour)
			choice := view.Choice{Action: workflow.Deactivate, File: m.Files[0].ID, Author: "U0ALICE", TS: m.TS}
			if err := w.slack.ClickValue(w.t.Context(), "U0CAROL", requests, menu.TS, view.ActionChoose, "", choice.String()); err != nil {
				w.t.Fatal(err)
			}
			w.told("U0CAROL", requests, "is past.")
		})
	})
}

// A message that cannot be read, or is gone, has times that nobody knows: nothing is asked for without
// them.
func TestMenuWithoutItsMessage(t *testing.T) {
	t.Parallel()
	const words = "they leave\nat: 2000-01-05 18:00\nuntil: 2000-01-09 08:00"
	choose := func(w *world, m, menu workspace.Message) {
		choice := view.Choice{Action: workflow.Deactivate, File: m.Files[0].ID, Author: "U0ALICE", TS: m.TS}
		if err := w.slack.ClickValue(w.t.Context(), "U0CAROL", requests, menu.TS, view.ActionChoose, "", choice.String()); err != nil {
			w.t.Fatal(err)
		}
	}
	t.Run("unread", func(t *testing.T) {
		t.Parallel()
		inBubble(t, newAccounts(3), func(w *world) {
			m := w.theirFile(requests, words)
			menu := w.inThread(m.TS, "What should happen")
			w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
				if method == "conversations.replies" {
					return &workspace.Reply{Error: "internal_error"}
				}
				return nil
			}})
			choose(w, m, menu)
			w.told("U0CAROL", requests, "I cannot read the message of the file. Choose again, or send the file again.")
			w.faults(workspace.Faults{})
			choose(w, m, menu)
			w.timed(1, "<!date^947091600^", "2000-01-09T07:00:00Z")
		})
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		inBubble(t, newAccounts(3), func(w *world) {
			m := w.theirFile(requests, words)
			menu := w.inThread(m.TS, "What should happen")
			if err := w.slack.Delete("U0ALICE", requests, m.TS); err != nil { // its thread stays
				w.t.Fatal(err)
			}
			choose(w, m, menu)
			w.told("U0CAROL", requests, "I cannot read the message of the file. Choose again, or send the file again.")
			if _, err := w.db.Batch(w.t.Context(), 1); err == nil {
				w.t.Error("there is a batch")
			}
		})
	})
}

// What is wrong with one time of a message, or with what is asked for, leaves the others the moments that
// they were.
func TestTimesOfAMessageWithSomethingWrong(t *testing.T) {
	t.Parallel()
	for words, want := range map[string][]string{
		"deactivate\nat: tomorrow 18:00\nfor: soon":                      {"is not a time", "2000-01-02 18:00"},
		"remove\nat: tomorrow 18:00\nfor: 3d":                            {"cannot be taken back", "2000-01-02 18:00"},
		"deactivate\nat: 18:00":                                          {"is past", "2000-01-01 18:00"},
		"deactivate\nat: soon\nuntil: tomorrow 18:00":                    {"is not a time", "2000-01-02 18:00"},
		"deactivate\nat: 18:00\nat: 19:00":                               {"At is there twice", "2000-01-01 18:00"},
		"deactivate\nat: tomorrow 18:00\nuntil: tomorrow 19:00\nfor: 3d": {"keep one of the two", "2000-01-02 18:00", "2000-01-02 19:00"},
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(3), func(w *world) {
				m := w.theirFile("C0OTHER", words)
				time.Sleep(24 * time.Hour) // what was tomorrow is today
				w.useCSV(m.TS)
				form := w.modalSays("U0CAROL", want[0])
				for _, moment := range want[1:] {
					if !strings.Contains(string(form.Blocks), moment) {
						w.t.Errorf("the form has no %q: %s", moment, form.Blocks)
					}
				}
			})
		})
	}
}

// What is wrong with the times of a message is said in the form that is made of it.
func TestWrongTimesOfAnotherPersonsMessage(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"deactivate\nat: 18:00\nat: 19:00": "At is there twice",
		"deactivate\nat: soon":             "is not a time; write it like",
		"remove\nfor: 3d":                  "Remove cannot be taken back, so it takes neither until nor for",
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(3), func(w *world) {
				m := w.theirFile("C0OTHER", words)
				w.useCSV(m.TS)
				w.modalSays("U0CAROL", want)
			})
		})
	}
}

// "Use this CSV" on a message that moves a domain opens the form for that, with the file as those who
// are left out, and with the times of the command.
func TestUseThisCSVForADomain(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(4), func(w *world) {
		m := w.theirFile("C0OTHER", "migrate-domain old.example new.example except at 2000-01-02 18:00")
		w.useCSV(m.TS)
		form := w.modalSays("U0CAROL", "<@U0ALICE> posted it")
		for _, want := range []string{"old.example", "new.example", "2000-01-02 18:00"} {
			if !strings.Contains(string(form.Blocks), want) {
				w.t.Errorf("the form has no %q", want)
			}
		}
		w.submit("U0CAROL", form, map[string]string{view.FieldReason: "one name"})
		w.submit("U0CAROL", w.modalSays("U0CAROL", "Rename 3 accounts"), nil)
		card := w.cardSays(1, "Needs 1 approval")
		w.cardSays(1, "without the 1 account of the file")
		w.cardSays(1, "*Time:* starts <!date^946832400^")
		if plan := w.fileInThread(card.TS, "batch-1-plan.csv"); strings.Contains(plan, "p1@old.example") {
			w.t.Errorf("who is left out is in the plan:\n%s", plan)
		}
	})
}

// A file posted with the command to move a domain starts when the command says.
func TestDomainByFileAtATime(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(4), func(w *world) {
		w.theirFile(requests, "migrate-domain old.example new.example except at 2000-01-02 18:00")
		w.cardSays(1, "*Time:* starts <!date^946832400^")
	})
}

// Of several files of a message the CSV is used, wherever it stands among them.
func TestUseThisCSVAmongOtherFiles(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		m, err := w.slack.Say(w.t.Context(), "U0ALICE", "C0OTHER", "", "deactivate",
			workspace.Upload{Name: "contract.pdf", Content: []byte("%PDF-1.7\n")},
			workspace.Upload{Name: "Leavers.CSV", Content: []byte("email\np1@old.example\n")})
		if err != nil {
			w.t.Fatal(err)
		}
		w.useCSV(m.TS)
		w.modalSays("U0CAROL", "Leavers.CSV")
	})
}

// A message that begins with the word of one action and says another is asked about, and nothing is planned.
func TestMessageThatSaysAnotherAction(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		m := w.theirFile(requests, "please remove these from group finance")
		w.inThread(m.TS, "If you mean `group remove &lt;group&gt;`, send the file again with these words.")
		if list, err := w.db.List(w.t.Context(), 0); err != nil || len(list) > 0 {
			w.t.Errorf("%d requests, %v", len(list), err)
		}
	})
}
