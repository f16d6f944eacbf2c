package bot

import (
	"testing"
	"time"

	"github.com/countersign/countersign/report"
)

func TestReportGolden(t *testing.T) {
	made := report.Result{
		Run: 3, Report: "nightly-accounts", Kind: report.ManagedAccounts, Date: "2026-11-24", At: at(0),
		Counts: report.Counts{Accounts: 20_500, Active: 19_000, Inactive: 1_500, Billable: 18_001},
		Before: &report.Counts{Accounts: 20_480, Active: 19_000, Inactive: 1_480, Billable: 18_002},
		Log:    report.LogHead{Seq: 1234, Hash: testDigest},
	}
	first := made
	first.Before, first.By = nil, "U0ALICE"
	failed := report.Result{
		Report: "nightly-accounts", Date: "2026-11-24", Failed: true, Reason: "Atlassian could not be reached",
	}
	golden(t, "report_made", said(resultText(made)))
	golden(t, "report_first", said(resultText(first)))
	golden(t, "report_failed", said(resultText(failed)))
	golden(t, "report_list", reportList([]report.Status{
		{Name: "nightly-accounts", Kind: report.ManagedAccounts, Next: at(60), Last: &made},
		{Name: "weekly", Kind: report.ManagedAccounts, Live: &report.Run{
			State: report.RunWaiting, Attempts: 1, Reason: "throttled", NextTry: at(0).Add(time.Minute),
		}, Last: &failed},
		{Name: "nightly-changes", Kind: report.Changes},
	}))
}
