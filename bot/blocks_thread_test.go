package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

func threadOf(state workflow.State, change func(*thread)) thread {
	c := sealedBatch()
	approve(&c, state)
	c.Batch.Ended = at(30)
	c.Summary.Groups = []workflow.Group{
		{Action: workflow.Rename, State: workflow.ChangeDone, Count: 700},
		{Action: workflow.Rename, State: workflow.ChangeFailed, Code: workflow.ReasonDrifted, Count: 12},
		{Action: workflow.Rename, State: workflow.ChangeFailed, Code: workflow.ReasonCollision, Count: 3},
		{Action: workflow.Rename, State: workflow.ChangeUnknown, Count: 1},
		{Action: workflow.Rename, State: workflow.ChangeReady, Count: 480},
		{Action: workflow.Rename, State: workflow.ChangeRunning, Count: 4},
		{State: workflow.ChangeBad, Code: workflow.ReasonUnreadable, Count: 2},
		{State: workflow.ChangeBlocked, Code: workflow.ReasonTaken, Count: 5},
	}
	t := thread{Batch: c.Batch, Summary: c.Summary, Admins: c.Admins}
	if change != nil {
		change(&t)
	}
	return t
}

func TestThreadGolden(t *testing.T) {
	var p pace
	p.note(at(10), 0)
	p.note(at(12), 600)
	golden(t, "progress_running", progress{thread: threadOf(workflow.Running, nil), Seen: p}.draw())
	golden(t, "progress_start", progress{thread: threadOf(workflow.Running, nil)}.draw())
	ended := threadOf(workflow.Done, func(t *thread) { t.Summary.Groups = t.Summary.Groups[:3] })
	golden(t, "progress_done", progress{thread: ended, Seen: p}.draw())
	gate := workflow.Outlook{PerMinute: 96.4, ToGo: 301 * time.Second}
	golden(t, "progress_outlook", progress{thread: threadOf(workflow.Running, nil), Seen: p, Outlook: gate}.draw())
	golden(t, "progress_waits", progress{
		thread: threadOf(workflow.Running, nil), Seen: p, Outlook: gate, Waits: "the run window opens " + moment(at(19)),
	}.draw())
	golden(t, "progress_paused", progress{thread: threadOf(workflow.Paused, func(t *thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopKeyRefused, At: at(11)}
	}), Seen: p}.draw())
	golden(t, "progress_retry", progress{thread: threadOf(workflow.Running, func(t *thread) {
		t.Batch.Run, t.Batch.Retry = 2, &workflow.Retry{By: alice, At: at(12)}
	})}.draw())
	golden(t, "admins", threadOf(workflow.AwaitingApproval, func(t *thread) { t.Batch.Decisions = nil }).admins())
	golden(t, "empty", threadOf(workflow.Empty, func(t *thread) { t.Summary.Groups = t.Summary.Groups[6:] }).empty())
	golden(t, "paused_by_bot", threadOf(workflow.Paused, func(t *thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopInARow, Note: "5", Rows: []int{7, 8, 9}, At: at(11)}
	}).paused())
	golden(t, "paused_by_person", threadOf(workflow.Paused, func(t *thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopPerson, By: alice, At: at(11)}
	}).paused())
	golden(t, "end_done", threadOf(workflow.Done, func(t *thread) {
		t.Batch.Decisions = append(t.Batch.Decisions,
			workflow.Decision{Person: alice, Verdict: workflow.Approve, Digest: testDigest, At: at(10)})
		t.Summary.Groups = append(t.Summary.Groups[:3], t.Summary.Groups[6:]...)
	}).end())
	golden(t, "end_cancelled", threadOf(workflow.Cancelled, func(t *thread) {
		t.Summary.Groups[4].State = workflow.ChangeSkipped
	}).end())
}

func TestLargestThread(t *testing.T) {
	evil := strings.Repeat("<!channel> ", 400)
	big := threadOf(workflow.Done, func(t *thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopUnknown, Note: evil}
		for i := range 50_000 {
			t.Batch.Stop.Rows = append(t.Batch.Stop.Rows, i)
		}
		t.Summary.Groups = nil
		for _, code := range []workflow.ReasonCode{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			t.Summary.Groups = append(t.Summary.Groups, workflow.Group{
				State: workflow.ChangeFailed, Code: workflow.ReasonCode(evil) + code, Count: 1e9,
			})
		}
	})
	var ids []string
	for range 1000 {
		ids = append(ids, "U0123456789")
	}
	big.Admins = ids
	for name, m := range map[string]message{
		"admins": big.admins(), "paused": big.paused(), "end": big.end(), "empty": big.empty(),
		"progress": progress{thread: big}.draw(),
	} {
		withinLimits(t, m)
		if strings.Contains(m.Text, "<!channel>") {
			t.Errorf("%s mentions the channel", name)
		}
	}
}

func TestPaceForgetsPauses(t *testing.T) {
	var p pace
	p.note(at(0), 0)
	p.note(at(60), 10)
	p.note(at(61), 70)
	p.note(at(62), 130)
	if got, ok := p.rate(); !ok || got != 1 {
		t.Errorf("rate %v, %v; want 1 a second", got, ok)
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1 second", 90 * time.Second: "90 seconds", 5*time.Minute + 29*time.Second: "5 minutes", 5 * time.Hour: "5 hours",
	} {
		if got := roughly(d); got != want {
			t.Errorf("roughly(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestLargestAnswers(t *testing.T) {
	evil := strings.Repeat("<!channel> ", 400)
	var accounts []workflow.Found
	var claims []workflow.DomainClaim
	var reports []report.Status
	var batches []summarised
	c := sealedBatch()
	for range 100 {
		accounts = append(accounts, workflow.Found{
			Account: workflow.Account{
				ID: strings.Repeat("x", maxAccountID), Name: evil, Email: evil, Status: workflow.AccountStatus(evil), Managed: true,
			},
			Held: 1 << 60,
			Privileges: map[workflow.ActionName]workflow.Privilege{
				workflow.Rename: {Key: evil}, workflow.Deactivate: {Key: evil}, workflow.Activate: {Key: evil},
			},
		})
		claims = append(claims, workflow.DomainClaim{Name: evil, Status: evil})
		reports = append(reports, report.Status{
			Name: evil, Kind: report.ManagedAccounts, Next: at(1), Last: &report.Result{At: at(0)},
			Live: &report.Run{State: report.RunWaiting, Attempts: 1, Reason: evil, NextTry: at(1)},
		})
		batches = append(batches, summarised{Batch: c.Batch, Summary: c.Summary, Link: "https://example.slack.com/archives/C0/p1"})
	}
	for name, m := range map[string]message{
		"found": found(evil, accounts), "domains": domains(claims), "reports": reportList(reports), "batches": recent(batches),
		"nothing": found(evil, nil), "menu": menu(file{ID: "F0", Name: evil}, "U0", "1.0"),
		"failed": said(resultText(report.Result{Report: evil, Date: evil, Failed: true, Reason: evil})),
	} {
		withinLimits(t, m)
		if strings.Contains(m.Text, "<!channel>") || strings.HasSuffix(m.Text, "…") {
			t.Errorf("%s mentions the channel or is cut: %.200s", name, m.Text)
		}
	}
}

func TestAnswersGolden(t *testing.T) {
	golden(t, "help", help("/countersign"))
	golden(t, "menu", menu(file{ID: "F0123", Name: "leavers & co.csv"}, "U0CAROL", "1795510800.000100"))
	golden(t, "found", found("bob <b>", []workflow.Found{
		{Account: workflow.Account{
			ID: "712020:1", Name: "Bob *B*", Email: "bob@example.com", Status: workflow.StatusActive, Managed: true,
		}, Held: 7, Privileges: map[workflow.ActionName]workflow.Privilege{
			workflow.Rename: {Allowed: true}, workflow.Deactivate: {Key: "externalDirectory.scim"},
		}},
		{Account: workflow.Account{ID: "712020:2", Status: workflow.StatusInactive}},
		{
			Account: workflow.Account{
				ID: "712020:3", Name: "Cleo", Email: "ceo@example.com", Status: workflow.StatusActive, Managed: true,
			},
			Barred: workflow.NewReason(workflow.ReasonProtected, "ceo@example.com"),
		},
	}))
	golden(t, "found_nothing", found("<!here>", nil))
	golden(t, "domains", domains([]workflow.DomainClaim{
		{Name: "example.com", Verified: true}, {Name: "x.example", Status: "unverified"},
	}))
	c := sealedBatch()
	s := summarised{Batch: c.Batch, Summary: c.Summary, Link: "https://example.slack.com/archives/C0REQ/p1"}
	golden(t, "batches", recent([]summarised{s, s}))
	golden(t, "batch", one(s))
	raw := rejectModal(formData{Value: buttonValue(42, testDigest), Channel: "C0REQ"})
	golden(t, "reject_form", message{Text: raw.PrivateMetadata, Blocks: raw.Blocks.BlockSet})
}

// What to do about rows that cannot run depends on why they cannot.
func TestRemedy(t *testing.T) {
	blocked := func(codes ...workflow.ReasonCode) thread {
		return threadOf(workflow.Empty, func(t *thread) {
			t.Summary.Groups, t.Holders = nil, []int64{1, 3}
			for _, code := range codes {
				t.Summary.Groups = append(t.Summary.Groups,
					workflow.Group{Action: workflow.Rename, State: workflow.ChangeBlocked, Code: code, Count: 2})
			}
		})
	}
	for _, c := range []struct {
		thread thread
		want   string
	}{
		{blocked(), ""},
		{blocked(workflow.ReasonCouldNotCheck), "Press Check again"},
		{blocked(workflow.ReasonHeld), "Wait for #1 and #3, then ask again."},
		{blocked(workflow.ReasonHeld, workflow.ReasonTaken), "put them right and send the file again"},
	} {
		if got := c.thread.remedy(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// The parts of a report's headline add up to its accounts.
func TestHeadlineAddsUp(t *testing.T) {
	got := resultText(report.Result{Report: "nightly", Date: "2026-11-24", Counts: report.Counts{
		Accounts: 10, Active: 6, Inactive: 3, Billable: 5,
	}})
	if want := "*10* accounts · *6* active · *3* deactivated · *1* closed · *5* billable"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
