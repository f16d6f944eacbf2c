package view

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
)

func TestReportGolden(t *testing.T) {
	made := report.Result{
		Run: 3, Report: "nightly-accounts", Kind: report.ManagedAccounts, Date: "2026-11-24", At: at(0),
		Figures: report.Figures{
			report.FigureAccounts: 20_500, report.FigureActive: 19_000, report.FigureInactive: 1_500, report.FigureBillable: 18_001,
		},
		Before: report.Figures{
			report.FigureAccounts: 20_480, report.FigureActive: 19_000, report.FigureInactive: 1_480, report.FigureBillable: 18_002,
		},
		Log: report.LogHead{Seq: 1234, Hash: testDigest},
	}
	first := made
	first.Before, first.By = nil, "U0ALICE"
	failed := report.Result{
		Report: "nightly-accounts", Date: "2026-11-24", Failed: true, Reason: "Atlassian could not be reached",
	}
	golden(t, "report_made", Said(ReportResult(made)))
	made.FileName, made.Snapshot = "nightly-accounts-2026-11-24.csv", 7
	golden(t, "report_message", ReportMessage(made, report.Message{
		Look: "14 people have not been active for 90 days and are billed (about €168 a month).", Draft: 12,
		Notes: []string{"2 accounts are marked; a draft leaves them out."},
		Chart: &report.Chart{
			Title: "Idle seats, EUR a month", Kind: report.Bars, Categories: []string{"Jira (example.atlassian.net)", "Confluence"},
			Series: []report.Series{{Name: "EUR a month", Values: []float64{1234.5, 310}}},
		},
		Table: &report.Table{
			Columns: []report.Column{{Name: "Name"}, {Name: "Days", Number: true}}, Of: 14,
			Rows: [][]string{{"*Ada* <@U0ALICE>", "697"}, {"", "91"}},
		},
	}, made.FileName, "/countersign", report.FileThere))
	golden(t, "report_alarm", Alarmed(ReportMessage(made, report.Message{Look: "…"}, made.FileName, "/countersign", report.FileThere), report.Message{
		Alarm: "24 changes have no explanation. The limit is 20.",
	}, []string{"U0ALICE", "S0ITADMINS"}))
	golden(t, "report_shown", ReportShown(made, report.Message{
		Alarm: "24 changes have no explanation. The limit is 20.", Look: "24 changes were not made by countersign.",
		Table: &report.Table{Columns: []report.Column{{Name: "Person"}}, Of: 24, Rows: [][]string{{"Ada"}}},
	}, DirectFile{Name: "nightly-accounts-2026-11-24.zip"}))
	differs := made
	differs.Reason = "Atlassian announces 4 accounts and lists 3, also when it is read again"
	if said := ReportResult(differs); !strings.Contains(said, differs.Reason) {
		t.Errorf("a total that differs is not said: %s", said)
	}
	golden(t, "report_first", Said(ReportResult(first)))
	golden(t, "report_failed", Said(ReportResult(failed)))
	golden(t, "report_list", ReportList([]report.Status{
		{Name: "nightly-accounts", Kind: report.ManagedAccounts, Next: at(60), Last: &made},
		{Name: "weekly", Kind: report.ManagedAccounts, Live: &report.Run{
			State: report.RunWaiting, Attempts: 1, Reason: "throttled", NextTry: at(0).Add(time.Minute),
		}, Last: &failed},
		{Name: "nightly-changes", Kind: "of later on"},
	}))
}

// A file that stays out of the thread can be had with a command, as long as its night is kept.
func TestReportFileStaysOut(t *testing.T) {
	r := report.Result{Report: "idle", Date: "2026-11-24", Snapshot: 7}
	const out = "`x.csv` is not in the thread: Slack did not take it."
	for snapshot, want := range map[int64]string{7: out + " `/cs report show idle 2026-11-24` sends it to you.", 0: out} {
		r.Snapshot = snapshot
		m := ReportMessage(r, report.Message{}, "x.csv", "/cs", report.FileStaysOut)
		if said := textsOf(t, m.Blocks); !slices.Contains(strings.Split(said, "\n"), want) {
			t.Errorf("night %d: %s", snapshot, said)
		}
	}
}

// What is known now is counted by the headline, too: it never says otherwise than the rows below it.
func TestReportShownCountsWhatIsKnownNow(t *testing.T) {
	told := report.Figures{report.FigureChanges: 2, report.FigureChanged: 2, report.FigureByPerson: 1, report.FigureUnexplained: 1}
	known := report.Figures{report.FigureChanges: 2, report.FigureChanged: 2, report.FigureByPerson: 2}
	r := report.Result{Report: "nightly-changes", Kind: report.Changes, Date: "2026-11-24", Figures: told, Snapshot: 7}
	for name, m := range map[string]slackapi.Message{
		"shown again": ReportShown(r, report.Message{Figures: known}, DirectFile{}),
		"told late":   ReportMessage(r, report.Message{Figures: known}, "x.csv", "/countersign", report.FileThere),
	} {
		blocks, err := json.Marshal(m.Blocks)
		for _, said := range []string{m.Text, string(blocks)} {
			if err != nil || !strings.Contains(said, "*2* by people") || strings.Contains(said, "not by countersign") {
				t.Errorf("%s: %s, %v", name, said, err)
			}
		}
	}
	if m := ReportShown(r, report.Message{}, DirectFile{}); !strings.Contains(m.Text, "*1* not by countersign") {
		t.Errorf("nothing else is known: %s", m.Text)
	}
}
