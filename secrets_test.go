package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// leakyKey is a key that stands out, in the form that Atlassian gives them.
const leakyKey = "ATCTT3xFfGN0SECRET-that-must-not-show"

// Everything that can fail is made to fail; then the tokens are searched for in the log, in every message and file in
// Slack, in the terminal output and in the database.
func TestSecretsNeverShow(t *testing.T) {
	h := newHouse(t)
	secrets := []string{
		h.world.AppToken(), h.world.BotToken(), h.world.APIKey(), leakyKey, "ticket=",
	}
	h.begin()
	h.send(sandbox.Hana, "", "ask.csv", moves(h.movable(3)))
	h.awaitButton("Approve")
	h.world.Organisation.SetKey("another") // ours is refused from now on
	h.click(sandbox.Bob, "Approve")
	h.awaitButton("Resume")
	h.end()

	h.cfg.Atlassian.APIKey = newSecret(leakyKey) // refused, too, and on the way to a server that cuts connections
	h.world.Organisation.SetFaults(organisation.Faults{Before: organisation.On("", "", 3, organisation.Drop())})
	h.begin()
	h.send(sandbox.Hana, "deactivate", "leavers.csv", "email\n"+h.movable(4)[3].Email+"\n")
	h.until("a batch that could not be checked", func() bool {
		m, ok := h.card(2)
		return ok && strings.Contains(string(m.Blocks), "could not be checked")
	})
	var doctor bytes.Buffer
	if err := runDoctor(t.Context(), h.cfg, &doctor); err == nil {
		t.Error("doctor finds nothing wrong with a refused key")
	}
	h.world.Workspace.RevokeBotToken()
	h.world.Workspace.CutSockets()
	if err := runDoctor(t.Context(), h.cfg, &doctor); err == nil {
		t.Error("doctor finds nothing wrong with a revoked token")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	<-ctx.Done() // a moment for what fails behind the connection to be logged
	_ = h.stop() // the service may have ended by itself, for the token is gone for good
	h.stop = nil

	search := func(where, text string) {
		t.Helper()
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has the secret %q: …%s", where, secret, text[max(0, i-80):min(len(text), i+len(secret)+20)])
			}
		}
	}
	search("the log", h.log.String())
	search("doctor's output", doctor.String())
	for _, c := range h.world.Workspace.Channels() {
		for _, person := range []string{sandbox.Hana, sandbox.Alice, sandbox.Bob} {
			for _, m := range h.world.Workspace.Messages(c.ID, person) {
				search("a message", m.Text+string(m.Blocks)+string(m.Metadata))
				for _, r := range h.world.Workspace.Thread(c.ID, m.TS, person) {
					search("a reply", r.Text+string(r.Blocks)+string(r.Metadata))
					for _, f := range r.Files {
						_, content, _ := h.world.Workspace.File(f.ID)
						search(f.Name, string(content))
					}
				}
			}
		}
	}
	for _, args := range [][]string{{"audit", "export"}, {"audit", "verify"}, {"audit", "batch", "1"}, {"audit", "batch", "2"}} {
		code, out, errw := h.command(args...)
		if code != exitRight {
			t.Errorf("%v: %s", args, errw)
		}
		search(strings.Join(args, " "), out+errw)
		if args[1] == "batch" {
			for name, content := range unzip(t, []byte(out)) {
				search(name+" of the evidence", content)
			}
		}
	}
	if code, _, errw := h.command("backup", filepath.Join(filepath.Dir(h.cfg.Store.Path), "copy.db")); code != exitRight {
		t.Errorf("backup: %s", errw) // it is searched with the other files
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(h.cfg.Store.Path), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		search(filepath.Base(path), string(content))
		files++
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("looked at %d files of the database: %v", files, err)
	}
}

// doctor finds nothing wrong with the demo's settings, and says what is wrong with others.
func TestDoctor(t *testing.T) {
	h := newHouse(t)
	h.world.Workspace.SetFaults(workspace.Faults{NoLimits: true}) // doctor waits when it is told to, seven times over here
	examine := func() (string, error) {
		var out bytes.Buffer
		err := runDoctor(t.Context(), h.cfg, &out)
		return out.String(), err
	}
	if out, err := examine(); err != nil || strings.Contains(out, "wrong") {
		t.Errorf("the demo's settings: %v\n%s", err, out)
	}
	for name, tt := range map[string]struct {
		spoil func()
		want  string
	}{
		"a key with scopes": {func() { h.cfg.Atlassian.APIKey = newSecret(h.world.ScopedKey()) }, "made with scopes"},
		"a wrong key":       {func() { h.cfg.Atlassian.APIKey = newSecret("wrong") }, "atlassian.api_key: refused"},
		"no such channel":   {func() { h.cfg.Channels.Reports = "C0NOWHERE" }, "channels.reports: Slack says channel_not_found"},
		"too few admins":    {func() { h.cfg.Approval.Approvals = 5 }, "2 can approve, and 5 are needed"},
		"a rule for more than there are": {func() {
			h.cfg.Approval.Rules = []workflow.Rule{{When: workflow.When{ChangesOver: new(5)}, Approvals: 3}}
		}, "2 can approve, and a rule asks for 3"},
		"a group that Atlassian does not have": {func() { h.cfg.Protect = []string{"group:Brake-Glass"} }, "there is no group brake-glass"},
		"an emergency group that is not there": {func() { h.cfg.Emergency = "S0NOWHERE" }, "emergency.group: group S0NOWHERE: Slack says no_such_subteam"},
		"a wrong bot token":                    {func() { h.cfg.Slack.BotToken = newSecret("xoxb-wrong") }, "slack.bot_token: Slack says invalid_auth"},
		"a wrong app token":                    {func() { h.cfg.Slack.AppToken = newSecret("xapp-wrong") }, "slack.app_token: Slack says invalid_auth"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := *h.cfg
			defer func() { *h.cfg = whole }()
			tt.spoil()
			out, err := examine()
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("got %v and\n%s\nwant an error and %q", err, out, tt.want)
			}
		})
	}
}

// plan prints what the bot would find, and changes nothing.
func TestPlanCommand(t *testing.T) {
	h := newHouse(t)
	path := filepath.Join(t.TempDir(), "ask.csv")
	for _, sample := range h.world.Samples() {
		if sample.Name == "rename-with-bad-rows.csv" {
			if err := os.WriteFile(path, sample.Content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	if err := runPlan(t.Context(), h.cfg, planOptions{CSV: path}, &out); err != nil {
		t.Fatalf("plan: %v", err)
	}
	for _, want := range []string{"14 rows:", "5 ready", "SCIM", "cannot be", "not verified"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the plan does not say %q:\n%s", want, out.String())
		}
	}
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Errorf("plan changed %d accounts", n)
	}
}
