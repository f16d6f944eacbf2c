package organisation_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestPagesOfManagedAccountsEndWithTheWholeSet(t *testing.T) {
	foreign := organisation.Account{ID: "557058:foreign", Name: "Foreign", Email: "foreign@elsewhere.example"}
	hidden := organisation.Account{ID: "557058:hidden", Email: "hidden@example.com", Managed: true, Hidden: true}
	closed := organisation.Account{ID: "557058:closed", Email: "closed@example.com", Managed: true, Status: "closed"}
	for _, count := range []int{0, 1, 9, 10, 11, 35} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			w := start(t, func(c *organisation.Config) { c.PageSize = 5 }, append(people(count), foreign, hidden, closed)...)
			var got []string
			for path := admin("v1", "/users"); path != ""; {
				page := w.call(http.StatusOK, http.MethodGet, path, nil)
				if total := get(t, page.body, "meta", "total"); total != float64(count+1) {
					t.Errorf("meta.total is %v, want %d", total, count+1)
				}
				list, _ := get(t, page.body, "data").([]any)
				if len(list) > 5 {
					t.Errorf("a page has %d accounts", len(list))
				}
				for _, each := range list {
					got = append(got, get(t, each, "account_id").(string))
				}
				path, _ = get(t, page.body, "links", "next").(string)
				if path != "" && !strings.HasPrefix(path, w.url+"/admin/v1/orgs/") {
					t.Fatalf("links.next is %q, want an absolute URL below %s", path, w.url)
				}
			}
			var want []string
			for _, each := range w.Accounts() {
				if each.Managed && !each.Hidden {
					want = append(want, each.ID)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("accounts (-want +got):\n%s", diff)
			}
			w.noViolations()
		})
	}
}

func TestPagesStayWholeWhileAccountsComeAndGo(t *testing.T) {
	w := start(t, func(c *organisation.Config) { c.PageSize = 2 }, people(6)...)
	first := w.call(http.StatusOK, http.MethodGet, admin("v1", "/users"), nil)
	w.Remove(person(1).ID) // the last one shown
	if err := w.Put(person(6)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for path, _ := get(t, first.body, "links", "next").(string); path != ""; {
		page := w.call(http.StatusOK, http.MethodGet, path, nil)
		for _, each := range get(t, page.body, "data").([]any) {
			got = append(got, get(t, each, "account_id").(string))
		}
		path, _ = get(t, page.body, "links", "next").(string)
	}
	want := []string{person(2).ID, person(3).ID, person(4).ID, person(5).ID, person(6).ID}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts after the first page (-want +got):\n%s", diff)
	}
}

func TestPagesOfDomainsEndWithTheWholeSet(t *testing.T) {
	w := start(t, func(c *organisation.Config) { c.PageSize = 2 })
	for i := range 5 {
		w.AddDomain(organisation.Domain{Name: fmt.Sprintf("d%d.example", i), Verified: i%2 == 0})
	}
	w.AddDomain(organisation.Domain{Name: "D1.example", Status: "missing_token"})
	var got []organisation.Domain
	for path := admin("v1", "/domains"); path != ""; {
		page := w.call(http.StatusOK, http.MethodGet, path, nil)
		for _, each := range get(t, page.body, "data").([]any) {
			status := get(t, each, "attributes", "claim", "status").(string)
			got = append(got, organisation.Domain{
				Name: get(t, each, "attributes", "name").(string), Verified: status == "verified", Status: status,
			})
		}
		path, _ = get(t, page.body, "links", "next").(string)
	}
	if diff := cmp.Diff(w.Domains(), got); diff != "" {
		t.Errorf("domains (-want +got):\n%s", diff)
	}
	if !slices.Contains(got, organisation.Domain{Name: "D1.example", Status: "missing_token"}) {
		t.Errorf("no replaced domain in %v", got)
	}
}

func TestForeignCursorsAreRefused(t *testing.T) {
	w := start(t, func(c *organisation.Config) { c.PageSize = 1 }, people(3)...)
	page := w.call(http.StatusOK, http.MethodGet, admin("v1", "/users"), nil)
	next := get(t, page.body, "links", "next").(string)
	_, cursor, _ := strings.Cut(next, "cursor=")
	for _, path := range []string{
		admin("v1", "/users?cursor=made-up"),
		admin("v1", "/domains?cursor="+cursor),
		next + "x",
	} {
		refused := w.call(http.StatusBadRequest, http.MethodGet, path, nil)
		if code := get(t, refused.body, "errors", 0, "code"); code != "ADMIN-400-1" {
			t.Errorf("%s: code %v", path, code)
		}
	}
}
