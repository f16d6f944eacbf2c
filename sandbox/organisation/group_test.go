package organisation_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

// group adds a group with members.
func (w *world) group(added organisation.Group, members ...string) organisation.Group {
	w.t.Helper()
	added, err := w.AddGroup(added)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Join(added.ID, members...); err != nil {
		w.t.Fatal(err)
	}
	return added
}

// groups reads all pages of a search for groups and returns the names in order.
func (w *world) groups(path string, request fields) []string {
	w.t.Helper()
	names := []string{}
	for {
		page := w.call(http.StatusOK, http.MethodPost, path, request)
		for _, each := range get(w.t, page.body, "data").([]any) {
			names = append(names, get(w.t, each, "name").(string))
		}
		token, more := get(w.t, page.body, "links", "next").(string)
		if !more {
			return names
		}
		request = fields{"cursor": token}
	}
}

func TestSearchGroups(t *testing.T) {
	w := start(t, nil, people(4)...)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.group(organisation.Group{ID: "g-break", Name: "Break-Glass"}, person(1).ID, person(2).ID)
	w.group(organisation.Group{ID: "g-jira", Name: "jira-users", Synced: true}, person(1).ID)
	w.group(organisation.Group{ID: "g-other", Name: "jira-users", DirectoryID: "dir-2"})
	w.group(organisation.Group{ID: "g-empty", Name: "nobody"})
	all := admin("v2", "/directories/-/groups/search")
	second := admin("v2", "/directories/dir-2/groups/search")
	names := func(values ...string) fields { return fields{"groupNames": values} }
	for _, test := range []struct {
		name, path string
		request    fields
		want       []string
	}{
		{"all", all, fields{}, []string{"Break-Glass", "jira-users", "jira-users", "nobody"}},
		{"all, one by one", all, fields{"limit": 1}, []string{"Break-Glass", "jira-users", "jira-users", "nobody"}},
		{"names in any case", all, names("break-GLASS", "Nobody"), []string{"Break-Glass", "nobody"}},
		{"names match whole", all, names("break", " nobody", ""), []string{}},
		{"one name in two directories", all, names("JIRA-users"), []string{"jira-users", "jira-users"}},
		{"one directory", second, fields{}, []string{"jira-users"}},
		{"one directory as a filter", all, fields{"directoryIds": []string{"dir-2"}}, []string{"jira-users"}},
		{"words", all, fields{"searchTerm": "GLASS"}, []string{"Break-Glass"}},
		{"ids", all, fields{"groupIds": []string{"g-empty", "none"}}, []string{"nobody"}},
		{"members", all, fields{"accountIds": []string{person(2).ID}}, []string{"Break-Glass"}},
		{"members that are not there", all, fields{"accountIds": []string{"x"}}, []string{}},
		{"roles, which none has", all, fields{"roleIds": []string{"atlassian/org-admin"}}, []string{}},
		{
			"sorted", all,
			fields{"limit": 3, "sortBy": []fields{{"field": "name", "direction": "desc"}}},
			[]string{"nobody", "jira-users", "jira-users", "Break-Glass"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, w.groups(test.path, test.request)); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
	got := w.call(http.StatusOK, http.MethodPost, all, fields{
		"groupIds": []string{"g-jira"}, "expand": []string{"counts.users", "counts.resources"},
	})
	shown := maps.Clone(get(t, got.body, "data", 0).(map[string]any))
	delete(shown, "links")
	want := map[string]any{
		"id": "g-jira", "name": "jira-users", "directoryId": w.Directories()[0].ID, "externalSynced": true,
		"managedBy": "external", "counts": fields{"users": 1.0, "resources": 0.0},
		"managementAccess": fields{"deletable": false, "modifiable": false, "readable": true},
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
	w.noViolations()
}

func TestSearchGroupsRefuses(t *testing.T) {
	w := start(t, nil, person(1))
	w.group(organisation.Group{Name: "finance"})
	w.group(organisation.Group{Name: "sales"})
	many := func(count int) []string {
		all := make([]string, 0, count)
		for i := range count {
			all = append(all, fmt.Sprintf("group-%d", i))
		}
		return all
	}
	path := admin("v2", "/directories/-/groups/search")
	for name, body := range map[string]any{
		"names and words":    fields{"groupNames": many(1), "searchTerm": "a"},
		"names and ids":      fields{"groupNames": many(1), "groupIds": many(1)},
		"101 names":          fields{"groupNames": many(101)},
		"no name":            fields{"groupNames": []string{}},
		"a name twice":       fields{"groupNames": []string{"finance", "finance"}},
		"11 ids":             fields{"groupIds": many(11)},
		"11 members":         fields{"accountIds": many(11)},
		"limit 0":            fields{"limit": 0},
		"limit 101":          fields{"limit": 101},
		"unknown expansion":  fields{"expand": []string{"members"}},
		"sorted by id":       fields{"sortBy": []fields{{"field": "id", "direction": "asc"}}},
		"made-up cursor":     fields{"cursor": "abc.def"},
		"names as one text":  fields{"groupNames": "finance"},
		"a list as the body": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			got := w.call(http.StatusBadRequest, http.MethodPost, path, body)
			if code := get(t, got.body, "errors", 0, "code"); code == nil {
				t.Errorf("body %s has no code", got.text)
			}
		})
	}
	w.call(http.StatusOK, http.MethodPost, path, fields{"groupNames": many(100)})
	w.call(http.StatusNotFound, http.MethodPost, admin("v2", "/directories/nowhere/groups/search"), `{}`)
	w.call(http.StatusNotFound, http.MethodPost, "/admin/v2/orgs/other/directories/-/groups/search", `{}`)

	// A cursor carries its request; what stands beside it is ignored.
	first := w.call(http.StatusOK, http.MethodPost, path, fields{"limit": 1})
	token := get(t, first.body, "links", "next").(string)
	beside := fields{"cursor": token, "groupNames": []string{"none"}, "expand": []string{"counts.users"}}
	next := w.call(http.StatusOK, http.MethodPost, path, beside)
	shown := get(t, next.body, "data").([]any)
	if len(shown) != 1 || get(t, shown[0], "name") != "sales" || get(t, shown[0], "counts") != nil {
		t.Errorf("second page %s, want sales alone and no counts", next.text)
	}
	w.call(http.StatusBadRequest, http.MethodPost, admin("v2", "/directories/-/users/search"), fields{"cursor": token})
	w.noViolations()

	w.call(http.StatusOK, http.MethodPost, path, fields{"groupName": "finance"})
	w.call(http.StatusNotFound, http.MethodPost, admin("v1", "/groups/search"), `{}`)
	w.call(http.StatusNotFound, http.MethodGet, admin("v2", "/directories/-/groups"), nil)
	if got := w.Violations(); len(got) != 3 || !strings.Contains(got[0], `unknown field "groupName"`) {
		t.Errorf("violations %q, want an unknown field and two calls that are switched off", got)
	}
}

// What an account's groups are follows who joins and leaves, in the search that expands them and in
// the one that filters.
func TestMembership(t *testing.T) {
	w := start(t, nil, people(3)...)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	finance := w.group(organisation.Group{Name: "finance", Description: "Money"}, person(1).ID, person(2).ID)
	other := w.group(organisation.Group{ID: "g-2", Name: "second", DirectoryID: "dir-2"}, person(1).ID)

	shown := func(directory, id string) string {
		t.Helper()
		page := w.call(http.StatusOK, http.MethodPost, admin("v2", "/directories/"+directory+"/users/search"),
			fields{"accountIds": []string{id}, "expand": []string{"groups"}})
		var names []string
		for _, each := range get(t, page.body, "data", 0, "groups").([]any) {
			if id := get(t, each, "id").(string); !strings.HasPrefix(id, "ari:cloud:identity::group/") {
				t.Errorf("group id %q is no ARI", id)
			}
			names = append(names, get(t, each, "name").(string))
		}
		return strings.Join(names, " ")
	}
	for _, test := range []struct{ directory, id, want string }{
		{"-", person(1).ID, "finance second"},
		{"dir-2", person(1).ID, "second"},
		{"-", person(2).ID, "finance"},
		{"-", person(0).ID, ""},
	} {
		if got := shown(test.directory, test.id); got != test.want {
			t.Errorf("%s in %s: groups %q, want %q", test.id, test.directory, got, test.want)
		}
	}
	in := func(ids ...string) fields { return fields{"groupIds": ids} }
	if diff := cmp.Diff([]string{person(1).ID, person(2).ID}, w.search(in(finance.ID))); diff != "" {
		t.Errorf("in the group (-want +got):\n%s", diff)
	}
	if err := w.Leave(finance.ID, person(1).ID); err != nil {
		t.Error(err)
	}
	for range 2 { // who is in it already stays, once
		if err := w.Join(finance.ID, person(0).ID); err != nil {
			t.Error(err)
		}
	}
	if got := shown("-", person(1).ID) + "," + shown("-", person(0).ID); got != "second,finance" {
		t.Errorf("groups %q, want second,finance", got)
	}
	want := []string{person(0).ID, person(1).ID, person(2).ID}
	if diff := cmp.Diff(want, w.search(in(finance.ID, "ari:cloud:identity::group/"+other.ID))); diff != "" {
		t.Errorf("in either group (-want +got):\n%s", diff)
	}
	if got, _ := w.Account(person(0).ID); len(got.Groups) != 1 || got.Groups[0] != finance.ID {
		t.Errorf("account's groups %q", got.Groups)
	}
	w.noViolations()
}

func TestGroupsThatCannotBe(t *testing.T) {
	w := start(t, nil, person(1))
	finance := w.group(organisation.Group{Name: "finance"})
	lost := person(2)
	lost.Groups = []string{"nowhere"}
	twice := person(2)
	twice.Groups = []string{finance.ID, finance.ID}
	add := func(added organisation.Group) error {
		_, err := w.AddGroup(added)
		return err
	}
	refused := map[string]error{
		"no name":             add(organisation.Group{}),
		"a name twice":        add(organisation.Group{Name: "Finance"}),
		"an id twice":         add(organisation.Group{ID: finance.ID, Name: "other"}),
		"unknown directory":   add(organisation.Group{Name: "other", DirectoryID: "nowhere"}),
		"every directory":     add(organisation.Group{Name: "other", DirectoryID: "-"}),
		"join unknown group":  w.Join("nowhere", person(1).ID),
		"join nobody":         w.Join(finance.ID, person(1).ID, "nobody"),
		"leave unknown group": w.Leave("nowhere"),
		"put in no group":     w.Put(lost),
		"put in a group":      w.Put(twice),
	}
	for name, err := range refused {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got, _ := w.Account(person(1).ID); len(got.Groups) != 0 {
		t.Errorf("the account joined %q although another could not", got.Groups)
	}
	if got := len(w.Violations()); got != len(refused) {
		t.Errorf("%d violations, want %d: %q", got, len(refused), w.Violations())
	}
	if got := w.Groups(); len(got) != 1 || !cmp.Equal(got[0], finance) {
		t.Errorf("groups %+v", got)
	}
}
