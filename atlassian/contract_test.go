//go:build contract

package atlassian

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox/contract"
	"github.com/countersign/countersign/sandbox/organisation"
)

// TestContract makes every call of the client, refused ones included, and compares requests and answers with
// Atlassian's OpenAPI files. COUNTERSIGN_OPENAPI names the folder that holds them.
func TestContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	locked := person(1)
	locked.Locks = map[string]string{PrivilegeEmail: "externalDirectory.scim", PrivilegeEnablement: "administrative"}
	billing := person(2)
	billing.LifecycleErrors = []organisation.LifecycleError{
		{Code: "last-admin", Message: "name another", Link: "https://x.example"},
	}
	locked.OrgAdmin = true
	o := newOrganisation(t, append(people(130)[2:], locked, billing)...)
	for _, name := range []string{"a", "b"} {
		o.AddDirectory(organisation.Directory{ID: "dir-" + name, Name: name})
	}
	inGroup(t, o, organisation.Group{Name: "finance"}, personID(1), personID(2))
	inGroup(t, o, organisation.Group{Name: "Break-Glass", DirectoryID: "dir-b"}, personID(1))
	server := httptest.NewServer(o.Handler())
	t.Cleanup(server.Close)
	calls := 0
	checked := contract.Transport(http.DefaultTransport, spec, func(problem string) { t.Error(problem) })
	w := newWorld(t, o, server.URL, func(c *Config) {
		c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			calls++
			return checked.RoundTrip(r)
		})}
		c.Workers, c.Groups = 1, true
	})
	c, d, ctx := w.client, w.directory, t.Context()

	if report, err := c.CheckKey(ctx); err != nil || !report.Works {
		t.Errorf("check the key: %+v, %v", report, err)
	}
	n := 0
	for _, err := range d.Members(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	found := 0
	for _, err := range c.SearchUsers(ctx, Find{Term: "person"}, 50) {
		if err != nil {
			t.Fatal(err)
		}
		found++
	}
	if n != 130 || found != 130 {
		t.Errorf("%d members and %d found, want 130", n, found)
	}
	got, err := d.ByAddress(ctx, []string{"person.1@example.com", "Person.2@example.com", "nobody@example.com"})
	if err != nil || len(got) != 2 {
		t.Errorf("by address: %v, %v", got, err)
	}
	byID, err := d.ByID(ctx, []string{personID(1), personID(2), "nobody"})
	if err != nil || len(byID) != 2 {
		t.Errorf("by id: %v, %v", byID, err)
	}
	if a := byID[personID(1)]; !a.OrgAdmin || !a.Ranked || len(a.Groups) != 2 {
		t.Errorf("by id, with rank: %+v", a)
	}
	// Its answer has two pages, of which the second is asked for by cursor.
	for u, err := range c.SearchUsers(ctx, Find{IDs: []string{personID(1), personID(2)}}, 1) {
		if err != nil || u.PlatformRoles == nil || u.Groups == nil {
			t.Errorf("by id, one a page: %+v, %v", u, err)
		}
	}
	names := []string{"FINANCE", "break-glass", "nobody"}
	for i := range 100 {
		names = append(names, fmt.Sprintf("group-%d", i))
	}
	there, err := d.GroupsNamed(ctx, names)
	if err != nil || !there["finance"] || !there["break-glass"] || there["nobody"] {
		t.Errorf("groups named: %v, %v", there, err)
	}
	if _, err := c.DirectoryUser(ctx, personID(5)); err != nil {
		t.Error(err)
	}
	if all, err := c.Directories(ctx); err != nil || len(all) != 3 {
		t.Errorf("directories: %v, %v", all, err)
	}
	for _, err := range []error{
		d.SetEmail(ctx, personID(5), "new@example.com"), d.Deactivate(ctx, personID(5), "left"), d.Activate(ctx, personID(5)),
		d.Deactivate(ctx, personID(5), ""),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for name, err := range map[string]error{
		"locked":     d.SetEmail(ctx, personID(1), "other@example.com"),
		"locked too": d.Deactivate(ctx, personID(1), ""),
		"domain":     d.SetEmail(ctx, personID(6), "a@other.example"),
		"value":      d.SetEmail(ctx, personID(6), strings.Repeat("a", 256)+"@example.com"),
		"nobody":     d.Activate(ctx, "nobody"),
		"billing":    d.Deactivate(ctx, personID(2), ""),
	} {
		if err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	if calls != len(o.Calls()) || calls < 25 {
		t.Errorf("%d calls were checked, %d arrived", calls, len(o.Calls()))
	}
}
