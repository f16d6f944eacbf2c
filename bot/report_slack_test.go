package bot

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

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
		all = append(all, workflow.Member{Account: acc, Billable: true})
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
	runner, err := report.New(report.Config{
		Reports: []report.Definition{{Name: "nightly", Kind: report.ManagedAccounts}}, Members: w.accounts, Store: w.db,
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
	w.told("U0CAROL", requests, "Only admins may do that")
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
	w.told("U0CAROL", requests, "The file comes to your direct messages")
	w.command("U0CAROL", requests, "report show nothing")
	w.told("U0CAROL", requests, "There is no report of that name")
	dm := w.slack.OpenDM("U0CAROL")
	w.until("the file is in the direct messages", func() bool {
		messages := w.slack.Messages(dm, "U0CAROL")
		return len(messages) > 0 && len(messages[len(messages)-1].Files) == 1
	})
	if n := len(w.slack.Messages("C0REPORTS", "U0ALICE")); n != 1 {
		t.Errorf("%d messages in the reports channel, want 1", n)
	}
}
