package simulation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
)

// doctor, policy and the click agree on who can approve: nobody counts whom every click refuses, and one human counts once.
func TestWhoCanApproveIsOneAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  func(*env)
		person  func(*workspace.Person) // of Bob
		refused string                  // what Bob is told, "" when he can approve
		doctor  []string
		policy  string
	}{
		"as they are": {doctor: []string{"people.admins: 2 can approve"}, policy: "\n  bob (U0BOB)"},
		"has authorized the app": {
			person: func(p *workspace.Person) { p.IsAppUser = true }, doctor: []string{"people.admins: 2 can approve"}, policy: "\n  bob (U0BOB)",
		},
		"no address": {
			person: func(p *workspace.Person) { p.Email = "" }, refused: "Slack does not show me your email address",
			doctor: []string{"bob (U0BOB) shows no address", "people.admins: 1 can approve"}, policy: "not bob (U0BOB): their address in Slack cannot be read",
		},
		"a guest": {
			person: func(p *workspace.Person) { p.IsRestricted = true }, refused: "You are a guest",
			doctor: []string{"bob (U0BOB) is a guest", "people.admins: 1 can approve"}, policy: "not bob (U0BOB): may do nothing in Slack",
		},
		"a stranger": {
			person: func(p *workspace.Person) { p.IsStranger = true }, refused: "You belong to another organisation",
			doctor: []string{"bob (U0BOB) belongs to another organisation", "people.admins: 1 can approve"}, policy: "not bob (U0BOB): may do nothing in Slack",
		},
		"a workflow": {
			person: func(p *workspace.Person) { p.IsWorkflowBot = true }, refused: "from people only",
			doctor: []string{"bob (U0BOB) is a bot or an app", "people.admins: 1 can approve"}, policy: "not bob (U0BOB): may do nothing in Slack",
		},
		"one human with Alice": {
			change: func(h *env) {
				h.cfg.People.Accounts = map[string]string{sandbox.Alice: "712020:x", sandbox.Bob: "712020:x"}
			},
			doctor: []string{"are one person", "people.admins: 1 can approve"}, policy: "not bob (U0BOB): is somebody named above",
		},
		"one human with Hana": {
			change: func(h *env) {
				h.cfg.People.Accounts = map[string]string{sandbox.Hana: "712020:x", sandbox.Bob: "712020:x"}
			},
			refused: "the same address or Atlassian account", doctor: []string{"people.admins: 2 can approve"}, policy: "not bob (U0BOB): is who asks",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newEnv(t)
			h.world.Workspace.SetFaults(workspace.Faults{NoLimits: true})
			if tt.change != nil {
				tt.change(h)
			}
			if tt.person != nil {
				if err := h.world.Workspace.UpdatePerson(sandbox.Bob, tt.person); err != nil {
					t.Fatal(err)
				}
			}
			_, said, errw := h.command("doctor")
			for _, want := range tt.doctor {
				if !strings.Contains(said, want) {
					t.Errorf("doctor does not say %q:\n%s%s", want, said, errw)
				}
			}
			file := moves(h.movable(1))
			path := filepath.Join(t.TempDir(), "ask.csv")
			if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, said, errw = h.command("policy", "--csv", path, "--as", sandbox.Hana); !strings.Contains(said, tt.policy) {
				t.Errorf("policy does not say %q:\n%s%s", tt.policy, said, errw)
			}
			h.begin()
			h.send(sandbox.Hana, "", "ask.csv", file)
			h.click(sandbox.Bob, "Approve")
			if tt.refused == "" {
				h.file("batch-1-results.csv")
				return
			}
			h.until("Bob is refused", func() bool {
				for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Bob) {
					if m.Ephemeral && strings.Contains(m.Text+string(m.Blocks), tt.refused) {
						return true
					}
				}
				return false
			})
		})
	}
}
