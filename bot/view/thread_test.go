package view

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

func threadOf(state workflow.State, change func(*Thread)) Thread {
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
	t := Thread{Batch: c.Batch, Summary: c.Summary, Admins: c.Admins, Command: "/countersign"}
	if change != nil {
		change(&t)
	}
	return t
}

func TestThreadGolden(t *testing.T) {
	var p Speed
	p.Note(at(10), 0)
	p.Note(at(12), 600)
	golden(t, "progress_running", Progress{Thread: threadOf(workflow.Running, nil), Seen: p}.Draw())
	golden(t, "progress_start", Progress{Thread: threadOf(workflow.Running, nil)}.Draw())
	ended := threadOf(workflow.Done, func(t *Thread) { t.Summary.Groups = t.Summary.Groups[:3] })
	golden(t, "progress_done", Progress{Thread: ended, Seen: p}.Draw())
	gate := workflow.Estimate{PerMinute: 96.4, Remaining: 301 * time.Second}
	golden(t, "progress_estimate", Progress{Thread: threadOf(workflow.Running, nil), Seen: p, Estimate: gate}.Draw())
	if says := (Progress{Thread: threadOf(workflow.Running, nil), Estimate: gate}).Draw().Text; strings.Contains(says, "a minute") {
		t.Errorf("before rows are through it says %q", says)
	}
	golden(t, "progress_waits", Progress{
		Thread: threadOf(workflow.Running, nil), Seen: p, Estimate: gate, Waits: "the run window opens " + moment(at(19)),
	}.Draw())
	golden(t, "progress_paused", Progress{Thread: threadOf(workflow.Paused, func(t *Thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopKeyRefused, At: at(11)}
	}), Seen: p}.Draw())
	golden(t, "progress_retry", Progress{Thread: threadOf(workflow.Running, func(t *Thread) {
		t.Batch.Run, t.Batch.Retry = 2, &workflow.Retry{By: alice, At: at(12)}
	})}.Draw())
	golden(t, "admins", threadOf(workflow.AwaitingApproval, func(t *Thread) { t.Batch.Decisions = nil }).Waiting())
	golden(t, "empty", threadOf(workflow.Empty, func(t *Thread) { t.Summary.Groups = t.Summary.Groups[6:] }).Empty())
	golden(t, "empty_without_rows", threadOf(workflow.Empty, func(t *Thread) {
		t.Batch.Planned, t.Summary = time.Time{}, workflow.Summary{}
		t.Batch.Ending = &workflow.Ending{How: workflow.Empty, Reason: "no managed account has an address on empty.example"}
	}).Empty())
	golden(t, "not_asked", threadOf(workflow.Empty, func(t *Thread) { t.Summary.Groups = t.Summary.Groups[6:] }).NotAsked([]workflow.Change{
		{Row: 1, Name: "Ada Lang", State: workflow.ChangeBlocked, Reason: workflow.NewReason(workflow.ReasonTaken, "ada@new.example", "712020:1", "Ben Ode", "active")},
		{Row: 2, State: workflow.ChangeBad, Reason: workflow.NewReason(workflow.ReasonUnreadable, "line 2 has no address")},
		{
			Row: 3, State: workflow.ChangeBlocked, Reason: workflow.NewReason(workflow.ReasonNoAccount, "ada.lagn@old.example", ""),
			Expect: workflow.Of(workflow.FieldEmail, "ada.lagn@old.example"),
		},
	}))
	golden(t, "not_asked_given_up", threadOf(workflow.Empty, func(t *Thread) {
		t.Batch.Planned = time.Time{}
		t.Batch.Ending = &workflow.Ending{How: workflow.Empty, Reason: "no managed account has an address on empty.example"}
	}).NotAsked(nil))
	golden(t, "paused_by_bot", threadOf(workflow.Paused, func(t *Thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopInARow, Note: "5", Rows: []int{7, 8, 9}, At: at(11)}
	}).Paused())
	golden(t, "paused_by_person", threadOf(workflow.Paused, func(t *Thread) {
		t.Batch.Stop = workflow.Stop{Cause: workflow.StopPerson, By: alice, At: at(11)}
	}).Paused())
	golden(t, "end_done", threadOf(workflow.Done, func(t *Thread) {
		t.Batch.Decisions = append(t.Batch.Decisions,
			workflow.Decision{Person: alice, Verdict: workflow.Approve, Digest: testDigest, At: at(10)})
		t.Summary.Groups = append(t.Summary.Groups[:3], t.Summary.Groups[6:]...)
	}).End())
	golden(t, "end_cancelled", threadOf(workflow.Cancelled, func(t *Thread) {
		t.Summary.Groups[4].State = workflow.ChangeSkipped
	}).End())
}

func TestLargestThread(t *testing.T) {
	evil := strings.Repeat("<!channel> ", 400)
	big := threadOf(workflow.Done, func(t *Thread) {
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
	for name, m := range map[string]slackapi.Message{
		"admins": big.Waiting(), "paused": big.Paused(), "end": big.End(), "empty": big.Empty(),
		"progress": Progress{Thread: big}.Draw(),
	} {
		withinLimits(t, m)
		if strings.Contains(m.Text, "<!channel>") {
			t.Errorf("%s mentions the channel", name)
		}
	}
}

func TestPaceForgetsPauses(t *testing.T) {
	var p Speed
	p.Note(at(0), 0)
	p.Note(at(60), 10)
	p.Note(at(61), 70)
	p.Note(at(62), 130)
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
	var batches []Summarised
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
		batches = append(batches, Summarised{Batch: c.Batch, Summary: c.Summary, Link: "https://example.slack.com/archives/C0/p1"})
	}
	for name, m := range map[string]slackapi.Message{
		"found": Found(evil, accounts), "domains": Domains(claims), "reports": ReportList(reports), "batches": Recent(batches),
		"nothing": Found(evil, nil), "menu": Menu(slackapi.File{ID: "F0", Name: evil}, "U0", "1.0", "", nil),
		"failed": Said(ReportResult(report.Result{Report: evil, Date: evil, Failed: true, Reason: evil})),
	} {
		withinLimits(t, m)
		if strings.Contains(m.Text, "<!channel>") || strings.HasSuffix(m.Text, "…") {
			t.Errorf("%s mentions the channel or is cut: %.200s", name, m.Text)
		}
	}
}

func TestAnswersGolden(t *testing.T) {
	golden(t, "help", Help("/countersign", helpLines()))
	unknown := &workflow.NeedsActionError{Unknown: []workflow.UnknownColumn{{Name: "new_emial", Nearest: "new_email"}, {Name: "Dept"}}, Rows: 2}
	if got := Menu(slackapi.File{ID: "F0123", Name: "a.csv"}, "U0CAROL", "1.0", "", unknown).Text; !strings.Contains(got,
		`What should happen to the 2 accounts in a.csv? Not understood: "new_emial" (did you mean new_email?), "Dept".`) {
		t.Errorf("the menu does not name what was not understood: %s", got)
	}
	golden(t, "menu", Menu(slackapi.File{ID: "F0123", Name: "leavers & co.csv"}, "U0CAROL", "1795510800.000100", "", workflow.ErrNeedsAction))
	golden(t, "found", Found("bob <b>", []workflow.Found{
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
	golden(t, "found_nothing", Found("<!here>", nil))
	golden(t, "domains", Domains([]workflow.DomainClaim{
		{Name: "example.com", Verified: true}, {Name: "x.example", Status: "unverified"},
	}))
	c := sealedBatch()
	s := Summarised{Batch: c.Batch, Summary: c.Summary, Link: "https://example.slack.com/archives/C0REQ/p1"}
	golden(t, "batches", Recent([]Summarised{s, s}))
	golden(t, "batch", One(s))
	raw := RejectModal(FormData{Value: buttonValue(42, testDigest), Channel: "C0REQ"})
	golden(t, "reject_form", slackapi.Message{Text: raw.PrivateMetadata, Blocks: raw.Blocks.BlockSet})
}

// What to do about rows that cannot run depends on why they cannot.
func TestRemedy(t *testing.T) {
	blocked := func(codes ...workflow.ReasonCode) Thread {
		return threadOf(workflow.Empty, func(t *Thread) {
			t.Summary.Groups, t.Holders = nil, []int64{1, 3}
			for _, code := range codes {
				t.Summary.Groups = append(t.Summary.Groups,
					workflow.Group{Action: workflow.Rename, State: workflow.ChangeBlocked, Code: code, Count: 2})
			}
		})
	}
	for _, c := range []struct {
		thread Thread
		want   string
	}{
		{blocked(), ""},
		{blocked(workflow.ReasonCouldNotCheck), "Press *Check again*"},
		{blocked(workflow.ReasonHeld), "Wait for #1 and #3, then ask again."},
		{blocked(workflow.ReasonHeld, workflow.ReasonTaken), "Correct these rows, then send the file again"},
	} {
		if got := c.thread.remedy(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// The parts of a report's headline add up to its accounts.
func TestHeadlineAddsUp(t *testing.T) {
	got := ReportResult(report.Result{Report: "nightly", Kind: report.ManagedAccounts, Date: "2026-11-24", Figures: report.Figures{
		report.FigureAccounts: 10, report.FigureActive: 6, report.FigureInactive: 3, report.FigureBillable: 5,
	}})
	if want := "*10* accounts · *6* active · *3* deactivated · *1* closed · *5* billable"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func helpLines() []HelpLine {
	return []HelpLine{
		{"help", "help", "what I can do", true},
		{"rename", "rename <user> <new-email>", "a new address for one account", true},
		{"deactivate", "deactivate <user>… [-- message]", "block login everywhere", true},
		{"activate", "activate <user>…", "let them log in again", true},
		{"find", "find <text>", "who that is, and what may be changed", true},
		{"domains", "domains", "the domains, and whether each is verified", true},
		{"batches", "batches", "the recent batches", true},
		{"batch", "batch <n>", "one batch, with a link to its card", true},
		{"pause", "pause <n>", "stop a run for now", true},
		{"resume", "resume <n>", "let a run go on", true},
		{"cancel", "cancel <n>", "end a batch", true},
		{"retry", "retry <n>", "try again what failed", true},
		{"undo", "undo <n>", "put back what a batch changed", true},
		{"report list", "report list", "the reports", true},
		{"report show", "report show <name> [date]", "a report as it was on a day", true},
		{"report run", "report run <name>", "make a report now", true},
		{"migrate-domain", "migrate-domain <old> <new>", "every account of a domain to another domain", false},
		{"suspend", "suspend <user>…", "take product access away", false},
		{"restore", "restore <user>…", "give product access back", false},
		{"remove", "remove <user>…", "take out of the directory", false},
		{"delete", "delete <user>…", "start the deletion", false},
		{"cancel-delete", "cancel-delete <user>…", "stop the deletion", false},
		{"revoke-tokens", "revoke-tokens <user>…", "delete their API tokens", false},
		{"offboard", "offboard <user>…", "all that a leaver needs", false},
		{"set-name", "set-name <user> <new name>", "a new display name", false},
		{"group add", "group add <group> <user>…", "into a group", false},
		{"group remove", "group remove <group> <user>…", "out of a group", false},
		{"invite", "invite <email>…", "into the organisation", false},
		{"history", "history <user>", "what happened to an account", false},
		{"report diff", "report diff <name> <date> [<date>]", "what changed between two days", false},
		{"new", "new", "the form", false},
	}
}

// What a person wrote does not run into the sentence behind it, however it ends.
func TestReasonsDoNotRunOn(t *testing.T) {
	t.Parallel()
	for _, state := range []workflow.State{workflow.Rejected, workflow.Cancelled} {
		for _, reason := range []string{"not today", "Not today.", "why?", "", "it is “ours”"} {
			told := threadOf(state, func(t *Thread) {
				t.Batch.Started, t.Batch.Decisions = time.Time{}, nil
				t.Batch.Ending = &workflow.Ending{By: bob, How: state, Reason: reason, At: at(9)}
			})
			late := stateWords(&workflow.StateError{Number: 42, State: state, Batch: told.Batch})
			for where, text := range map[string]string{"the thread": told.Ended().Text, "the card": ended(told.Batch), "a late click": late} {
				if reason != "" && !strings.Contains(text, ": “"+reason+"”.") || !strings.HasSuffix(text, ".") {
					t.Errorf("%s of a batch that is %s for %q says %q", where, state, reason, text)
				}
			}
		}
	}
}

// Who may give the last approval is called also where nobody is known by name: admins of a group, as
// long as Slack does not show it.
func TestTheLastApprovalIsCalledFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		admins, may []string
		want        string
	}{
		{[]string{"S0ITADMINS"}, nil, "<!subteam^S0ITADMINS> 1 more approval for #42: rename"},
		{[]string{"U0ALICE", "U0BOB", "U0CAROL", "S0ITADMINS"}, nil, "<@U0ALICE> <!subteam^S0ITADMINS> 1 more approval"},
		{[]string{"S0ITADMINS"}, []string{"U0ALICE"}, "<@U0ALICE> 1 more approval"},
	} {
		waits := threadOf(workflow.AwaitingApproval, func(t *Thread) { t.Batch.Approvals, t.Admins = 2, c.admins })
		if m := waits.Next(c.may); !strings.HasPrefix(m.Text, c.want) {
			t.Errorf("admins %v, of whom may %v: %q", c.admins, c.may, m.Text)
		}
	}
}
