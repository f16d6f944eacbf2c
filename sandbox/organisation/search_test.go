package organisation_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

// search reads all pages and returns the ids in order.
func (w *world) search(request map[string]any) []string {
	w.t.Helper()
	ids := []string{}
	for {
		page := w.call(http.StatusOK, http.MethodPost, admin("v2", "/directories/-/users/search"), request)
		for _, each := range get(w.t, page.body, "data").([]any) {
			ids = append(ids, get(w.t, each, "accountId").(string))
		}
		token, more := get(w.t, page.body, "links", "next").(string)
		if !more {
			return ids
		}
		request = map[string]any{"cursor": token}
	}
}

func TestSearch(t *testing.T) {
	admin1 := person(1)
	admin1.OrgAdmin = true
	off := person(2)
	off.Status = "inactive"
	suspended := person(3)
	suspended.Membership = "suspended"
	guest := organisation.Account{ID: "557058:guest", Name: "Zoë Guest", Nickname: "aaa", Email: "zoe@elsewhere.example"}
	hidden := organisation.Account{ID: "557058:hidden", Name: "Hidden", Email: "hidden@example.com", Hidden: true}
	app := organisation.Account{ID: "557058:app", Name: "Robot", Type: "app", Managed: true}
	w := start(t, nil, admin1, off, suspended, guest, hidden, app, person(33))
	all := []string{admin1.ID, off.ID, suspended.ID, guest.ID, person(33).ID}

	for _, test := range []struct {
		name    string
		request map[string]any
		want    []string
	}{
		{"everybody", map[string]any{}, all},
		{"everybody by twos", map[string]any{"limit": 2}, all},
		{"everybody one by one", map[string]any{"limit": 1}, all},
		{"addresses in any case", map[string]any{"emails": []string{"PERSON.3@example.com", "Zoe@Elsewhere.example"}}, []string{suspended.ID, guest.ID}},
		{"one address in two cases", map[string]any{"emails": []string{"person.3@example.com", "PERSON.3@example.com"}}, []string{suspended.ID}},
		{"addresses match whole", map[string]any{"emails": []string{"erson.3@example.com", "person.3"}}, []string{}},
		{"a hidden holder", map[string]any{"emails": []string{hidden.Email}}, []string{}},
		{"words", map[string]any{"searchTerm": "GUEST"}, []string{guest.ID}},
		{"words in addresses", map[string]any{"searchTerm": "person.3"}, []string{suspended.ID, person(33).ID}},
		{"ids", map[string]any{"accountIds": []string{guest.ID, off.ID, "nobody"}}, []string{off.ID, guest.ID}},
		{"managed", map[string]any{"claimStatus": "managed"}, []string{admin1.ID, off.ID, suspended.ID, person(33).ID}},
		{"unmanaged", map[string]any{"claimStatus": "unmanaged"}, []string{guest.ID}},
		{"by account status", map[string]any{"accountStatus": []string{"inactive"}}, []string{off.ID}},
		{"by status", map[string]any{"status": []string{"suspended", "deactivated"}}, []string{off.ID, suspended.ID}},
		{"by membership", map[string]any{"membershipStatus": []string{"suspended"}}, []string{suspended.ID}},
		{"by domain", map[string]any{"emailDomains": []string{"@Elsewhere.example"}}, []string{guest.ID}},
		{"by role", map[string]any{"roleIds": []string{"atlassian/org-admin"}}, []string{admin1.ID}},
		{"sorted, by twos", map[string]any{"limit": 2, "sortBy": []any{map[string]string{"field": "nick_name", "direction": "asc"}}}, []string{guest.ID, admin1.ID, off.ID, suspended.ID, person(33).ID}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, w.search(test.request)); diff != "" {
				t.Errorf("accounts (-want +got):\n%s", diff)
			}
		})
	}
	w.noViolations()
}

func TestSearchRefuses(t *testing.T) {
	w := start(t, nil, person(1))
	many := func(count int) []string {
		all := make([]string, 0, count)
		for i := range count {
			all = append(all, fmt.Sprintf("a%d@example.com", i))
		}
		return all
	}
	path := admin("v2", "/directories/-/users/search")
	for name, body := range map[string]any{
		"emails and words":   map[string]any{"emails": many(1), "searchTerm": "a"},
		"101 addresses":      map[string]any{"emails": many(101)},
		"no address":         map[string]any{"emails": []string{}},
		"an address twice":   map[string]any{"emails": []string{"a@example.com", "a@example.com"}},
		"11 ids":             map[string]any{"accountIds": many(11)},
		"limit 0":            map[string]any{"limit": 0},
		"limit 101":          map[string]any{"limit": 101},
		"limit as text":      map[string]any{"limit": "5"},
		"unknown claim":      map[string]any{"claimStatus": "claimed"},
		"unknown expansion":  map[string]any{"expand": []string{"email"}},
		"made-up cursor":     map[string]any{"cursor": "abc.def"},
		"a list as the body": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			got := w.call(http.StatusBadRequest, http.MethodPost, path, body)
			if code := get(t, got.body, "errors", 0, "code"); code == nil {
				t.Errorf("body %s has no code", got.text)
			}
		})
	}
	w.call(http.StatusOK, http.MethodPost, path, map[string]any{"emails": many(100)})
	w.call(http.StatusNotFound, http.MethodPost, admin("v2", "/directories/nowhere/users/search"), `{}`)
	w.noViolations()
}

func TestSearchCursorCarriesItsRequest(t *testing.T) {
	w := start(t, nil, people(5)...)
	path := admin("v2", "/directories/-/users/search")
	first := w.call(http.StatusOK, http.MethodPost, path, map[string]any{
		"searchTerm": "person", "limit": 2, "expand": []string{"platformRoles"},
	})
	token := get(t, first.body, "links", "next").(string)
	second := w.call(http.StatusOK, http.MethodPost, path, map[string]any{"cursor": token, "searchTerm": "nobody", "limit": 50})
	list := get(t, second.body, "data").([]any)
	if len(list) != 2 {
		t.Fatalf("second page has %d accounts, want 2", len(list))
	}
	if roles := get(t, list[0], "platformRoles"); roles == nil {
		t.Errorf("the expansion is lost on the second page")
	}
	other := w.Directories()[0].ID
	w.call(http.StatusBadRequest, http.MethodPost, admin("v2", "/directories/"+other+"/users/search"), map[string]any{"cursor": token})
}

func TestDirectoryUser(t *testing.T) {
	hidden := organisation.Account{ID: "557058:hidden", Email: "hidden@example.com", Hidden: true}
	synced := person(1)
	synced.Locks = map[string]string{"email.set": "externalDirectory.scim"}
	synced.OrgAdmin = true
	w := start(t, nil, synced, hidden)
	got := w.call(http.StatusOK, http.MethodGet, admin("v2", "/directories/-/users/"+synced.ID), nil)
	want := map[string]any{
		"accountId": synced.ID, "accountType": "atlassian", "accountStatus": "active", "membershipStatus": "active",
		"status": "active", "claimStatus": "managed", "managementSource": "synced", "email": synced.Email,
		"emailVerified": true, "name": "Person 1", "nickname": "Person 1", "mfaEnabled": false,
		"platformRoles": []any{"atlassian/org-admin"}, "counts": map[string]any{"resources": 0.0},
	}
	data := maps.Clone(got.body["data"].(map[string]any))
	delete(data, "picture")
	delete(data, "avatar")
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	w.call(http.StatusNotFound, http.MethodGet, admin("v2", "/directories/-/users/"+hidden.ID), nil)
	w.noViolations()
}

func TestDirectories(t *testing.T) {
	w := start(t, nil, person(1))
	for i := range 3 {
		w.AddDirectory(organisation.Directory{ID: fmt.Sprintf("dir-%d", i), Name: fmt.Sprintf("Site %d", i)})
	}
	read := func(query string) []string {
		t.Helper()
		var ids []string
		for query != "" {
			page := w.call(http.StatusOK, http.MethodGet, admin("v2", "/directories"+query), nil)
			for _, each := range get(t, page.body, "data").([]any) {
				ids = append(ids, get(t, each, "directoryId").(string))
			}
			query = ""
			if token, more := get(t, page.body, "links", "next").(string); more {
				query = "?cursor=" + token
			}
		}
		return ids
	}
	first := w.Directories()[0].ID
	for query, want := range map[string][]string{
		"?limit=1":                                   {first, "dir-0", "dir-1", "dir-2"},
		"?directoryIds=dir-0&directoryIds=dir-2":     {"dir-0", "dir-2"},
		"?searchTerm=site%201":                       {"dir-1"},
		"?accountId=" + person(1).ID + "&limit=100":  {first, "dir-0", "dir-1", "dir-2"},
		"?accountId=nobody&limit=100":                nil,
		"?searchTerm=site&limit=2&directoryIds=none": nil,
	} {
		if diff := cmp.Diff(want, read(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	w.call(http.StatusBadRequest, http.MethodGet, admin("v2", "/directories?limit=0"), nil)
	w.noViolations()
}
