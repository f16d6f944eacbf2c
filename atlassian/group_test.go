package atlassian_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// What searches by address and by id say of an account's rank; a search for people to look at says
// nothing of it.
func TestRank(t *testing.T) {
	t.Parallel()
	for _, groups := range []bool{false, true} {
		t.Run(fmt.Sprintf("groups %v", groups), func(t *testing.T) {
			t.Parallel()
			admin := person(1)
			admin.OrgAdmin = true
			w := onSockets(t, func(c *atlassian.Config) { c.Groups = groups }, admin, person(2), person(3))
			w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
			inGroup(t, w.Organisation, organisation.Group{Name: "finance"}, personID(1), personID(2))
			inGroup(t, w.Organisation, organisation.Group{Name: "Break-Glass", DirectoryID: "dir-2"}, personID(2))

			type rank struct {
				Admin, RolesKnown bool
				Groups            []string
			}
			of := func(a workflow.Account) rank { return rank{a.OrgAdmin, a.RolesKnown, a.Groups} }
			want := map[string]rank{
				personID(1): {Admin: true, RolesKnown: true}, personID(2): {RolesKnown: true}, personID(3): {RolesKnown: true},
			}
			if groups {
				want[personID(1)] = rank{Admin: true, RolesKnown: true, Groups: []string{"finance"}}
				want[personID(2)] = rank{RolesKnown: true, Groups: []string{"Break-Glass", "finance"}}
			}
			byID, err := w.directory.ByID(t.Context(), []string{personID(1), personID(2), personID(3)})
			if err != nil {
				t.Fatal(err)
			}
			byAddress, err := w.directory.ByAddress(t.Context(), []string{
				"person.1@example.com", "person.2@example.com", "person.3@example.com",
			})
			if err != nil {
				t.Fatal(err)
			}
			gotByID, gotByAddress := map[string]rank{}, map[string]rank{}
			for id, a := range byID {
				gotByID[id] = of(a)
			}
			for _, accounts := range byAddress {
				for _, a := range accounts {
					gotByAddress[a.ID] = of(a)
				}
			}
			if diff := cmp.Diff(want, gotByID); diff != "" {
				t.Errorf("by id (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(want, gotByAddress); diff != "" {
				t.Errorf("by address (-want +got)\n%s", diff)
			}
			found, err := w.directory.Search(t.Context(), "person.1@", 5)
			if err != nil || len(found) != 1 || found[0].RolesKnown || found[0].OrgAdmin {
				t.Errorf("a search by words: %+v, %v; want one account without rank", found, err)
			}
		})
	}
}

// A rank counts as known only when every answer about the account tells its groups, whole, where
// they are asked for; roles that are left out are none. What several directories or pages tell of
// one account is put together.
func TestRankIsKnownOrNot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		groups bool
		data   string // what the search answers, but for the id
		want   workflow.Account
	}{
		"nothing told": {false, `{}`, workflow.Account{RolesKnown: true}}, // no roles
		"null":         {true, `{"platformRoles":null,"groups":null}`, workflow.Account{}},
		"no role":      {false, `{"platformRoles":[]}`, workflow.Account{RolesKnown: true}},
		"a new role":   {false, `{"platformRoles":["atlassian/new-admin"]}`, workflow.Account{RolesKnown: true}},
		"lesser roles": {
			false, `{"platformRoles":["atlassian/site-admin","atlassian/user-access-admin"]}`, workflow.Account{RolesKnown: true},
		},
		"admin": {
			false, `{"platformRoles":["x","atlassian/org-admin"]}`, workflow.Account{OrgAdmin: true, RolesKnown: true},
		},
		"groups not told":  {true, `{"platformRoles":["atlassian/org-admin"]}`, workflow.Account{OrgAdmin: true}},
		"roles not told":   {true, `{"groups":[{"name":"a"}]}`, workflow.Account{Groups: []string{"a"}, RolesKnown: true}},
		"no group":         {true, `{"platformRoles":[],"groups":[]}`, workflow.Account{RolesKnown: true}},
		"groups not asked": {false, `{"platformRoles":[],"groups":[{"name":"a"}]}`, workflow.Account{RolesKnown: true}},
		"a group, unnamed": {true, `{"platformRoles":[],"groups":[{"id":"1","name":null}]}`, workflow.Account{}},
		"one of two unnamed": {
			true, `{"platformRoles":[],"groups":[{"id":"1"},{"name":"a"}]}`, workflow.Account{Groups: []string{"a"}},
		},
		"two directories": {
			true, `{"platformRoles":[],"groups":[{"name":"b"},{"name":"a"}]},
				{"platformRoles":["atlassian/org-admin"],"groups":[{"name":"c"},{"name":"a"}]}`,
			workflow.Account{OrgAdmin: true, RolesKnown: true, Groups: []string{"a", "b", "c"}},
		},
		"two directories, one silent": {
			true, `{"platformRoles":[],"groups":[{"name":"a"}]},{"platformRoles":["atlassian/org-admin"]}`,
			workflow.Account{OrgAdmin: true, Groups: []string{"a"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
				data := strings.ReplaceAll(test.data, "{}", `{"nickname":""}`)
				for _, field := range []string{`{"platformRoles"`, `{"groups"`, `{"nickname"`} {
					data = strings.ReplaceAll(data, field, `{"accountId":"1","email":"a@example.com",`+field[1:])
				}
				_, _ = rw.Write([]byte(`{"data":[` + data + `]}`))
			}, func(c *atlassian.Config) { c.Groups = test.groups })
			test.want.ID, test.want.Email = "1", "a@example.com"
			byID, err := atlassian.NewDirectory(c).ByID(t.Context(), []string{"1"})
			if diff := cmp.Diff(map[string]workflow.Account{"1": test.want}, byID); err != nil || diff != "" {
				t.Errorf("by id: %v (-want +got)\n%s", err, diff)
			}
			byAddress, err := atlassian.NewDirectory(c).ByAddress(t.Context(), []string{"a@example.com"})
			want := map[string][]workflow.Account{"a@example.com": {test.want}}
			if diff := cmp.Diff(want, byAddress); err != nil || diff != "" {
				t.Errorf("by address: %v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// What a search sends: what to tell is said on every page, the filters on the first alone, and
// always to all directories, as who holds an address and is in a group must not depend on a
// setting.
func TestSearchBodies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		groups bool
		find   atlassian.Find
		want   []string
	}{
		"addresses": {false, atlassian.Find{Emails: []string{"a@b.c"}}, []string{
			`{"emails":["a@b.c"],"expand":["platformRoles"],"limit":1}`, `{"expand":["platformRoles"],"limit":1,"cursor":"2"}`,
		}},
		"ids": {true, atlassian.Find{IDs: []string{"1"}}, []string{
			`{"accountIds":["1"],"expand":["platformRoles","groups"],"limit":1}`,
			`{"expand":["platformRoles","groups"],"limit":1,"cursor":"2"}`,
		}},
		"words": {true, atlassian.Find{Term: "ann"}, []string{`{"searchTerm":"ann","limit":1}`, `{"limit":1,"cursor":"2"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent []string
			c, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if sent = append(sent, string(body)); r.URL.Path != "/admin/v2/orgs/"+testOrg+"/directories/-/users/search" {
					t.Errorf("asked %s", r.URL.Path)
				}
				next := ""
				if len(sent) == 1 {
					next = "2"
				}
				_, _ = fmt.Fprintf(rw, `{"data":[],"links":{"next":%q}}`, next)
			}, func(c *atlassian.Config) { c.Groups, c.DirectoryID = test.groups, "d-1" })
			for _, err := range c.SearchUsers(t.Context(), test.find, 1) {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, sent); diff != "" {
				t.Errorf("bodies (-want +got)\n%s", diff)
			}
		})
	}
}

func TestGroupsNamed(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil, person(1))
	var ask []string
	for i := range 250 {
		ask = append(ask, fmt.Sprintf(" Group %d ", i))
		if i < 240 {
			inGroup(t, w.Organisation, organisation.Group{Name: fmt.Sprintf("group %d", i)})
		}
	}
	ask = append(ask, "", "  ", "GROUP 1", "group")
	got, err := w.directory.GroupsNamed(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, yes := range got {
		if yes {
			there++
		}
	}
	if there != 240 || len(got) != 251 || !got["group 1"] || got["group 249"] || got["group"] {
		t.Errorf("%d of %d are there, want 240 of 251: %v", there, len(got), got)
	}
	path := "/admin/v2/orgs/" + testOrg + "/directories/-/groups/search"
	for _, call := range w.Calls() {
		if call.Path != path || call.Method != http.MethodPost {
			t.Errorf("asked %s %s", call.Method, call.Path)
		}
	}
	if n := len(w.Calls()); n != 3 {
		t.Errorf("%d calls for 251 names, want 100 names in each", n)
	}
	if got, err := w.directory.GroupsNamed(t.Context(), nil); err != nil || len(got) != 0 || len(w.Calls()) != 3 {
		t.Errorf("nothing asked: %v, %v, %d calls", got, err, len(w.Calls()))
	}
}

// A search for groups that answers in pages is followed, and a name that was not asked for does not
// count.
func TestGroupsNamedFollowsPages(t *testing.T) {
	t.Parallel()
	circle := false
	c, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if body["cursor"] == "more" && !circle {
			if _, both := body["groupNames"]; both {
				t.Error("names beside a cursor")
			}
			_, _ = rw.Write([]byte(`{"data":[{"id":"2","name":"SALES"},{"id":"3","name":null}],"links":{}}`))
			return
		}
		_, _ = rw.Write([]byte(`{"data":[{"id":"1","name":"Finance 2"}],"links":{"next":"more"}}`))
	})
	got, err := atlassian.NewDirectory(c).GroupsNamed(t.Context(), []string{"finance", "sales"})
	if diff := cmp.Diff(map[string]bool{"finance": false, "sales": true}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	circle = true
	if got, err := atlassian.NewDirectory(c).GroupsNamed(t.Context(), []string{"sales"}); atlassian.KindOf(err) != atlassian.KindUnexpected || got != nil {
		t.Errorf("cursors in a circle: %v, %v", got, err)
	}
	for _, names := range [][]string{nil, make([]string, atlassian.MaxGroupNames+1)} {
		for _, err := range c.GroupsNamed(t.Context(), names) {
			if err == nil {
				t.Errorf("%d names: no error", len(names))
			}
		}
	}
}

func TestGroupsNamedFails(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil)
	for name, test := range map[string]struct {
		fault organisation.Fault
		want  error
	}{
		"key":       {organisation.Unauthorized(), workflow.ErrKeyRefused},
		"forbidden": {organisation.Broken(http.StatusForbidden), nil},
		"not found": {organisation.Broken(http.StatusNotFound), nil},
	} {
		w.SetFaults(organisation.Faults{Before: organisation.On(http.MethodPost, "/groups/search", 0, test.fault)})
		got, err := w.directory.GroupsNamed(t.Context(), []string{"finance"})
		if got != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		// No account was asked about, so none is missing.
		_, refusal := errors.AsType[*workflow.Refusal](err)
		if test.want == nil && !refusal || errors.Is(err, workflow.ErrNotFound) {
			t.Errorf("%s: %v is no refusal", name, err)
		}
	}
	buckets := w.client.Gate().Buckets
	if !slices.ContainsFunc(buckets, func(b pace.BucketState) bool { return slices.Contains(b.Operations, "search groups") }) {
		t.Errorf("no bucket has learnt of %q: %+v", "search groups", buckets)
	}
}
