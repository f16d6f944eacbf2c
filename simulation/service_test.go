package simulation

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/service"
)

// The main job: a file with rows of every sort is asked for, checked, approved by a second person, run, proved and
// reported.
func TestMainJob(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.begin()
	accounts := h.movable(5)
	h.send(sandbox.Hana, "reason: the company has a new name", "ask.csv", moves(accounts)+
		"712020:nobody,nobody@northwind.example,nobody@northwind-group.example\n"+
		",not an address,x@northwind-group.example\n")
	h.awaitButton("Approve")
	plan := h.file("batch-1-plan.csv")
	want := []string{"ready", "ready", "ready", "ready", "ready", "blocked", "bad"}
	if diff := cmp.Diff(want, column(t, plan, "status")); diff != "" {
		t.Errorf("status column of the plan (-want +got):\n%s", diff)
	}
	bad := h.file("batch-1-bad-rows.csv")
	if diff := cmp.Diff([]string{"7", "8"}, column(t, bad, "line")); diff != "" {
		t.Errorf("lines of the bad rows (-want +got):\n%s", diff)
	}
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Fatalf("%d changes were made before anybody approved", n)
	}

	h.click(sandbox.Alice, "Approve")
	results := h.file("batch-1-results.csv")
	want = []string{"done", "done", "done", "done", "done", "blocked", "bad"}
	if diff := cmp.Diff(want, column(t, results, "status")); diff != "" {
		t.Errorf("status column of the results (-want +got):\n%s", diff)
	}
	for _, a := range accounts {
		now, _ := h.world.Organisation.Account(a.ID)
		if want := strings.Replace(a.Email, "@northwind.", "@northwind-group.", 1); now.Email != want {
			t.Errorf("account %s has the address %s, want %s", a.ID, now.Email, want)
		}
	}
	if n := len(h.world.Organisation.Effects()); n != 5 {
		t.Errorf("%d changes were made, want 5", n)
	}
	m, _ := h.card(1)
	if !strings.Contains(string(m.Blocks), sandbox.Alice) {
		t.Errorf("the card does not say who approved: %s", m.Blocks)
	}
	h.clean()
}

// Who asked may not approve, whatever rights they have; the second of two clicks is told what the first one did.
func TestOwnApprovalAndSecondClick(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.begin()
	h.send(sandbox.Alice, "", "ask.csv", moves(h.movable(1)))
	stale, action := h.awaitButton("Approve")
	h.click(sandbox.Alice, "Approve")
	h.until("a private refusal", func() bool { return h.told(sandbox.Alice) != "" })
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Fatalf("%d changes were made under the requester's own approval", n)
	}
	h.click(sandbox.Bob, "Reject")
	h.until("the form that asks why", func() bool { return len(h.world.Workspace.Views(sandbox.Bob)) == 1 })
	view := h.world.Workspace.Views(sandbox.Bob)[0]
	if err := h.world.Workspace.SubmitView(t.Context(), sandbox.Bob, view.ID, map[string]string{"reason": "wrong list"}); err != nil {
		t.Fatalf("submit the reason: %v", err)
	}
	h.until("a card without buttons", func() bool {
		m, ok := h.card(1)
		return ok && buttons(m)["Approve"] == ""
	})
	before := h.told(sandbox.Bob)
	if err := h.world.Workspace.ClickStale(t.Context(), sandbox.Bob, sandbox.Requests, stale, action); err != nil {
		t.Fatalf("click the old card: %v", err)
	}
	h.until("what became of the batch", func() bool {
		return h.told(sandbox.Bob) != before && strings.Contains(h.told(sandbox.Bob), "rejected")
	})
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Errorf("%d changes were made of a rejected batch", n)
	}
	h.clean()
	h.end()
	refused := h.logged("refused")
	if len(refused) != 1 || !strings.Contains(refused[0], `"actor":"U0ALICE"`) {
		t.Errorf("the log tells of the refusals %q", refused)
	}
}

// A stop in the middle of a run loses nothing, does nothing twice, and the next start goes on by itself.
func TestARestartInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.cfg.Run.Workers = 3 // so that few calls are in flight at the stop
	h.begin()
	accounts := h.movable(25)
	h.send(sandbox.Hana, "", "ask.csv", moves(accounts))
	// From the middle on calls take their time, so that the stop comes before the end also where it comes late.
	h.world.Organisation.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
		if r.Method != http.MethodPut || len(h.world.Organisation.Effects()) < 5 {
			return nil
		}
		return &organisation.Fault{Delay: time.Second}
	}})
	h.click(sandbox.Bob, "Approve")
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	if err := h.world.Organisation.WaitFor(ctx, func() bool { return len(h.world.Organisation.Effects()) >= 5 }); err != nil {
		t.Fatal("the run never began")
	}
	h.end() // within 10 s, which the random scenarios hold in fake time
	stopped := len(h.world.Organisation.Effects())
	if stopped >= 25 {
		t.Fatalf("%d changes were made before the stop; the test does not test", stopped)
	}
	h.world.Organisation.SetFaults(organisation.Faults{})
	h.begin()
	results := h.file("batch-1-results.csv")
	for i, status := range column(t, results, "status") {
		if status != "done" {
			t.Errorf("row %d is %s", i+2, status)
		}
	}
	seen := map[string]int{}
	for _, e := range h.world.Organisation.Effects() {
		seen[e.AccountID]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("account %s was changed %d times", id, n)
		}
	}
	cards := 0
	for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Bob) {
		if strings.Contains(m.Text, " #1 · ") {
			cards++
		}
	}
	if cards != 1 {
		t.Errorf("%d cards, want 1", cards)
	}
	h.clean()
}

// Whoever is told to stop while still starting has done nothing wrong: serve ends with 0.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	for _, ms := range []time.Duration{0, 1, 3, 10, 30} {
		after := ms * time.Millisecond
		cfg := *h.cfg
		cfg.Store.Path = filepath.Join(t.TempDir(), "countersign.db")
		ctx, cancel := context.WithCancel(t.Context())
		if after == 0 {
			cancel()
		}
		time.AfterFunc(after, cancel)
		if err := service.Serve(ctx, &cfg, zerolog.New(h.log)); err != nil {
			t.Errorf("told to stop after %s: %v", after, err)
		}
	}
}

// A service that was made, and is told to end before it runs, ends without an error.
func TestAServiceToldToEndBeforeItRuns(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	service, err := service.New(t.Context(), h.cfg, zerolog.New(h.log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(service.Run(ctx), service.Close()); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// The directory is exported whole, by command, to the reports channel.
func TestTheDirectoryIsExported(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.begin()
	if err := h.world.Workspace.Command(t.Context(), sandbox.Alice, sandbox.Requests, "report run nightly-accounts"); err != nil {
		t.Fatalf("report run: %v", err)
	}
	var content []byte
	h.until("the report with its file", func() bool {
		for _, m := range h.world.Workspace.Messages(sandbox.Reports, sandbox.Alice) {
			for _, r := range h.world.Workspace.Thread(sandbox.Reports, m.TS, sandbox.Alice) {
				for _, f := range r.Files {
					var ok bool
					if _, content, ok = h.world.Workspace.File(f.ID); ok && strings.HasPrefix(f.Name, "nightly-accounts-") {
						return true
					}
				}
			}
		}
		return false
	})
	rows := h.parse(content)
	var want []string
	for _, a := range h.world.Organisation.Accounts() {
		if a.Managed {
			want = append(want, a.ID+" "+a.Email+" "+a.Status)
		}
	}
	ids, emails, states := column(t, rows, "account_id"), column(t, rows, "email"), column(t, rows, "account_status")
	var got []string
	for i := range ids {
		got = append(got, ids[i]+" "+emails[i]+" "+states[i])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	h.clean()
}
