package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
)

// process is the program as it is deployed: `countersign serve` in a process of its own, on the settings file that a person
// would have written for the house.
type process struct {
	cmd   *exec.Cmd
	ended chan error // gets how it ended, once
}

// launch starts the program. It does not wait until it is ready.
func (h *house) launch() *process {
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
func (h *house) reached() {
	h.t.Helper()
	h.until("the bot's two connections", func() bool { return h.world.Workspace.Connections() == 2 })
}

// kill ends the process as a power cut does: it learns nothing of it.
func (h *house) kill(p *process) {
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

// settingsOf spells the settings in which the tests' houses differ from the defaults.
func settingsOf(c *Config) string {
	quoted := func(list []string) string { return "[" + strings.Join(list, ", ") + "]" }
	return fmt.Sprintf(`
slack: {app_token: "${SLACK_APP_TOKEN}", bot_token: "${SLACK_BOT_TOKEN}", api_url: %q}
atlassian: {api_url: %q, org_id: %q, api_key: "${ATLASSIAN_API_KEY}"}
people: {admins: %s, requesters: %s}
channels: {requests: %s, reports: %s}
approval: {expires_after: %s}
limits: {max_changes: %d}
run: {workers: %d, canary: %d}
store: {path: %q}
log: {level: %s, format: %s}
`, c.Slack.APIURL, c.Atlassian.APIURL, c.Atlassian.OrgID, quoted(c.People.Admins), quoted(c.People.Requesters),
		c.Channels.Requests, c.Channels.Reports, c.Approval.ExpiresAfter, c.Limits.MaxChanges, c.Run.Workers, c.Run.Canary,
		c.Store.Path, c.Log.Level, c.Log.Format)
}

// employ adds n accounts to the organisation that nothing speaks against renaming, and gives a CSV that does.
func (h *house) employ(n int) (ids []string, file string) {
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
func (h *house) posts() map[string]int {
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
