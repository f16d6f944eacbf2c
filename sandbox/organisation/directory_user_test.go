package organisation_test

import (
	"net/http"
	"testing"

	"github.com/countersign/countersign/sandbox/organisation"
)

// user returns the path of an account in a directory.
func user(directory string, account organisation.Account, rest string) string {
	return admin("v2", "/directories/"+directory+"/users/"+account.ID+rest)
}

// twoDirectories is a configuration of start.
func twoDirectories(c *organisation.Config) { c.FirstDirectory = "dir-1" }

func TestSuspend(t *testing.T) {
	admins := person(2)
	admins.OrgAdmin = true
	w := start(t, twoDirectories, person(1), admins)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	group := w.group(organisation.Group{Name: "finance"}, person(1).ID)
	status := func(want, membership string) {
		t.Helper()
		shown := w.found("-", person(1))
		if got := get(t, shown, "status"); got != want {
			t.Errorf("status is %v, want %s", got, want)
		}
		if got := get(t, shown, "membershipStatus"); got != membership {
			t.Errorf("membershipStatus is %v, want %s", got, membership)
		}
	}
	w.call(http.StatusNoContent, http.MethodPost, user("dir-1", person(1), "/suspend"), `{}`)
	status("active", "active") // in the other directory
	w.call(http.StatusNoContent, http.MethodPost, user("dir-2", person(1), "/suspend"), `{}`)
	status("suspended", "suspended")
	w.call(http.StatusNoContent, http.MethodPost, user("dir-2", person(1), "/suspend"), `{}`)
	w.call(http.StatusNoContent, http.MethodPost, user("dir-1", person(1), "/restore"), `{}`)
	status("active", "active")
	if got, _ := w.Account(person(1).ID); len(got.Groups) != 1 || got.Groups[0] != group.ID {
		t.Errorf("groups after restore: %q", got.Groups)
	}
	w.call(http.StatusForbidden, http.MethodPost, user("dir-1", admins, "/suspend"), `{}`)
	w.call(http.StatusUnsupportedMediaType, http.MethodPost, user("dir-1", person(1), "/suspend"), nil)
	w.call(http.StatusNotFound, http.MethodPost, user("dir-3", person(1), "/suspend"), `{}`)
	w.call(http.StatusNotFound, http.MethodPost, user("-", person(1), "/suspend"), `{}`)
	w.call(http.StatusNotFound, http.MethodPost, user("dir-1", person(9), "/restore"), `{}`)
	w.effects(
		organisation.Effect{AccountID: person(1).ID, Kind: "suspend", Directory: "dir-1", From: "active", To: "suspended"},
		organisation.Effect{AccountID: person(1).ID, Kind: "suspend", Directory: "dir-2", From: "active", To: "suspended"},
		organisation.Effect{AccountID: person(1).ID, Kind: "suspend", Directory: "dir-2", From: "suspended", To: "suspended"},
		organisation.Effect{AccountID: person(1).ID, Kind: "restore", Directory: "dir-1", From: "suspended", To: "active"},
	)
}

// A suspended account costs no seat; it is restored only while one is left.
func TestRestoreNeedsASeat(t *testing.T) {
	w := start(t, twoDirectories, people(3)...)
	if err := w.AddWorkspace(organisation.Workspace{ID: jira, Name: "Jira", Seats: 1}); err != nil {
		t.Fatal(err)
	}
	group := w.group(organisation.Group{
		Name: "jira-users", Grants: []organisation.Grant{{Resource: jira, Role: "atlassian/user"}},
	}, person(1).ID)
	w.call(http.StatusNoContent, http.MethodPost, user("dir-1", person(1), "/suspend"), `{}`)
	if got, _ := w.Account(person(1).ID); got.Membership != "suspended" {
		t.Errorf("membership %q of an account whose only directory suspended it", got.Membership)
	}
	w.call(http.StatusNoContent, http.MethodPost, memberships(group, ""), member(person(2)))
	full := w.call(http.StatusBadRequest, http.MethodPost, user("dir-1", person(1), "/restore"), `{}`)
	if code := get(t, full.body, "errors", 0, "code"); code != "ADMIN-400-32" {
		t.Errorf("code %v", code)
	}
	w.call(http.StatusNoContent, http.MethodDelete, memberships(group, "/"+person(2).ID), nil)
	w.call(http.StatusNoContent, http.MethodPost, user("dir-1", person(1), "/restore"), `{}`)
	w.noViolations()
}

func TestRemove(t *testing.T) {
	outside := organisation.Account{ID: "557058:outside", Name: "Outside", Email: "outside@elsewhere.example"}
	w := start(t, twoDirectories, person(1), outside)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	if err := w.AddWorkspace(organisation.Workspace{ID: jira, DirectoryID: "dir-1"}); err != nil {
		t.Fatal(err)
	}
	w.group(organisation.Group{Name: "finance"}, person(1).ID)
	kept := w.group(organisation.Group{Name: "finance", DirectoryID: "dir-2"}, person(1).ID)
	account, _ := w.Account(person(1).ID)
	account.Roles = []organisation.Grant{{Resource: jira, Role: "atlassian/user"}}
	if err := w.Put(account); err != nil {
		t.Fatal(err)
	}
	w.call(http.StatusNoContent, http.MethodDelete, user("dir-1", person(1), ""), nil)
	w.call(http.StatusNotFound, http.MethodDelete, user("dir-1", person(1), ""), nil)
	if got, _ := w.Account(person(1).ID); len(got.Groups) != 1 || got.Groups[0] != kept.ID || len(got.Roles) != 0 {
		t.Errorf("left are groups %q and roles %v", got.Groups, got.Roles)
	}
	if w.found("dir-1", person(1)) != nil || w.found("dir-2", person(1)) == nil {
		t.Error("the account is not found in its other directory alone")
	}
	w.call(http.StatusNotFound, http.MethodGet, user("dir-1", person(1), ""), nil)
	// Out of the last directory a managed account stays in the list, and any other is gone.
	w.call(http.StatusNoContent, http.MethodDelete, user("dir-2", person(1), ""), nil)
	shown := w.found("-", person(1))
	if got := get(t, shown, "status"); got != "not_invited" {
		t.Errorf("status is %v", got)
	}
	if got := get(t, shown, "membershipStatus"); got != "no_membership" {
		t.Errorf("membershipStatus is %v", got)
	}
	w.call(http.StatusNoContent, http.MethodDelete, user("dir-1", outside, ""), nil)
	w.call(http.StatusNoContent, http.MethodDelete, user("dir-2", outside, ""), nil)
	if w.found("-", outside) != nil {
		t.Error("an account that nobody manages is still listed")
	}
	w.call(http.StatusBadRequest, http.MethodPost, admin("v2", "/directories/-/users/search"), fields{"emails": []string{}})
	w.noViolations()
}

// A key with scopes reads, and none of its scopes lets it write.
func TestScopedKeyMayNotWrite(t *testing.T) {
	w := start(t, twoDirectories, people(2)...)
	group := w.group(organisation.Group{Name: "finance"}, person(1).ID)
	w.key = scopedKey
	w.call(http.StatusOK, http.MethodPost, admin("v2", "/directories/dir-1/users/search"), `{}`)
	for _, each := range []struct{ method, path, body string }{
		{http.MethodPost, memberships(group, ""), `{"accountId":"` + person(0).ID + `"}`},
		{http.MethodDelete, memberships(group, "/"+person(1).ID), ""},
		{http.MethodPost, user("dir-1", person(1), "/suspend"), `{}`},
		{http.MethodPost, user("dir-1", person(1), "/restore"), `{}`},
		{http.MethodDelete, user("dir-1", person(1), ""), ""},
	} {
		var body any
		if each.body != "" {
			body = each.body
		}
		answer := w.call(http.StatusUnauthorized, each.method, each.path, body)
		if code := get(t, answer.body, "errors", 0, "code"); code != "ADMIN-401-2" {
			t.Errorf("%s %s: code %v", each.method, each.path, code)
		}
	}
	w.effects()
}
