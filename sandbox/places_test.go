package sandbox_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
)

// The seed has a group of each kind, and one name in two directories.
func TestSeedHasGroupsOfEveryKind(t *testing.T) {
	box := start(t, sandbox.Config{})
	names := map[string]int{}
	kinds := map[string]func(organisation.Group) bool{
		"synced":       func(g organisation.Group) bool { return g.Synced },
		"unmodifiable": func(g organisation.Group) bool { return g.Unmodifiable },
		"org admins":   func(g organisation.Group) bool { return g.OrgAdmins },
		"default":      func(g organisation.Group) bool { return g.Default },
		"gives access": func(g organisation.Group) bool { return len(g.Grants) > 0 },
		"plain": func(g organisation.Group) bool {
			return !g.Synced && !g.Unmodifiable && !g.OrgAdmins && !g.Default && len(g.Grants) == 0
		},
	}
	members := map[string]int{}
	for _, account := range box.Organisation.Accounts() {
		for _, id := range account.Groups {
			members[id]++
		}
	}
	for _, group := range box.Organisation.Groups() {
		names[group.Name]++
		for kind, is := range kinds {
			if is(group) && members[group.ID] > 0 {
				delete(kinds, kind)
			}
		}
	}
	for kind := range kinds {
		t.Errorf("no group with members is of the kind %s", kind)
	}
	if names["contractors"] != 2 {
		t.Errorf("%d groups are called contractors, want one in each directory", names["contractors"])
	}
}

func TestSeedHasEveryPlace(t *testing.T) {
	box := start(t, sandbox.Config{})
	directories := box.Organisation.Directories()
	if len(directories) != 2 {
		t.Fatalf("directories %+v", directories)
	}
	inSecond, owners := 0, 0
	for _, account := range box.Organisation.Accounts() {
		if account.Memberships[directories[1].ID] != "no_membership" {
			inSecond++
		}
		if len(account.Tokens) == 2 {
			owners++
		}
	}
	if inSecond != 1 || owners != 40 {
		t.Errorf("%d accounts are in the second directory and %d have tokens, want 1 and 40", inSecond, owners)
	}
	for _, sample := range box.Samples() {
		if sample.Name != "leavers.csv" {
			continue
		}
		for line := range strings.Lines(string(sample.Content)) {
			holder, known := box.Organisation.Holder(strings.Split(line, ",")[1])
			if known && len(holder.Tokens) == 0 {
				t.Errorf("the leaver %s has no tokens", holder.Email)
			}
		}
	}
	path := "/atlassian/admin/v2/orgs/" + box.OrgID() + "/directories/" + directories[0].ID + "/groups/"
	for _, group := range box.Organisation.Groups() {
		if group.Name != "bitbucket-users" {
			continue
		}
		i := slices.IndexFunc(box.Organisation.Accounts(), func(a organisation.Account) bool {
			return !slices.Contains(a.Groups, group.ID) && a.Managed && a.Type == "atlassian"
		})
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, box.URL+path+group.ID+"/memberships",
			strings.NewReader(`{"accountId":"`+box.Organisation.Accounts()[i].ID+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+box.APIKey())
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusConflict {
			t.Errorf("a member of the full group: status %d, want 409", response.StatusCode)
		}
	}
	if found := slices.Concat(box.Organisation.Violations(), box.SCIM.Violations(), box.Site.Violations()); len(found) > 0 {
		t.Errorf("violations %q", found)
	}
}

// Jira shows an account as the organisation has it.
func TestSiteFollowsTheOrganisation(t *testing.T) {
	box := start(t, sandbox.Config{})
	var id string
	for _, account := range box.Organisation.Accounts() {
		if user, known := box.Site.User(account.ID); known && !user.Inactive {
			id = account.ID
			break
		}
	}
	err := box.Organisation.Edit(id, func(a *organisation.Account) {
		a.Email, a.Status = "moved@northwind.example", "inactive"
	})
	if err != nil {
		t.Fatal(err)
	}
	if user, _ := box.Site.User(id); user.Email != "moved@northwind.example" || !user.Inactive {
		t.Errorf("the site shows %+v", user)
	}
	if err := box.Organisation.Edit(id, func(a *organisation.Account) { a.Status = "active" }); err != nil {
		t.Fatal(err)
	}
	if user, _ := box.Site.User(id); user.Inactive {
		t.Error("the user is still inactive on the site")
	}
}
