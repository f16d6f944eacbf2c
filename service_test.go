package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/store"
)

// patience is how long a test waits for something that people would see; one that waits this long has failed. It is long,
// for the machine may have other things to do.
const patience = 3 * time.Minute

// house is the whole product on this machine: the sandbox, and the service as serve runs it, which can be stopped and
// started again on the same database.
type house struct {
	t     testing.TB
	world *sandbox.Sandbox
	cfg   *Config
	log   *journal

	program string // what launch starts; "" for this test binary, which can be the program, too
	stop    func() error
}

// journal keeps what the service logs; it is shown when the test fails, and searched for secrets.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newHouse(t testing.TB) *house {
	t.Helper()
	world, err := sandbox.Start(t.Context(), sandbox.Config{Addr: "127.0.0.1:0", Seed: 1})
	if err != nil {
		t.Fatalf("start the sandbox: %v", err)
	}
	h := &house{t: t, world: world, cfg: demoConfig(world, t.TempDir()), log: &journal{}}
	t.Cleanup(func() {
		h.end()
		if err := world.Close(context.Background()); err != nil {
			t.Errorf("close the sandbox: %v", err)
		}
		if t.Failed() {
			t.Logf("log of the service:\n%s", h.log)
		}
	})
	return h
}

// begin starts the service and waits until Slack reaches it.
func (h *house) begin() {
	h.t.Helper()
	service, err := newService(context.Background(), h.cfg, zerolog.New(h.log))
	if err != nil {
		h.t.Fatalf("newService: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	h.stop = func() error {
		cancel()
		return errors.Join(<-ended, service.Close())
	}
	h.until("the bot's two connections", func() bool { return h.world.Workspace.Connections() == 2 })
}

func (h *house) end() {
	if h.stop == nil {
		return
	}
	if err := h.stop(); err != nil {
		h.t.Errorf("stop the service: %v", err)
	}
	h.stop = nil
	h.audit()
}

// audit looks whether the database proves itself, as it must whatever happened.
func (h *house) audit() {
	h.t.Helper()
	db, err := store.OpenReadOnly(context.Background(), store.Config{Path: h.cfg.Store.Path, Log: zerolog.Nop()})
	if err != nil {
		h.t.Errorf("open the database to audit it: %v", err)
		return
	}
	a, err := db.Audit(context.Background())
	if err = errors.Join(err, db.Close()); err != nil || !a.Whole() {
		h.t.Errorf("audit: %v, %v", a.Findings, err)
	}
}

// until waits until something can be seen in the workspace.
func (h *house) until(what string, seen func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	if err := h.world.Workspace.WaitFor(ctx, seen); err != nil {
		for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Hana) {
			h.t.Logf("in the channel: %s", m.Text)
			for _, r := range h.world.Workspace.Thread(sandbox.Requests, m.TS, sandbox.Hana) {
				h.t.Logf("    in its thread: %s %v", r.Text, r.Files)
			}
		}
		h.t.Fatalf("never seen: %s", what)
	}
}

// send posts a CSV in the requests channel.
func (h *house) send(person, text, name, content string) {
	h.t.Helper()
	_, err := h.world.Workspace.Say(h.t.Context(), person, sandbox.Requests, "", text,
		workspace.Upload{Name: name, Content: []byte(content)})
	if err != nil {
		h.t.Fatalf("%s sends %s: %v", person, name, err)
	}
}

// card finds the card of a batch.
func (h *house) card(number int) (workspace.Message, bool) {
	for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Alice) {
		if m.BotID != "" && strings.HasPrefix(m.Text, fmt.Sprintf("#%d ", number)) {
			return m, true
		}
	}
	return workspace.Message{}, false
}

// awaitButton waits until the card of the first batch has a button, and gives the card and the button's action id.
func (h *house) awaitButton(label string) (m workspace.Message, action string) {
	h.t.Helper()
	h.until(label+" on card #1", func() bool {
		var ok bool
		m, ok = h.card(1)
		action = buttons(m)[label]
		return ok && action != ""
	})
	return m, action
}

// buttons are the labels of a message's buttons with their action ids.
func buttons(m workspace.Message) map[string]string {
	var blocks []struct {
		Type     string `json:"type"`
		Elements []struct {
			Type     string          `json:"type"`
			ActionID string          `json:"action_id"`
			Text     json.RawMessage `json:"text"`
		} `json:"elements"`
	}
	out := map[string]string{}
	if json.Unmarshal(m.Blocks, &blocks) != nil {
		return out
	}
	for _, b := range blocks {
		if b.Type != "actions" {
			continue
		}
		for _, e := range b.Elements {
			var label struct {
				Text string `json:"text"`
			}
			if json.Unmarshal(e.Text, &label) == nil {
				out[label.Text] = e.ActionID
			}
		}
	}
	return out
}

// click presses a button of the first batch's card, once it is there.
func (h *house) click(person, label string) {
	h.t.Helper()
	m, action := h.awaitButton(label)
	if err := h.world.Workspace.Click(h.t.Context(), person, sandbox.Requests, m.TS, action, ""); err != nil {
		h.t.Fatalf("%s clicks %s: %v", person, label, err)
	}
}

// file waits for a file in the thread of the first batch's card and gives its rows, the header first.
func (h *house) file(name string) [][]string {
	h.t.Helper()
	var content []byte
	h.until(name, func() bool {
		m, ok := h.card(1)
		if !ok {
			return false
		}
		for _, reply := range h.world.Workspace.Thread(sandbox.Requests, m.TS, sandbox.Alice) {
			for _, f := range reply.Files {
				if f.Name == name {
					_, content, ok = h.world.Workspace.File(f.ID)
					return ok
				}
			}
		}
		return false
	})
	return h.parse(content)
}

func (h *house) parse(content []byte) [][]string {
	h.t.Helper()
	text, ok := bytes.CutPrefix(content, []byte("\uFEFF"))
	if !ok {
		h.t.Errorf("the file has no BOM")
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		h.t.Fatalf("read the file back: %v", err)
	}
	return rows
}

// column gives one column of a table by its name, without the header.
func column(t testing.TB, rows [][]string, name string) []string {
	t.Helper()
	i := slices.Index(rows[0], name)
	if i < 0 {
		t.Fatalf("no column %s in %q", name, rows[0])
	}
	var out []string
	for _, r := range rows[1:] {
		out = append(out, r[i])
	}
	return out
}

// movable are accounts of the old domain that nothing speaks against renaming.
func (h *house) movable(n int) []organisation.Account {
	h.t.Helper()
	var out []organisation.Account
	for _, a := range h.world.Organisation.Accounts() {
		moved := strings.Replace(a.Email, "@northwind.example", "@northwind-group.example", 1)
		free := !slices.ContainsFunc(h.world.Organisation.Accounts(), func(o organisation.Account) bool { return o.Email == moved })
		if moved != a.Email && free && a.Managed && !a.OrgAdmin && a.Type == "atlassian" && a.Status == "active" &&
			len(a.Locks) == 0 && len(out) < n {
			out = append(out, a)
		}
	}
	if len(out) < n {
		h.t.Fatalf("only %d of %d accounts can be renamed", len(out), n)
	}
	return out
}

func moves(accounts []organisation.Account) string {
	text := "account_id,old_email,new_email\n"
	for _, a := range accounts {
		text += fmt.Sprintf("%s,%s,%s\n", a.ID, a.Email, strings.Replace(a.Email, "@northwind.", "@northwind-group.", 1))
	}
	return text
}

// clean fails the test for anything that Slack or Atlassian would not have taken.
func (h *house) clean() {
	h.t.Helper()
	for _, v := range h.world.Workspace.Violations() {
		h.t.Errorf("Slack: %+v", v)
	}
	for _, v := range h.world.Organisation.Violations() {
		h.t.Errorf("Atlassian: %s", v)
	}
}

// The main job: a file with rows of every sort is asked for, checked, approved by a second person, run, proved and
// reported.
func TestMainJob(t *testing.T) {
	h := newHouse(t)
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
	h := newHouse(t)
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

// logged are the events of that kind in the database, as lines of JSON.
func (h *house) logged(kind string) (lines []string) {
	h.t.Helper()
	db, err := store.OpenReadOnly(context.Background(), store.Config{Path: h.cfg.Store.Path, Log: zerolog.Nop()})
	if err != nil {
		h.t.Fatal(err)
	}
	err = db.Events(context.Background(), func(line []byte) error {
		if strings.Contains(string(line), `"kind":"`+kind+`"`) {
			lines = append(lines, string(line))
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		h.t.Fatal(err)
	}
	return lines
}

// told is the last thing that was said to a person alone in the requests channel.
func (h *house) told(person string) string {
	last := ""
	for _, m := range h.world.Workspace.Messages(sandbox.Requests, person) {
		if m.Ephemeral {
			last = m.Text
		}
		for _, r := range h.world.Workspace.Thread(sandbox.Requests, m.TS, person) {
			if r.Ephemeral {
				last = r.Text
			}
		}
	}
	return last
}

// A stop in the middle of a run loses nothing, does nothing twice, and the next start goes on by itself.
func TestARestartInTheMiddle(t *testing.T) {
	h := newHouse(t)
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.world.Organisation.WaitFor(ctx, func() bool { return len(h.world.Organisation.Effects()) >= 5 }); err != nil {
		t.Fatal("the run never began")
	}
	began := time.Now()
	h.end()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
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
		if strings.HasPrefix(m.Text, "#1 ") {
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
	h := newHouse(t)
	for _, ms := range []time.Duration{0, 1, 3, 10, 30} {
		after := ms * time.Millisecond
		cfg := *h.cfg
		cfg.Store.Path = filepath.Join(t.TempDir(), "countersign.db")
		ctx, cancel := context.WithCancel(t.Context())
		if after == 0 {
			cancel()
		}
		time.AfterFunc(after, cancel)
		if err := runServe(ctx, &cfg, zerolog.New(h.log)); err != nil {
			t.Errorf("told to stop after %s: %v", after, err)
		}
	}
}

// A service that was made, and is told to end before it runs, ends without an error.
func TestAServiceToldToEndBeforeItRuns(t *testing.T) {
	h := newHouse(t)
	service, err := newService(t.Context(), h.cfg, zerolog.New(h.log))
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
	h := newHouse(t)
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
