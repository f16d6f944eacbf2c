package simulation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/countersign/countersign/cli"
	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/settings"
)

// process is the program as it is deployed: `countersign serve` in a process of its own, on the settings file that a person
// would have written for the env.
type process struct {
	cmd   *exec.Cmd
	ended chan error // gets how it ended, once
}

// launch starts the program. It does not wait until it is ready.
func (h *env) launch() *process {
	h.t.Helper()
	path := filepath.Join(filepath.Dir(h.cfg.Store.Path), "countersign.yaml")
	if err := os.WriteFile(path, []byte(settingsOf(h.cfg)), 0o600); err != nil {
		h.t.Fatalf("write the settings: %v", err)
	}
	// TestMain has put this test binary under the program's name on the PATH.
	name := cmp.Or(h.program, "countersign")
	cmd := exec.CommandContext(context.Background(), name, "serve", "--config", path) // h.end ends it, not the test's context
	cmd.Env = append(os.Environ(),
		"SLACK_APP_TOKEN="+h.world.AppToken(), "SLACK_BOT_TOKEN="+h.world.BotToken(), "ATLASSIAN_API_KEY="+h.world.APIKey())
	cmd.Stdout, cmd.Stderr = h.log, h.log
	if err := cmd.Start(); err != nil {
		h.t.Fatalf("start the program: %v", err)
	}
	p := &process{cmd: cmd, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	h.stop = p.stop
	return p
}

// reached waits until Slack reaches the process.
func (h *env) reached() {
	h.t.Helper()
	h.until("the bot's two connections", func() bool { return h.world.Workspace.Connections() == 2 })
}

// kill ends the process as a power cut does: it learns nothing of it.
func (h *env) kill(p *process) {
	h.t.Helper()
	h.stop = nil
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		h.t.Fatalf("kill the program: %v", err)
	}
	err := <-p.ended
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || !killed(exit) {
		h.t.Fatalf("the program ended by itself: %v", err)
	}
}

func killed(exit *exec.ExitError) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// stop asks the process to end, and gives an error unless it ends with 0.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return <-p.ended
}

// command runs a command of the program in this process, as a person would, on the env's settings.
func (h *env) command(args ...string) (code int, out, errw string) {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "config.yaml")
	secrets := map[string]string{
		"SLACK_APP_TOKEN":   h.cfg.Slack.AppToken.Reveal(),
		"SLACK_BOT_TOKEN":   h.cfg.Slack.BotToken.Reveal(),
		"ATLASSIAN_API_KEY": h.cfg.Atlassian.APIKey.Reveal(),
	}
	text := os.Expand(settingsOf(h.cfg), func(name string) string { return secrets[name] })
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = cli.Run(append(args, "--config", file), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// settingsOf spells the settings in which the tests' environments differ from the defaults.
func settingsOf(c *settings.Config) string {
	quoted := func(list []string) string {
		out := make([]string, len(list))
		for i, each := range list {
			out[i] = strconv.Quote(each)
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	var rules strings.Builder
	for _, r := range c.Approval.Rules {
		fmt.Fprintf(&rules, "\n    - {approvals: %d, when: {", r.Approvals)
		if n := r.When.ChangesOver; n != nil {
			fmt.Fprintf(&rules, "changes_over: %d, ", *n)
		}
		if n := r.When.ChangesOver24h; n != nil {
			fmt.Fprintf(&rules, "changes_over_24h: %d, ", *n)
		}
		for _, action := range r.When.Actions {
			fmt.Fprintf(&rules, "actions: [%s], ", action)
		}
		rules.WriteString("}}")
	}
	var accounts []string
	for person, id := range c.People.Accounts {
		accounts = append(accounts, fmt.Sprintf("%s: %q", person, id))
	}
	return fmt.Sprintf(`
slack: {app_token: "${SLACK_APP_TOKEN}", bot_token: "${SLACK_BOT_TOKEN}", api_url: %q}
atlassian: {api_url: %q, org_id: %q, api_key: "${ATLASSIAN_API_KEY}"}
people: {admins: %s, requesters: %s, accounts: {%s}}
channels: {requests: %s, reports: %s}
approval:
  approvals: %d
  expires_after: %s
  rules: %s
protect: %s
emergency: {group: %q}
limits: {max_changes: %d}
run: {workers: %d, canary: %d}
store: {path: %q}
log: {level: %s, format: %s}
`, c.Slack.APIURL, c.Atlassian.APIURL, c.Atlassian.OrgID, quoted(c.People.Admins), quoted(c.People.Requesters), strings.Join(accounts, ", "),
		c.Channels.Requests, c.Channels.Reports, c.Approval.Approvals, c.Approval.ExpiresAfter,
		cmp.Or(rules.String(), "[]"), quoted(c.Protect), c.Emergency.Group, c.Limits.MaxChanges, c.Run.Workers, c.Run.Canary,
		c.Store.Path, c.Log.Level, c.Log.Format)
}

// employ adds n accounts to the organisation that nothing speaks against renaming, and gives a CSV that does.
func (h *env) employ(n int) (ids []string, file string) {
	h.t.Helper()
	var text strings.Builder
	text.WriteString("account_id,old_email,new_email\n")
	for i := range n {
		a := organisation.Account{
			ID: fmt.Sprintf("712020:%08d", i), Name: fmt.Sprintf("Employee %d", i),
			Email: fmt.Sprintf("employee.%d@northwind.example", i), Managed: true,
		}
		if err := h.world.Organisation.Put(a); err != nil {
			h.t.Fatal(err)
		}
		ids = append(ids, a.ID)
		fmt.Fprintf(&text, "%s,%s,employee.%d@northwind-group.example\n", a.ID, a.Email, i)
	}
	return ids, text.String()
}

// posts counts what the bot has posted in the requests channel and its threads, by the keys under which it knows them.
func (h *env) posts() map[string]int {
	count := map[string]int{}
	for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Alice) {
		for _, r := range h.world.Workspace.Thread(sandbox.Requests, m.TS, sandbox.Alice) {
			if key := keyOf(r.Metadata); key != "" {
				count[key]++
			}
			for _, f := range r.Files {
				count[f.Name]++
			}
		}
	}
	return count
}
