package bot_test

import (
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
)

// result waits for the one message of a report in its channel that says something.
func (w *world) result(channel, words string) workspace.Message {
	w.t.Helper()
	var found workspace.Message
	w.until("the result says "+words, func() bool {
		all := w.slack.Messages(channel, "U0ALICE")
		if len(all) > 1 {
			w.t.Fatalf("%d messages in %s", len(all), channel)
		}
		if len(all) == 1 {
			found = all[0]
		}
		return strings.Contains(string(found.Blocks), words)
	})
	return found
}

// filesUnder are the names of the files in a thread, and "words" for what holds none.
func (w *world) filesUnder(m workspace.Message) (all []string) {
	for _, under := range w.slack.Thread(m.Channel, m.TS, "U0ALICE")[1:] {
		if len(under.Files) == 0 {
			all = append(all, "words")
		}
		for _, f := range under.Files {
			all = append(all, f.Name[strings.LastIndex(f.Name, "."):])
		}
	}
	return all
}

// refuseFiles refuses files whose names end so, at a step of the upload.
func refuseFiles(method, code, ending string) func(string, url.Values) *workspace.Reply {
	return func(called string, args url.Values) *workspace.Reply {
		if called == method && (strings.HasSuffix(args.Get("filename"), ending) || strings.Contains(args.Get("files"), ending)) {
			return &workspace.Reply{Error: code}
		}
		return nil
	}
}

// Where Slack takes no files no sentence speaks of one. What was refused is put under the message when
// Slack takes files again, also by a bot that started since, and once.
func TestReportWhereSlackTakesNoFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func(string, url.Values) *workspace.Reply
		code  string
		there []string // meanwhile
	}{
		"no files":       {refuseFiles("files.getUploadURLExternal", "file_uploads_disabled", ""), "file_uploads_disabled", nil},
		"none at last":   {refuseFiles("files.completeUploadExternal", "storage_limit_reached", ""), "storage_limit_reached", nil},
		"only pictures":  {refuseFiles("files.getUploadURLExternal", "file_uploads_except_images_disabled", ".csv"), "file_uploads_except_images_disabled", []string{".png"}},
		"no large files": {refuseFiles("files.completeUploadExternal", "file_upload_size_restricted", ".csv"), "file_upload_size_restricted", []string{".png"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(30))
			w.reportsIn()
			w.faults(workspace.Faults{BeforeCall: c.fault})
			w.command("U0ALICE", requests, "report run idle")
			told := w.result("C0LICENCES", ".csv` is not in the thread yet: Slack does not take it.")
			w.command("U0CAROL", requests, "report show idle")
			w.told("U0CAROL", requests, ".csv`: Slack does not take it ("+c.code+").")
			w.command("U0BOB", requests, "report diff idle "+time.Now().UTC().Format(time.DateOnly))
			w.told("U0BOB", requests, ".csv`: Slack does not take it ("+c.code+").")
			for _, m := range slices.Concat(w.slack.Messages(requests, "U0CAROL"), w.slack.Messages(requests, "U0BOB"), []workspace.Message{told}) {
				for _, untrue := range []string{"in the file", "is in the thread", "in your direct messages"} {
					if said := text(m) + string(m.Blocks); strings.Contains(said, untrue) {
						t.Errorf("it says %q: %s", untrue, said)
					}
				}
			}
			if err := w.stopBot(); err != nil {
				t.Fatal(err)
			}
			w.startBot(nil)
			if files := w.filesUnder(told); !slices.Equal(files, c.there) {
				t.Errorf("under the message are %q, want %q", files, c.there)
			}
			w.faults(workspace.Faults{})
			told = w.result("C0LICENCES", ".csv` is in the thread.")
			if err := w.stopBot(); err != nil {
				t.Fatal(err)
			}
			w.startBot(nil)
			w.command("U0ALICE", requests, "report run nightly")
			w.result("C0REPORTS", ".csv` is in the thread.")
			files := slices.Sorted(slices.Values(w.filesUnder(told))) // Slack may take files again between the one and the other
			if !slices.Equal(files, []string{".csv", ".png"}) {
				t.Errorf("in the end are %q under the message", files)
			}
			if dm := w.slack.Messages(w.slack.OpenDM("U0CAROL"), "U0CAROL"); len(dm) > 0 {
				t.Errorf("words stand in the direct messages for a file: %s", text(dm[0]))
			}
		})
	}
}

// A file that waits does not have a result that cannot be posted tried without a pause.
func TestAReportsFileWaitsBesideOtherFailures(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		w.reportsIn()
		var code atomic.Value
		code.Store("file_uploads_disabled")
		var tries atomic.Int64
		w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
			if method != "files.getUploadURLExternal" {
				return nil
			}
			tries.Add(1)
			return &workspace.Reply{Error: code.Load().(string)}
		}})
		w.command("U0ALICE", requests, "report run idle")
		w.result("C0LICENCES", "is not in the thread yet")
		for _, other := range []string{"team_access_not_granted", "new_kind_of_refusal"} {
			code.Store(other)
			time.Sleep(time.Hour) // the longest wait
			before := tries.Load()
			time.Sleep(time.Hour)
			if n := tries.Load() - before; n < 2 || n > 40 { // every 5 min, for the picture and the file
				w.t.Errorf("%s: %d tries in an hour", other, n)
			}
		}
	})
}

// Admins are told at once, and once, when a report's channel is closed to us; the result comes when it
// is open again.
func TestReportChannelIsClosed(t *testing.T) {
	t.Parallel()
	for code, do := range map[string]string{"not_in_channel": "Invite me there with", "is_archived": "Unarchive the channel"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(3))
			w.reportsIn()
			w.faults(workspace.Faults{BeforeCall: func(method string, args url.Values) *workspace.Reply {
				if method == "chat.postMessage" && args.Get("channel") == "C0LICENCES" {
					return &workspace.Reply{Error: code}
				}
				return nil
			}})
			w.command("U0ALICE", requests, "report run idle")
			for _, admin := range []string{"U0ALICE", "U0BOB"} {
				w.until(admin+" is told", func() bool {
					all := w.slack.Messages(w.slack.OpenDM(admin), admin)
					return len(all) == 1 && strings.Contains(text(all[0]), "I cannot post `idle` of 20") &&
						strings.Contains(text(all[0]), "in <#C0LICENCES> ("+code+"). "+do)
				})
			}
			if dm := w.slack.Messages(w.slack.OpenDM("U0CAROL"), "U0CAROL"); len(dm) > 0 {
				t.Errorf("who is no admin is told %s", text(dm[0]))
			}
			w.faults(workspace.Faults{})
			w.bot.ReportFinished()
			w.result("C0LICENCES", ".csv` is in the thread.")
			if n := len(w.slack.Messages(w.slack.OpenDM("U0ALICE"), "U0ALICE")); n != 1 {
				t.Errorf("an admin has %d messages", n)
			}
		})
	}
}

// Home tells admins what doctor would say of a report's own channel.
func TestHomeSaysWhatNeedsCareOfAReportsChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.reportsIn()
	if err := w.slack.UpdateChannel("C0LICENCES", func(c *workspace.Channel) { c.BotMember = false }); err != nil {
		t.Fatal(err)
	}
	w.openHome("U0ALICE")
	w.homeSays("U0ALICE", "I am not in #licences: invite me there with /invite")
}
