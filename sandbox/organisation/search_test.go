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
func (w *world) search(request fields) []string {
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
		request = fields{"cursor": token}
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

	emails := func(addresses ...string) fields { return fields{"emails": addresses} }
	for _, test := range []struct {
		name    string
		request fields
		want    []string
	}{
		{"everybody", fields{}, all},
		{"everybody by twos", fields{"limit": 2}, all},
		{"everybody one by one", fields{"limit": 1}, all},
		{"addresses in any case", emails("PERSON.3@example.com", "Zoe@Elsewhere.example"), []string{suspended.ID, guest.ID}},
		{"one address in two cases", emails("person.3@example.com", "PERSON.3@example.com"), []string{suspended.ID}},
		{"addresses match whole", emails("erson.3@example.com", "person.3"), []string{}},
		{"a hidden holder", emails(hidden.Email), []string{}},
		{"words", fields{"searchTerm": "GUEST"}, []string{guest.ID}},
		{"words in addresses", fields{"searchTerm": "person.3"}, []string{suspended.ID, person(33).ID}},
		{"ids", fields{"accountIds": []string{guest.ID, off.ID, "nobody"}}, []string{off.ID, guest.ID}},
		{"managed", fields{"claimStatus": "managed"}, []string{admin1.ID, off.ID, suspended.ID, person(33).ID}},
		{"unmanaged", fields{"claimStatus": "unmanaged"}, []string{guest.ID}},
		{"by account status", fields{"accountStatus": []string{"inactive"}}, []string{off.ID}},
		{"by status", fields{"status": []string{"suspended", "deactivated"}}, []string{off.ID, suspended.ID}},
		{"by membership", fields{"membershipStatus": []string{"suspended"}}, []string{suspended.ID}},
		{"by domain", fields{"emailDomains": []string{"@Elsewhere.example"}}, []string{guest.ID}},
		{"by role", fields{"roleIds": []string{"atlassian/org-admin"}}, []string{admin1.ID}},
		{
			"sorted, by twos",
			fields{"limit": 2, "sortBy": []fields{{"field": "nick_name", "direction": "asc"}}},
			[]string{guest.ID, admin1.ID, off.ID, suspended.ID, person(33).ID},
		},
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
		"emails and words":   fields{"emails": many(1), "searchTerm": "a"},
		"101 addresses":      fields{"emails": many(101)},
		"no address":         fields{"emails": []string{}},
		"an address twice":   fields{"emails": []string{"a@example.com", "a@example.com"}},
		"11 ids":             fields{"accountIds": many(11)},
		"limit 0":            fields{"limit": 0},
		"limit 101":          fields{"limit": 101},
		"limit as text":      fields{"limit": "5"},
		"unknown claim":      fields{"claimStatus": "claimed"},
		"unknown expansion":  fields{"expand": []string{"email"}},
		"made-up cursor":     fields{"cursor": "abc.def"},
		"a list as the body": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			got := w.call(http.StatusBadRequest, http.MethodPost, path, body)
			if code := get(t, got.body, "errors", 0, "code"); code == nil {
				t.Errorf("body %s has no code", got.text)
			}
		})
	}
	w.call(http.StatusOK, http.MethodPost, path, fields{"emails": many(100)})
	w.call(http.StatusNotFound, http.MethodPost, admin("v2", "/directories/nowhere/users/search"), `{}`)
	w.noViolations()
}

func TestSearchCursorCarriesItsRequest(t *testing.T) {
	w := start(t, nil, people(5)...)
	path := admin("v2", "/directories/-/users/search")
	first := w.call(http.StatusOK, http.MethodPost, path, fields{
		"searchTerm": "person", "limit": 2, "expand": []string{"platformRoles"},
	})
	token := get(t, first.body, "links", "next").(string)
	second := w.call(http.StatusOK, http.MethodPost, path, fields{
		"cursor": token, "searchTerm": "nobody", "limit": 50, "claimStatus": "unmanaged",
	})
	list := get(t, second.body, "data").([]any)
	if len(list) != 2 {
		t.Fatalf("second page has %d accounts, want 2", len(list))
	}
	if roles := get(t, list[0], "platformRoles"); roles == nil {
		t.Errorf("the expansion is lost on the second page")
	}
	other := admin("v2", "/directories/"+w.Directories()[0].ID+"/users/search")
	w.call(http.StatusBadRequest, http.MethodPost, other, fields{"cursor": token})
}

func TestDirectoryUser(t *testing.T) {
	hidden := organisation.Account{ID: "557058:hidden", Email: "hidden@example.com", Hidden: true}
	synced := person(1)
	synced.Locks = map[string]string{"email.set": "externalDirectory.scim"}
	synced.OrgAdmin = true
	w := start(t, nil, synced, hidden)
	got := w.call(http.StatusOK, http.MethodGet, admin("v2", "/directories/-/users/"+synced.ID), nil)
	want := fields{
		"accountId": synced.ID, "accountType": "atlassian", "accountStatus": "active", "membershipStatus": "active",
		"status": "active", "claimStatus": "managed", "managementSource": "synced", "email": synced.Email,
		"emailVerified": true, "name": "Person 1", "nickname": "Person 1", "mfaEnabled": false,
		"platformRoles": []any{"atlassian/org-admin"}, "counts": fields{"resources": 0.0},
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
