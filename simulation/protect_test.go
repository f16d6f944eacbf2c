package simulation

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
)

// doctor counts whom each entry of protect covers today, by what refuses a row, and names the entries that cover nobody.
func TestDoctorCountsWhomProtectCovers(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.world.Workspace.SetFaults(workspace.Faults{NoLimits: true})
	const domain = "münchen.example"
	for i, address := range []string{"Ann@MÜNCHEN.example", "ben@xn--mnchen-3ya.example", "eve@other.example"} {
		a := organisation.Account{ID: "557058:covered-" + string(rune('a'+i)), Name: "Covered", Email: address, Managed: true, Status: "active"}
		if err := h.world.Organisation.Put(a); err != nil {
			t.Fatal(err)
		}
	}
	for name, members := range map[string][]string{
		"Crown Jewels": {"557058:covered-a", "557058:covered-c"}, "nobody-yet": nil,
	} {
		group, err := h.world.Organisation.AddGroup(organisation.Group{Name: name})
		if err == nil && len(members) > 0 {
			err = h.world.Organisation.Join(group.ID, members...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h.cfg.Protect = []string{
		"EVE@other.example", "eve@othre.example", "557058:covered-b", "557058:gone", "@" + domain, "@nowhere.example",
		"group:crown jewels", "group:nobody-yet",
	}
	h.cfg.People.Accounts = map[string]string{"U0BOB": "557058:covered-a", "U0DORA": "557058:nobody-1"}
	code, out, errw := h.command("doctor")
	if code != 0 {
		t.Errorf("doctor ends with %d: %s", code, errw)
	}
	for _, want := range []string{
		"ok    protect: EVE@other.example covers 1 account\n",
		"warn  protect: eve@othre.example covers nobody today: ",
		"ok    protect: 557058:covered-b covers 1 account\n",
		"warn  protect: 557058:gone covers nobody today: ",
		"ok    protect: @" + domain + " covers 2 accounts\n",
		"warn  protect: @nowhere.example covers nobody today: ",
		"ok    protect: group:crown jewels covers 2 accounts\n",
		"warn  protect: group:nobody-yet covers nobody today: ",
		"ok    people.accounts: 1 account found\n",
		"warn  people.accounts: Atlassian shows no account 557058:nobody-1, so that nothing is known to be U0DORA's own by it",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
