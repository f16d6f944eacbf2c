package simulation

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/store/sqlite"
)

// longestWait is how long a test waits for something that people would see; one that waits this long has failed. It is long,
// for the machine may have other things to do.
const longestWait = 3 * time.Minute

// env is the whole product on this machine: the sandbox, and the service as serve runs it, which can be stopped and
// started again on the same database.
type env struct {
	t     testing.TB
	world *sandbox.Sandbox
	cfg   *settings.Config
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

func newEnv(t testing.TB) *env {
	t.Helper()
	world, err := sandbox.Start(t.Context(), sandbox.Config{Addr: "127.0.0.1:0", Seed: 1})
	if err != nil {
		t.Fatalf("start the sandbox: %v", err)
	}
	h := &env{t: t, world: world, cfg: settingsFor(world, t.TempDir()), log: &journal{}}
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

// settingsFor are the settings that a person would write for that workspace and that organisation.
func settingsFor(world *sandbox.Sandbox, folder string) *settings.Config {
	cfg := settings.Default()
	cfg.Slack.AppToken, cfg.Slack.BotToken = settings.NewSecret(world.AppToken()), settings.NewSecret(world.BotToken())
	cfg.Slack.APIURL = world.SlackAPIURL()
	cfg.Atlassian.APIURL, cfg.Atlassian.OrgID = world.AtlassianURL(), world.OrgID()
	cfg.Atlassian.APIKey = settings.NewSecret(world.APIKey())
	cfg.People.Admins, cfg.People.Requesters = []string{sandbox.Admins}, []string{sandbox.Helpdesk}
	cfg.Channels.Requests, cfg.Channels.Reports = sandbox.Requests, sandbox.Reports
	cfg.Reports = []settings.Report{
		{Name: "nightly-accounts", Kind: "managed-accounts", Schedule: "0 2 * * *", Timezone: time.UTC, Keep: 400},
	}
	cfg.Store.Path = filepath.Join(folder, "countersign.db")
	cfg.Log = settings.Log{Level: "warn", Format: "text"}
	return cfg
}

// begin starts the service and waits until Slack reaches it.
func (h *env) begin() {
	h.t.Helper()
	service, err := service.New(context.Background(), h.cfg, zerolog.New(h.log))
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

func (h *env) end() {
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
func (h *env) audit() {
	h.t.Helper()
	db, err := sqlite.OpenReadOnly(context.Background(), sqlite.Config{Path: h.cfg.Store.Path, Log: zerolog.Nop()})
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
func (h *env) until(what string, seen func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), longestWait)
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
func (h *env) send(person, text, name, content string) {
	h.t.Helper()
	_, err := h.world.Workspace.Say(h.t.Context(), person, sandbox.Requests, "", text,
		workspace.Upload{Name: name, Content: []byte(content)})
	if err != nil {
		h.t.Fatalf("%s sends %s: %v", person, name, err)
	}
}

// card finds the card of a batch.
func (h *env) card(number int) (workspace.Message, bool) {
	for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Alice) {
		if m.BotID != "" && strings.Contains(m.Text, fmt.Sprintf(" #%d · ", number)) {
			return m, true
		}
	}
	return workspace.Message{}, false
}

// awaitButton waits until the card of the first batch has a button, and gives the card and the button's action id.
func (h *env) awaitButton(label string) (m workspace.Message, action string) {
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
func (h *env) click(person, label string) {
	h.t.Helper()
	m, action := h.awaitButton(label)
	if err := h.world.Workspace.Click(h.t.Context(), person, sandbox.Requests, m.TS, action, ""); err != nil {
		h.t.Fatalf("%s clicks %s: %v", person, label, err)
	}
}

// file waits for a file in the thread of the first batch's card and gives its rows, the header first.
func (h *env) file(name string) [][]string {
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

func (h *env) parse(content []byte) [][]string {
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
func (h *env) movable(n int) []organisation.Account {
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
func (h *env) clean() {
	h.t.Helper()
	for _, v := range h.world.Workspace.Violations() {
		h.t.Errorf("Slack: %+v", v)
	}
	for _, v := range h.world.Organisation.Violations() {
		h.t.Errorf("Atlassian: %s", v)
	}
}

// logged are the events of that kind in the database, as lines of JSON.
func (h *env) logged(kind string) (lines []string) {
	h.t.Helper()
	db, err := sqlite.OpenReadOnly(context.Background(), sqlite.Config{Path: h.cfg.Store.Path, Log: zerolog.Nop()})
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
func (h *env) told(person string) string {
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
