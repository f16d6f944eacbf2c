package organisation_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/sandbox/organisation"
)

const jira = "ari:cloud:jira-software::site/1"

// memberships returns the path of a group's members.
func memberships(group organisation.Group, rest string) string {
	return admin("v2", "/directories/"+group.DirectoryID+"/groups/"+group.ID+"/memberships"+rest)
}

func member(account organisation.Account) fields { return fields{"accountId": account.ID} }

// effects compares what was carried out, without the times.
func (w *world) effects(want ...organisation.Effect) {
	w.t.Helper()
	got := w.Effects()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(organisation.Effect{}, "At")); diff != "" {
		w.t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func TestGroupMembership(t *testing.T) {
	w := start(t, nil, people(3)...)
	group := w.group(organisation.Group{Name: "finance"}, person(1).ID)
	search := admin("v2", "/directories/"+group.DirectoryID+"/users/search")
	found := func(account organisation.Account) int {
		page := w.call(http.StatusOK, http.MethodPost, search, fields{
			"accountIds": []string{account.ID}, "groupIds": []string{group.ID},
		})
		return len(get(t, page.body, "data").([]any))
	}
	w.call(http.StatusNoContent, http.MethodPost, memberships(group, ""), member(person(2)))
	if n := found(person(2)); n != 1 {
		t.Errorf("a search of the group finds %d accounts after joining", n)
	}
	w.call(http.StatusNoContent, http.MethodDelete, memberships(group, "/"+person(1).ID), nil)
	if n := found(person(1)); n != 0 {
		t.Errorf("a search of the group finds %d accounts after leaving", n)
	}
	w.call(http.StatusConflict, http.MethodPost, memberships(group, ""), member(person(2)))
	w.call(http.StatusNotFound, http.MethodDelete, memberships(group, "/"+person(1).ID), nil)
	w.effects(
		organisation.Effect{AccountID: person(2).ID, Kind: "group-add", To: group.ID},
		organisation.Effect{AccountID: person(1).ID, Kind: "group-remove", From: group.ID},
	)
	w.noViolations()
}

func TestMembershipIsRefused(t *testing.T) {
	app := person(3)
	app.Type = "app"
	elsewhere := person(4)
	elsewhere.Memberships = map[string]string{"dir-1": "no_membership"}
	w := start(t, func(c *organisation.Config) { c.FirstDirectory = "dir-1" }, append(people(3), app, elsewhere)...)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	plain := w.group(organisation.Group{Name: "finance"}, person(1).ID)
	other := w.group(organisation.Group{Name: "finance", DirectoryID: "dir-2"})
	gone := plain
	gone.ID = "gone"
	everywhere := plain
	everywhere.DirectoryID = "-"
	for _, test := range []struct {
		name  string
		group organisation.Group
		body  any
		code  string
		want  int
	}{
		{"synced", w.group(organisation.Group{Name: "synced", Synced: true}, person(1).ID), nil, "ADMIN-403-5", 403},
		{"unmodifiable", w.group(organisation.Group{Name: "fixed", Unmodifiable: true}, person(1).ID), nil, "ADMIN-403-5", 403},
		{"org admins", w.group(organisation.Group{Name: "org-admins", OrgAdmins: true}, person(1).ID), nil, "ADMIN-403-7", 403},
		{"no such group", gone, nil, "ADMIN-404-10", 404},
		{"in another directory", organisation.Group{ID: other.ID, DirectoryID: "dir-1"}, nil, "ADMIN-404-10", 404},
		{"all directories", everywhere, nil, "ADMIN-404-1", 404},
		{"no such account", plain, fields{"accountId": "nobody"}, "ADMIN-404-8", 404},
		{"an app", plain, member(app), "ADMIN-404-8", 404},
		{"not in this directory", plain, member(elsewhere), "ADMIN-404-8", 404},
		{"no account", plain, fields{}, "ADMIN-400-24", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.t = t
			body := test.body
			if body == nil {
				body = member(person(2))
			}
			answer := w.call(test.want, http.MethodPost, memberships(test.group, ""), body)
			if code := get(t, answer.body, "errors", 0, "code"); code != test.code {
				t.Errorf("code %v, want %s", code, test.code)
			}
			if test.body == nil {
				answer = w.call(test.want, http.MethodDelete, memberships(test.group, "/"+person(1).ID), nil)
				if code := get(t, answer.body, "errors", 0, "code"); code != test.code {
					t.Errorf("code of DELETE %v, want %s", code, test.code)
				}
			}
		})
	}
	w.effects()
}

// A group whose app has no seat left and a member already are one answer, which only a reading
// tells apart.
func TestLicenceIsFull(t *testing.T) {
	w := start(t, nil, people(5)...)
	if err := w.AddWorkspace(organisation.Workspace{ID: jira, Name: "Jira", Seats: 2}); err != nil {
		t.Fatal(err)
	}
	users := []organisation.Grant{{Resource: jira, Role: "atlassian/user"}}
	first := w.group(organisation.Group{Name: "jira-users", Grants: users}, person(1).ID)
	second := w.group(organisation.Group{Name: "jira-admins", Grants: users})
	guests := w.group(organisation.Group{
		Name: "portal", Grants: []organisation.Grant{{Resource: jira, Role: "atlassian/customer"}},
	})
	w.call(http.StatusNoContent, http.MethodPost, memberships(first, ""), member(person(2)))
	already := w.call(http.StatusConflict, http.MethodPost, memberships(first, ""), member(person(2)))
	full := w.call(http.StatusConflict, http.MethodPost, memberships(first, ""), member(person(3)))
	for _, name := range []string{"code", "title", "detail"} {
		if a, b := get(t, already.body, "errors", 0, name), get(t, full.body, "errors", 0, name); a != b {
			t.Errorf("%s tells them apart: %v and %v", name, a, b)
		}
	}
	w.call(http.StatusNoContent, http.MethodPost, memberships(second, ""), member(person(2))) // has a seat
	w.call(http.StatusNoContent, http.MethodPost, memberships(guests, ""), member(person(3))) // needs none
	w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/disable"), `{}`)
	w.call(http.StatusNoContent, http.MethodPost, memberships(first, ""), member(person(3))) // the seat of person 1
}
