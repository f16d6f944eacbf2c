package simulation

import (
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
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow/policy"
)

// leakyKey is a key that stands out, in the form that Atlassian gives them.
const leakyKey = "ATCTT3xFfGN0SECRET-that-must-not-show"

// Everything that can fail is made to fail; then the tokens are searched for in the log, in every message and file in
// Slack, in the terminal output and in the database.
func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
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

	h.cfg.Atlassian.APIKey = settings.NewSecret(leakyKey) // refused, too, and on the way to a server that cuts connections
	h.world.Organisation.SetFaults(organisation.Faults{Before: organisation.On("", "", 3, organisation.Drop())})
	h.begin()
	h.send(sandbox.Hana, "deactivate", "leavers.csv", "email\n"+h.movable(4)[3].Email+"\n")
	h.until("a batch that could not be checked", func() bool {
		m, ok := h.card(2)
		return ok && strings.Contains(string(m.Blocks), "could not be checked")
	})
	code, doctor, errw := h.command("doctor")
	if code != 1 {
		t.Errorf("doctor ends with %d for a refused key", code)
	}
	h.world.Workspace.RevokeBotToken()
	h.world.Workspace.CutSockets()
	code, again, moreErrw := h.command("doctor")
	if code != 1 {
		t.Errorf("doctor ends with %d for a revoked token", code)
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
	search("doctor's output", doctor+errw+again+moreErrw)
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
		if code != 0 {
			t.Errorf("%v: %s", args, errw)
		}
		search(strings.Join(args, " "), out+errw)
		if args[1] == "batch" {
			for name, content := range unzip(t, []byte(out)) {
				search(name+" of the evidence", content)
			}
		}
	}
	if code, _, errw := h.command("backup", filepath.Join(filepath.Dir(h.cfg.Store.Path), "copy.db")); code != 0 {
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
	t.Parallel()
	h := newEnv(t)
	h.world.Workspace.SetFaults(workspace.Faults{NoLimits: true}) // doctor waits when it is told to, seven times over here
	examine := func() (code int, said string) {
		code, out, errw := h.command("doctor")
		return code, out + errw
	}
	if code, said := examine(); code != 0 || strings.Contains(said, "wrong") {
		t.Errorf("the demo's settings: exit code %d\n%s", code, said)
	}
	for name, tt := range map[string]struct {
		spoil func()
		want  string
	}{
		"a key with scopes": {func() { h.cfg.Atlassian.APIKey = settings.NewSecret(h.world.ScopedKey()) }, "made with scopes"},
		"a wrong key":       {func() { h.cfg.Atlassian.APIKey = settings.NewSecret("wrong") }, "atlassian.api_key: refused"},
		"no such channel":   {func() { h.cfg.Channels.Reports = "C0NOWHERE" }, "channels.reports: Slack says channel_not_found"},
		"too few admins":    {func() { h.cfg.Approval.Approvals = 5 }, "2 can approve, and 5 are needed"},
		"a rule for more than there are": {func() {
			h.cfg.Approval.Rules = []policy.Rule{{When: policy.When{ChangesOver: new(5)}, Approvals: 3}}
		}, "2 can approve, and a rule asks for 3"},
		"a group that Atlassian does not have": {func() { h.cfg.Protect = []string{"group:Brake-Glass"} }, "there is no group brake-glass"},
		"an emergency group that is not there": {func() { h.cfg.Emergency.Group = "S0NOWHERE" }, "emergency.group: group S0NOWHERE: Slack says no_such_subteam"},
		"a wrong bot token":                    {func() { h.cfg.Slack.BotToken = settings.NewSecret("xoxb-wrong") }, "slack.bot_token: Slack says invalid_auth"},
		"a wrong app token":                    {func() { h.cfg.Slack.AppToken = settings.NewSecret("xapp-wrong") }, "slack.app_token: Slack says invalid_auth"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := *h.cfg
			defer func() { *h.cfg = whole }()
			tt.spoil()
			code, said := examine()
			if code != 1 || !strings.Contains(said, tt.want) {
				t.Errorf("exit code %d and\n%s\nwant 1 and %q", code, said, tt.want)
			}
		})
	}
}

// plan prints what the bot would find, and changes nothing.
func TestPlanCommand(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	path := filepath.Join(t.TempDir(), "ask.csv")
	for _, sample := range h.world.Samples() {
		if sample.Name == "rename-with-bad-rows.csv" {
			if err := os.WriteFile(path, sample.Content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	code, out, errw := h.command("plan", "--csv", path)
	if code != 1 || !strings.Contains(errw, "7 rows will not run") {
		t.Fatalf("plan: exit code %d\n%s", code, errw)
	}
	for _, want := range []string{"14 rows:", "5 ready", "SCIM", "cannot be", "not verified"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Errorf("plan changed %d accounts", n)
	}
}
