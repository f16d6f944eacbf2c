package bot_test

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// Members lists every account.
func (a *accounts) Members(context.Context) iter.Seq2[workflow.Member, error] {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []workflow.Member
	for _, acc := range a.by {
		all = append(all, workflow.Member{
			Account: acc, Billable: true, LastActive: "2020-01-01",
			Products: []workflow.Product{{Key: "jira-software", Name: "Jira", URL: "https://example.atlassian.net"}},
		})
	}
	return func(yield func(workflow.Member, error) bool) {
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// reportsIn gives the world reports, in a channel of their own, and a bot that knows them.
func (w *world) reportsIn() {
	w.t.Helper()
	w.slack.AddChannel(workspace.Channel{
		ID: "C0REPORTS", Name: "reports", BotMember: true, Members: []string{"U0ALICE", "U0CAROL"},
	})
	if err := w.stopBot(); err != nil {
		w.t.Fatal(err)
	}
	w.slack.AddChannel(workspace.Channel{
		ID: "C0LICENCES", Name: "licences", BotMember: true, Members: []string{"U0ALICE"},
	})
	runner, err := report.New(report.Config{
		Reports: []report.Definition{
			{Name: "nightly", Kind: report.ManagedAccounts}, {Name: "idle", Kind: report.Inactive, Channel: "C0LICENCES"},
		},
		Members: w.accounts, Store: w.db, Marks: markedOne("712020:0001"),
		Prices:   report.Prices{Currency: "EUR", Seats: map[string]report.Money{"jira-software": 815}},
		Finished: func() { w.bot.ReportFinished() }, Log: zerolog.Nop(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.reports = runner
	w.startBot(nil)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = runner.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

func TestReportsInSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.reportsIn()
	w.command("U0CAROL", requests, "report run nightly")
	w.told("U0CAROL", requests, "Only admins can do that")
	w.command("U0ALICE", requests, "report run nightly")
	w.told("U0ALICE", requests, "comes to <#C0REPORTS>")
	var told workspace.Message
	w.until("the result is told", func() bool {
		for _, m := range w.slack.Messages("C0REPORTS", "U0ALICE") {
			told = m
		}
		return strings.Contains(told.Text, "*3* accounts · *3* active · *0* deactivated · *3* billable")
	})
	w.until("its file is in the thread", func() bool {
		for _, m := range w.slack.Thread("C0REPORTS", told.TS, "U0ALICE") {
			if len(m.Files) == 1 && strings.HasPrefix(m.Files[0].Name, "nightly-20") {
				_, content, _ := w.slack.File(m.Files[0].ID)
				return strings.Contains(string(content), "712020:0002,Person 2,p2@old.example")
			}
		}
		return false
	})
	w.command("U0CAROL", requests, "report list")
	w.told("U0CAROL", requests, "• `nightly` managed-accounts, last made")
	w.command("U0CAROL", requests, "report show nightly")
	w.told("U0CAROL", requests, "is in your direct messages with me.")
	w.command("U0CAROL", requests, "report show nothing")
	w.told("U0CAROL", requests, "No report has that name")
	dm := w.slack.OpenDM("U0CAROL")
	w.until("the file is in the direct messages", func() bool {
		messages := w.slack.Messages(dm, "U0CAROL")
		return len(messages) > 0 && len(messages[len(messages)-1].Files) == 1
	})
	if n := len(w.slack.Messages("C0REPORTS", "U0ALICE")); n != 1 {
		t.Errorf("%d messages in the reports channel, want 1", n)
	}
}

// A report of its own channel: its numbers, what to look at, a chart where Slack takes one, and in its
// thread the chart as a picture and the file.
func TestInactiveInSlack(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string][]string{"all blocks": nil, "no charts": {"data_visualization", "data_table"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(3))
			w.reportsIn()
			w.faults(workspace.Faults{RefusedBlocks: refused})
			w.refused = "invalid_blocks"
			w.command("U0ALICE", requests, "report run idle")
			w.told("U0ALICE", requests, "comes to <#C0LICENCES>")
			var told workspace.Message
			w.until("the result is told", func() bool {
				for _, m := range w.slack.Messages("C0LICENCES", "U0ALICE") {
					told = m
				}
				return strings.Contains(told.Text, "*3* inactive accounts · *3* billed")
			})
			blocks := string(told.Blocks)
			for what, want := range map[string]bool{
				"3 people have not been active for 90 days and are billed (about €24 a month, €293 a year).": true,
				`"data_visualization"`: refused == nil, `"data_table"`: refused == nil, `"table"`: refused != nil, "Draft a request": true, "p2@old.example": true,
			} {
				if strings.Contains(blocks, what) != want {
					t.Errorf("%s: %t, want %t in %s", what, !want, want, blocks)
				}
			}
			var files []string
			w.until("chart and file are in the thread", func() bool {
				files = nil
				for _, m := range w.slack.Thread("C0LICENCES", told.TS, "U0ALICE") {
					for _, f := range m.Files {
						_, content, _ := w.slack.File(f.ID)
						files = append(files, string(content))
					}
				}
				return len(files) == 2
			})
			if !strings.HasPrefix(files[0], "\x89PNG") {
				t.Errorf("the chart is no picture: %.20q", files[0])
			}
			if !strings.Contains(files[1], "account_id,name,email,last_active,days,products,billable,cost\r\n") ||
				!strings.Contains(files[1], "712020:0002,Person 2,p2@old.example,2020-01-01,") ||
				!strings.Contains(files[1], ",Jira (example.atlassian.net),true,8.15\r\n") {
				t.Errorf("the file has\n%s", files[1])
			}
		})
	}
}

// zips are reports whose files are large.
type zips struct{ bot.Reports }

func (z zips) File(ctx context.Context, r report.Result) (report.File, error) {
	f, err := z.Reports.File(ctx, r)
	f.Name = strings.TrimSuffix(f.Name, ".csv") + ".zip"
	return f, err
}

func (z zips) Show(ctx context.Context, name, date string) (report.Result, report.File, error) {
	r, _, err := z.Reports.Show(ctx, name, date)
	if err != nil {
		return r, report.File{}, err
	}
	f, err := z.File(ctx, r)
	return r, f, err
}

// Whoever asks for a report's night gets its message again, chart and table with it, and the file where
// the message says that it is. A file has one name, also where it was too large to be sent as it is.
func TestReportShownAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.reportsIn()
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.reports = zips{w.reports}
	w.startBot(nil)
	w.command("U0ALICE", requests, "report run idle")
	var told workspace.Message
	w.until("the result is told", func() bool {
		for _, m := range w.slack.Messages("C0LICENCES", "U0ALICE") {
			told = m
		}
		return told.TS != ""
	})
	w.command("U0CAROL", requests, "report show idle")
	w.told("U0CAROL", requests, "is in your direct messages with me.")
	shown := ""
	for _, m := range w.slack.Messages(requests, "U0CAROL") {
		if m.Ephemeral {
			shown = string(m.Blocks)
		}
	}
	for _, want := range []string{`"data_visualization"`, `"data_table"`, "people have not been active for 90 days", "p2@old.example", ".zip` is in your direct messages"} {
		if !strings.Contains(shown, want) {
			t.Errorf("shown again it lacks %q: %s", want, shown)
		}
	}
	if strings.Contains(shown, "in the thread") {
		t.Errorf("a private answer has no thread: %s", shown)
	}
	if !strings.Contains(string(told.Blocks), ".zip` is in the thread.") {
		t.Errorf("in the channel: %s", told.Blocks)
	}
	dm := w.slack.OpenDM("U0CAROL")
	w.until("the file is in the direct messages", func() bool {
		messages := w.slack.Messages(dm, "U0CAROL")
		return len(messages) == 1 && len(messages[0].Files) == 1 && strings.HasSuffix(messages[0].Files[0].Name, ".zip")
	})
}

// markedOne marks the account of that id.
type markedOne string

func (m markedOne) Marked(context.Context, []workflow.Account) (map[string]workflow.Mark, error) {
	return map[string]workflow.Mark{string(m): workflow.MarkProtected}, nil
}

// Draft a request opens the form filled in with the unmarked accounts, and asks for nothing.
func TestDraftOfAReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.reportsIn()
	w.command("U0ALICE", requests, "report run idle")
	var told workspace.Message
	w.until("the result is told", func() bool {
		for _, m := range w.slack.Messages("C0LICENCES", "U0ALICE") {
			told = m
		}
		return strings.Contains(string(told.Blocks), "1 account is marked; a draft leaves it out.")
	})
	w.click("U0ALICE", told, view.ActionDraft)
	form := w.viewWith("U0ALICE", "p0@old.example\\np2@old.example")
	if !strings.Contains(viewText(form), "From idle of 20") {
		t.Errorf("the form does not say what it was made of:\n%s", viewText(form))
	}
	if n := w.ours("#1"); n > 0 {
		t.Error("a draft made a batch")
	}
	w.press("U0ALICE", form, view.FieldAction, string(workflow.Deactivate))
	form = w.modalSays("U0ALICE", "Message to them")
	w.submit("U0ALICE", form, map[string]string{view.FieldReason: "idle since spring"})
	w.submit("U0ALICE", w.modalSays("U0ALICE", "Nobody sees this yet"), nil)
	w.cardSays(1, "Needs")
	b, err := w.db.Batch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if from, err := w.db.Result(t.Context(), b.Source.Report); err != nil || from.Report != "idle" {
		t.Errorf("the batch was drafted from run %d: %+v, %v; want the one of idle", b.Source.Report, from, err)
	}
}

// A list sent with the word compare is answered under it, with files and a draft of the leavers, and
// makes no request.
func TestCompareInSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(6))
	w.reportsIn()
	list := "name,email\n"
	for i := range 5 { // the sixth has left, which is not more than a fifth
		list += fmt.Sprintf("Person %d,p%d@old.example\n", i, i)
	}
	list += "New One,new@old.example\n"
	first := w.say(requests, "Compare, please", workspace.Upload{Name: "hr.csv", Content: []byte(list)})
	told := w.inThread(first.TS, "Comparison 1: ")
	for _, want := range []string{
		"No night was recorded yet, so I read the directory for this comparison.",
		"*1* of 6 active accounts on the list's domains not in the list", "*1* in the list and not in the directory", "Draft a request",
	} {
		if !strings.Contains(string(told.Blocks), want) {
			t.Errorf("the comparison lacks %q: %s", want, told.Blocks)
		}
	}
	if n := len(w.slack.Messages("C0REPORTS", "U0ALICE")); n > 0 {
		t.Errorf("%d messages in the channel for reports", n)
	}
	left := w.fileInThread(first.TS, "compare-1-not-in-list.csv")
	if !strings.HasSuffix(left, "712020:0005,Person 5,p5@old.example,active,2020-01-01,\r\n") {
		t.Errorf("not in the list: %q", left)
	}
	missing := w.fileInThread(first.TS, "compare-1-not-in-directory.csv")
	if !strings.HasSuffix(missing, "name,email,line\r\nNew One,new@old.example,7\r\n") {
		t.Errorf("not in the directory: %q", missing)
	}
	if err := w.slack.DeleteFile(first.Files[0].ID); err != nil { // the list that was compared is what counts
		t.Fatal(err)
	}
	if err := w.slack.Click(t.Context(), "U0ALICE", requests, told.TS, view.ActionDraft, ""); err != nil {
		t.Fatal(err)
	}
	form := w.viewWith("U0ALICE", "p5@old.example")
	for _, want := range []string{"From comparison 1", "<@U0CAROL> counts as its author"} {
		if !strings.Contains(viewText(form), want) {
			t.Errorf("the form does not say %q:\n%s", want, viewText(form))
		}
	}
	if w.ours("#1") > 0 {
		t.Error("a comparison made a batch")
	}
	w.submit("U0ALICE", form, map[string]string{view.FieldAction: string(workflow.Deactivate), view.FieldReason: "they left"})
	w.submit("U0ALICE", w.modalSays("U0ALICE", "*1* ready"), nil)
	w.cardSays(1, "Needs 1 approval")
	if b, err := w.db.Batch(t.Context(), 1); err != nil || b.Requester.ID != "U0ALICE" || b.Author.ID != "U0CAROL" {
		t.Errorf("asked by %s with %s, %v; who uploaded the list is the author", b.Requester.ID, b.Author.ID, err)
	}
}

// Who posted a list that somebody else uploaded chose it, as who uploaded it wrote it: a draft of its
// comparison has one of the two as its author and the other one as its requester, and is nobody else's.
func TestDraftOfAListOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(6))
	w.reportsIn()
	w.command("U0ALICE", requests, "report run nightly")
	w.until("the night is there", func() bool { return len(w.slack.Messages("C0REPORTS", "U0ALICE")) > 0 })
	list := "email\n"
	for i := range 5 {
		list += fmt.Sprintf("p%d@old.example\n", i)
	}
	shared := w.share("compare", "U0ALICE", workspace.Upload{Name: "hr.csv", Content: []byte(list)})
	told := w.inThread(shared.TS, "Comparison 1: ")
	press := func(person string) {
		if err := w.slack.Click(t.Context(), person, requests, told.TS, view.ActionDraft, ""); err != nil {
			t.Fatal(err)
		}
	}
	press("U0BOB")
	w.modalSays("U0BOB", "<@U0CAROL> posted this file and <@U0ALICE> uploaded it. One of them must choose")
	for presser, author := range map[string]string{"U0CAROL": "U0ALICE", "U0ALICE": "U0CAROL"} {
		press(presser)
		if form := w.viewWith(presser, "p5@old.example"); !strings.Contains(viewText(form), "<@"+author+"> counts as its author") {
			t.Errorf("the draft of %s does not count %s as its author:\n%s", presser, author, viewText(form))
		}
	}
}

// A list of which no line can be read is answered with the reason, and is no comparison; where some can,
// the reason of the first bad line is said.
func TestCompareSaysWhyLinesAreBad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(2))
	w.reportsIn()
	const why = "columns \"email\" and \"mail\" both give the email and differ; keep one of the two"
	bad := w.say(requests, "compare", workspace.Upload{Name: "hr.csv", Content: []byte("name,email,mail\nAda,p0@old.example,a@y.example\n")})
	w.inThread(bad.TS, "This file cannot be used: no line can be read; line 2: "+why)
	some := w.say(requests, "compare", workspace.Upload{
		Name: "hr.csv", Content: []byte("name,email,mail\nAda,p0@old.example,a@y.example\nBob,p1@old.example,\n"),
	})
	told := w.inThread(some.TS, "Comparison 1: ")
	if said := text(told); !strings.Contains(said, "1 line of the list cannot be read: 2. Line 2: "+why) {
		t.Errorf("the comparison says %s", said)
	}
}

// A bot that dies between the files of a comparison puts each of them there once.
func TestComparisonIsFinishedAfterAStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(6))
	w.reportsIn()
	w.command("U0ALICE", requests, "report run nightly")
	w.until("the night is there", func() bool { return len(w.slack.Messages("C0REPORTS", "U0ALICE")) > 0 })
	w.faults(workspace.Faults{BeforeCall: func(method string, args url.Values) *workspace.Reply {
		if method == "files.getUploadURLExternal" && strings.HasSuffix(args.Get("filename"), "not-in-directory.csv") {
			return &workspace.Reply{Delay: time.Hour}
		}
		return nil
	}})
	list := w.say(requests, "compare", workspace.Upload{Name: "hr.csv", Content: []byte("email\np0@old.example\nnew@old.example\n")})
	w.fileInThread(list.TS, "compare-1-not-in-list.csv")
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.faults(workspace.Faults{})
	w.startBot(nil)
	w.fileInThread(list.TS, "compare-1-not-in-directory.csv")
	var all []string
	for _, m := range w.slack.Thread(requests, list.TS, "U0ALICE")[1:] {
		for _, f := range m.Files {
			all = append(all, f.Name)
		}
		if len(m.Files) == 0 {
			all = append(all, "words")
		}
	}
	if want := []string{"words", "compare-1-not-in-list.csv", "compare-1-not-in-directory.csv"}; !slices.Equal(all, want) {
		t.Errorf("under the list are %q, want %q", all, want)
	}
}
