package simulation

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// says waits until the card of the first batch has all of the words.
func (h *env) says(words ...string) {
	h.t.Helper()
	h.until("card #1 saying "+strings.Join(words, ", "), func() bool {
		m, ok := h.card(1)
		return ok && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(string(m.Blocks), w) })
	})
}

// A rule asks for two approvals, a protected group's account is blocked, and two people approve.
func TestARuleAsksForTwo(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.cfg.Protect = []string{"group:break-glass", "group:nobody-made-it"}
	h.cfg.Approval.Rules = []policy.Rule{{When: policy.When{ChangesOver: new(2)}, Approvals: 2}}
	h.begin()
	file := moves(h.movable(3))
	for _, a := range h.world.Organisation.Accounts() {
		for _, g := range h.world.Organisation.Groups() {
			if g.Name == "break-glass" && slices.Contains(a.Groups, g.ID) && !strings.Contains(file, a.ID) {
				file += a.ID + "," + a.Email + "," + "x." + strings.Replace(a.Email, "@northwind.", "@northwind-group.", 1) + "\n"
			}
		}
	}
	if strings.Count(file, "\n") != 6 {
		t.Fatalf("the file is\n%s", file)
	}
	h.send(sandbox.Hana, "", "ask.csv", file)
	h.says("*Needs 2 approvals*", "2 are needed: more than 2 changes, here 3.", "2 rows will not run: 2 protected", "nobody-made-it")
	h.click(sandbox.Bob, "Approve")
	h.says("*1 of 2 approvals*: ", sandbox.Bob)
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Fatalf("%d changes were made with one of two approvals", n)
	}
	h.click(sandbox.Alice, "Approve")
	results := h.file("batch-1-results.csv")
	if diff := cmp.Diff([]string{"done", "done", "done", "blocked", "blocked"}, column(t, results, "status")); diff != "" {
		t.Errorf("status column of the results (-want +got):\n%s", diff)
	}
	h.clean()
}

// Who loses their role between their approval and the last one drops out, and a third person makes up for it.
func TestAnApproverDropsOut(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.cfg.Approval.Approvals = 2
	h.world.Workspace.AddPerson(workspace.Person{ID: "U0CLEO", Name: "cleo", RealName: "Cleo Marsh", Email: "cleo@northwind.example"})
	err := h.world.Workspace.UpdateChannel(sandbox.Requests, func(c *workspace.Channel) { c.Members = append(c.Members, "U0CLEO") })
	if err != nil {
		t.Fatal(err)
	}
	group := func(ids ...string) {
		if err := h.world.Workspace.SetGroupMembers(sandbox.Admins, ids); err != nil {
			t.Fatal(err)
		}
	}
	group(sandbox.Alice, sandbox.Bob, "U0CLEO")
	h.begin()
	h.send(sandbox.Hana, "", "ask.csv", moves(h.movable(1)))
	h.click(sandbox.Bob, "Approve")
	h.says("*1 of 2 approvals*: ", sandbox.Bob)
	group(sandbox.Alice, "U0CLEO")
	h.click(sandbox.Alice, "Approve")
	h.says("does not count any more: they may not approve now", "*1 of 2 approvals*: ")
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Fatalf("%d changes were made with one of two approvals", n)
	}
	h.click("U0CLEO", "Approve")
	h.file("batch-1-results.csv")
	h.clean()
}

// An emergency needs one approval whatever the rules say; every admin is told directly, and the card says it for ever.
func TestAnEmergency(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.world.Workspace.AddGroup(workspace.Group{ID: "S0ONCALL", Handle: "oncall", Name: "On call", Users: []string{sandbox.Bob}})
	h.cfg.Emergency.Group = "S0ONCALL"
	h.cfg.Approval.Approvals = 2
	h.begin()
	h.send(sandbox.Bob, "reason: the old domain ends tonight", "ask.csv", moves(h.movable(2)))
	h.says("*Emergency*", "*Needs 1 approval*")
	h.click(sandbox.Bob, "Approve")
	h.click(sandbox.Alice, "Approve")
	h.file("batch-1-results.csv")
	h.says("*Emergency*", "*Done*")
	for _, admin := range []string{sandbox.Alice, sandbox.Bob} {
		h.until("what "+admin+" is told directly", func() bool {
			n := 0
			for _, c := range h.world.Workspace.Channels() {
				if !strings.HasPrefix(c.ID, "D") || !slices.Contains(c.Members, admin) {
					continue
				}
				for _, m := range h.world.Workspace.Messages(c.ID, admin) {
					if strings.Contains(string(m.Blocks), "*Emergency*") && strings.Contains(string(m.Blocks), "the old domain ends tonight") {
						n++
					}
				}
			}
			return n == 1
		})
	}
	h.clean()
}

// policy says who would have to approve a file and why, and changes nothing.
func TestPolicyCommand(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.cfg.Approval.Rules = []policy.Rule{
		{When: policy.When{ChangesOver: new(2)}, Approvals: 2},
		{When: policy.When{Actions: []workflow.ActionName{workflow.Deactivate}}, Approvals: 3},
		{When: policy.When{ChangesOver24h: new(100)}, Approvals: 2},
	}
	path := filepath.Join(t.TempDir(), "ask.csv")
	file := moves(h.movable(3)) + "712020:nobody,nobody@northwind.example,nobody@northwind-group.example\n"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(as string) string {
		t.Helper()
		code, out, errw := h.command("policy", "--csv", path, "--as", as)
		if code != 0 {
			t.Fatalf("policy: exit code %d\n%s", code, errw)
		}
		return strings.ReplaceAll(out, h.cfg.Store.Path, "DB")
	}
	want := `hana (U0HANA) asks for 3 changes of 4 rows.
  blocked: no such account: line 5
Needs 2 approvals: more than 2 changes, here 3.
  rule 1 (more than 2 changes: 2): applies: more than 2 changes, here 3
  rule 2 (the action deactivate: 3): does not apply
  rule 3 (more than 100 changes by one requester in 24 hours: 2): does not apply
  warning: there is no database at DB, so nothing counts as asked for in the last 24 hours
May approve:
  alice (U0ALICE)
  bob (U0BOB)
  not dora (U0DORA): may do nothing in Slack (deactivated, a guest, or of another organisation)
`
	if diff := cmp.Diff(want, ask(sandbox.Hana)); diff != "" {
		t.Errorf("as Hana (-want +got):\n%s", diff)
	}
	for _, want := range []string{"not alice (U0ALICE): asks for it", "1 can approve, and 2 are needed"} {
		if got := ask(sandbox.Alice); !strings.Contains(got, want) {
			t.Errorf("as Alice it does not say %q:\n%s", want, got)
		}
	}
	if got := ask(sandbox.Gus); !strings.Contains(got, "U0GUS may not ask") {
		t.Errorf("as a guest:\n%s", got)
	}
	if n := len(h.world.Organisation.Effects()); n != 0 {
		t.Errorf("policy changed %d accounts", n)
	}
	h.begin() // now there is a database, in which Hana has asked for something
	h.send(sandbox.Hana, "", "before.csv", moves(h.movable(3)))
	h.awaitButton("Approve")
	h.cfg.Approval.Rules[2].When.ChangesOver24h = new(5)
	if got := ask(sandbox.Hana); !strings.Contains(got, "applies: more than 5 changes by one requester in 24 hours, here 6") {
		t.Errorf("with what was asked for before:\n%s", got)
	}
	h.clean()
}
