package organisation_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestInvite(t *testing.T) {
	unclaimed := organisation.Account{
		ID: "557058:here", Name: "Here", Email: "here@elsewhere.example", Hidden: true, Membership: "no_membership",
	}
	w := start(t, twoDirectories, person(1), unclaimed)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(2)
	group := w.group(organisation.Group{Name: "jira-users", Grants: []organisation.Grant{
		{Resource: jira, Role: "atlassian/user"},
	}})
	path := admin("v2", "/users/invite")
	silent := w.call(http.StatusOK, http.MethodPost, path, fields{"emails": []string{"new@example.com", unclaimed.Email}})
	id, _ := get(t, silent.body, "data", 0, "id").(string)
	if got := get(t, silent.body, "data", 1, "id"); got != unclaimed.ID {
		t.Errorf("an address with an account got id %v", got)
	}
	search := admin("v2", "/directories/-/users/search")
	found := w.call(http.StatusOK, http.MethodPost, search, fields{"emails": []string{"new@example.com", unclaimed.Email}})
	if diff := cmp.Diff([]string{unclaimed.ID, id}, names(t, found, "accountId")); diff != "" {
		t.Errorf("found after the invitation (-want +got):\n%s", diff)
	}
	if account, _ := w.Account(id); !account.Managed {
		t.Error("an account on a verified domain is not managed")
	}
	rule := []fields{{"resource": jira, "role": "atlassian/user"}}
	partial := w.call(http.StatusPartialContent, http.MethodPost, path, fields{
		"emails": []string{person(1).Email, "no address", "second@example.com", "third@example.com"}, "permissionRules": rule,
		"additionalGroups": []string{group.ID}, "sendNotification": true, "notificationText": "welcome",
	})
	states := []any{}
	for i := range 4 {
		states = append(states, get(t, partial.body, "data", i, "results", 0, "roleAssignmentResult", 0, "status"),
			get(t, partial.body, "data", i, "results", 0, "groupAssignmentResult", 0, "status"))
	}
	want := []any{"INVITED", "INVITED", "ERROR", "ERROR", "INVITED", "INVITED", "ERROR", "ERROR"} // two seats
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if reason := get(t, partial.body, "data", 3, "results", 0, "roleAssignmentResult", 0, "statusReason"); reason == nil {
		t.Error("an error has no reason")
	}
	full := w.call(http.StatusConflict, http.MethodPost, path,
		fields{"emails": []string{"x@example.com"}, "permissionRules": rule})
	if code := get(t, full.body, "errors", 0, "code"); code != "ADMIN-UAM-409-3" {
		t.Errorf("code %v of a full licence", code)
	}
	mailed := map[string]string{}
	for _, each := range w.Effects() {
		if each.Kind != "invite" {
			t.Errorf("effect %+v", each)
		}
		if mailed[each.To] = "silent"; each.Mailed {
			mailed[each.To] = each.Message
		}
	}
	if diff := cmp.Diff(map[string]string{
		"new@example.com": "silent", unclaimed.Email: "silent", person(1).Email: "welcome", "second@example.com": "welcome",
	}, mailed); diff != "" {
		t.Errorf("invited (-want +got):\n%s", diff)
	}
	w.noViolations()
}

func TestInviteIsRefused(t *testing.T) {
	w := start(t, twoDirectories, person(1))
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(0)
	synced := w.group(organisation.Group{Name: "synced", Synced: true})
	many := []string{}
	for i := range 26 {
		many = append(many, fmt.Sprintf("new%d@example.com", i))
	}
	one := many[:1]
	for _, test := range []struct {
		body fields
		want int
		code string
	}{
		{fields{"emails": many}, 400, "ADMIN-UAM-400-1"},
		{fields{"emails": []string{}}, 400, "ADMIN-UAM-400-1"},
		{fields{"emails": "x"}, 400, "ADMIN-UAM-400-1"},
		{fields{"emails": one, "permissionRules": []fields{{"resource": jira, "role": "king"}}}, 400, "ADMIN-UAM-400-3"},
		{fields{"emails": one, "permissionRules": []fields{{"resource": "x", "role": "atlassian/user"}}}, 400, "ADMIN-UAM-400-4"},
		{fields{"emails": one, "additionalGroups": []string{"none"}}, 404, "ADMIN-UAM-404-3"},
		{fields{"emails": one, "additionalGroups": []string{synced.ID}}, 403, "ADMIN-UAM-403-1"},
	} {
		answer := w.call(test.want, http.MethodPost, admin("v2", "/users/invite"), test.body)
		if code := get(t, answer.body, "errors", 0, "code"); code != test.code {
			t.Errorf("%v: code %v, want %s", test.body, code, test.code)
		}
	}
	w.SetFree(true)
	w.call(http.StatusPaymentRequired, http.MethodPost, admin("v2", "/users/invite"), fields{"emails": one})
	w.SetFree(false)
	w.SetFaults(organisation.Faults{InviteError: func(string) string { return "domain is blocked" }})
	failed := w.call(http.StatusPartialContent, http.MethodPost, admin("v2", "/users/invite"), fields{"emails": one})
	if id := get(t, failed.body, "data", 0, "id"); id != nil {
		t.Errorf("an invitation that failed has account %v", id)
	}
	w.effects()
	w.noViolations()
}
