//go:build contract

package organisation_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox/contract"
	"github.com/countersign/countersign/sandbox/organisation"
)

// TestContract drives every call of the organisation, refusals included, and compares requests and
// answers with Atlassian's OpenAPI files. COUNTERSIGN_OPENAPI names the folder that holds them.
func TestContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	full := person(1)
	full.Billable, full.OrgAdmin = true, true
	full.LastActive, full.AddedToOrg = "2026-11-20T10:00:00Z", "2024-01-01T00:00:00.000Z"
	full.Products = []organisation.Product{
		{Key: "confluence", Name: "Confluence", URL: "https://example.atlassian.net", LastActive: "2026-11-20T10:00:00Z"},
		{Key: "jira-software", Name: "Jira"},
	}
	full.Profile = organisation.ExtendedProfile{JobTitle: "Lead", Organization: "Talent", Department: "HR", Location: "Bonn"}
	full.TimeZone, full.Locale = "Europe/Berlin", "en-GB"
	full.Tokens = []organisation.Token{
		{
			ID: "t-1", Label: "laptop", CreatedAt: "2026-01-01T00:00:00Z", LastAccess: "2026-11-01T00:00:00Z",
			Expiry: "2027-01-01T00:00:00Z",
		},
		{ID: "t-2", Label: "ci", CreatedAt: "2026-02-01T00:00:00Z"},
	}
	locked := person(2)
	locked.Locks = map[string]string{
		"email.set": "externalDirectory.scim", "lifecycle.enablement": "externalDirectory.google",
		"profile.write/name": "authPolicy.saml", "profile.read": "managedAccount",
		"apiToken.read": "managedAccount", "apiToken.delete": "managedAccount",
	}
	billing := person(3)
	billing.LifecycleErrors = []organisation.LifecycleError{
		{Code: "last-billing-admin", Message: "Last billing admin", Link: "https://admin.example"},
	}
	unverified := person(4)
	unverified.Unverified = true
	gone := person(5)
	gone.Status = "closed"
	outside := organisation.Account{ID: "557058:outside", Name: "Outside", Email: "outside@elsewhere.example"}

	w := start(t, func(c *organisation.Config) { c.PageSize = 3 }, full, locked, billing, unverified, gone, outside,
		person(6), person(7))
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	if err := w.AddWorkspace(organisation.Workspace{
		ID: jira, Name: "Jira", Type: "Jira", TypeKey: "jira-software", URL: "https://one.example", Seats: 5,
	}); err != nil {
		t.Fatal(err)
	}
	finance := w.group(organisation.Group{Name: "finance", Description: "Money"}, full.ID, locked.ID)
	sales := w.group(organisation.Group{Name: "sales", Synced: true, DirectoryID: "dir-2"}, full.ID)

	// good checks the whole exchange, bad the answer alone: its request breaks the rules on
	// purpose.
	problems := func(bad bool) http.RoundTripper {
		if !bad {
			return contract.Transport(http.DefaultTransport, spec, func(problem string) { w.t.Error(problem) })
		}
		return answersOnly{w.t, spec}
	}
	good := func(status int, method, path string, body any) reply {
		t.Helper()
		w.client = &http.Client{Transport: problems(false)}
		return w.call(status, method, path, body)
	}
	bad := func(status int, method, path string, body any) reply {
		t.Helper()
		w.client = &http.Client{Transport: problems(true)}
		return w.call(status, method, path, body)
	}

	t.Run("user management", func(t *testing.T) {
		w.t = t
		for _, each := range []organisation.Account{full, locked, gone} {
			good(http.StatusOK, "GET", manage(each, ""), nil)
		}
		good(http.StatusOK, "GET", manage(full, "?privileges=email.set&privileges=profile.write&privileges=profile"), nil)
		good(http.StatusNotFound, "GET", manage(outside, ""), nil)
		good(http.StatusForbidden, "GET", manage(unverified, ""), nil)

		good(http.StatusOK, "GET", manage(full, "/profile"), nil)
		good(http.StatusForbidden, "GET", manage(locked, "/profile"), nil)
		good(http.StatusNotFound, "GET", manage(outside, "/profile"), nil)

		good(http.StatusOK, "PATCH", manage(full, "/profile"), map[string]any{
			"name": "New", "extended_profile": map[string]string{"location": "Köln"},
		})
		good(http.StatusForbidden, "PATCH", manage(locked, "/profile"), map[string]any{"name": "New"})
		good(http.StatusBadRequest, "PATCH", manage(full, "/profile"), map[string]any{"name": strings.Repeat("x", 101)})
		bad(http.StatusBadRequest, "PATCH", manage(full, "/profile"), `[`)
		good(http.StatusNotFound, "PATCH", manage(outside, "/profile"), map[string]any{"name": "New"})

		set := func(address string) map[string]string { return map[string]string{"email": address} }
		good(http.StatusNoContent, "PUT", manage(full, "/email"), set("new@example.com"))
		good(http.StatusBadRequest, "PUT", manage(full, "/email"), set(strings.Repeat("x", 256)+"@example.com"))
		good(http.StatusBadRequest, "PUT", manage(full, "/email"), set(billing.Email))
		bad(http.StatusBadRequest, "PUT", manage(full, "/email"), `{"email":5}`)
		good(http.StatusForbidden, "PUT", manage(full, "/email"), set("new@pending.example"))
		good(http.StatusForbidden, "PUT", manage(locked, "/email"), set("new2@example.com"))
		good(http.StatusForbidden, "PUT", manage(unverified, "/email"), set("new2@example.com"))
		good(http.StatusNotFound, "PUT", manage(outside, "/email"), set("new2@example.com"))
		w.SetCollision(organisation.Collision{Status: http.StatusConflict})
		good(http.StatusConflict, "PUT", manage(full, "/email"), set(billing.Email))

		good(http.StatusNoContent, "POST", manage(full, "/lifecycle/disable"), map[string]string{"message": "left"})
		good(http.StatusNoContent, "POST", manage(full, "/lifecycle/enable"), nil)
		good(http.StatusNoContent, "POST", manage(full, "/lifecycle/enable"), `{}`)
		good(http.StatusConflict, "POST", manage(billing, "/lifecycle/disable"), `{}`)
		good(http.StatusForbidden, "POST", manage(locked, "/lifecycle/disable"), `{}`)
		good(http.StatusForbidden, "POST", manage(gone, "/lifecycle/enable"), nil)
		good(http.StatusNotFound, "POST", manage(outside, "/lifecycle/disable"), `{}`)
		good(http.StatusOK, "POST", manage(full, "/lifecycle/delete"), nil)
		good(http.StatusForbidden, "POST", manage(full, "/lifecycle/enable"), nil)
		good(http.StatusForbidden, "POST", manage(full, "/lifecycle/delete"), `{}`)
		good(http.StatusOK, "POST", manage(full, "/lifecycle/cancel-delete"), nil)
		good(http.StatusNotFound, "POST", manage(full, "/lifecycle/cancel-delete"), `{}`)
		good(http.StatusConflict, "POST", manage(billing, "/lifecycle/delete"), nil)
		good(http.StatusOK, "GET", manage(full, "/api-tokens"), nil)
		good(http.StatusForbidden, "GET", manage(locked, "/api-tokens"), nil)
		good(http.StatusNotFound, "GET", manage(outside, "/api-tokens"), nil)
		good(http.StatusNoContent, "DELETE", manage(full, "/api-tokens/t-1"), nil)
		good(http.StatusNotFound, "DELETE", manage(full, "/api-tokens/t-1"), nil)
		good(http.StatusForbidden, "DELETE", manage(locked, "/api-tokens/t-1"), nil)
		bad(http.StatusBadRequest, "POST", manage(full, "/lifecycle/disable"), `"no"`)
		bad(http.StatusUnsupportedMediaType, "POST", manage(full, "/lifecycle/disable"), nil)
	})

	t.Run("organizations v1", func(t *testing.T) {
		w.t = t
		good(http.StatusOK, "GET", "/admin/v1/orgs", nil)
		good(http.StatusOK, "GET", admin("v1", ""), nil)
		good(http.StatusNotFound, "GET", "/admin/v1/orgs/other", nil)
		for _, list := range []string{"/users", "/domains"} {
			for path := admin("v1", list); path != ""; {
				path, _ = get(t, good(http.StatusOK, "GET", path, nil).body, "links", "next").(string)
			}
			good(http.StatusBadRequest, "GET", admin("v1", list+"?cursor=x"), nil)
		}
		good(http.StatusNotFound, "GET", "/admin/v1/orgs/other/users", nil)
		listed := good(http.StatusOK, "GET", admin("v1", "/domains"), nil)
		good(http.StatusOK, "GET", get(t, listed.body, "data", 0, "links", "self").(string), nil)
		good(http.StatusNotFound, "GET", admin("v1", "/domains/none"), nil)
		for i, who := range []organisation.Actor{{ID: "712020:boss", Name: "Boss"}, organisation.Provider("Okta"), {ID: "712020:key", TokenID: "t-9", TokenLabel: "bot"}} {
			if err := w.EditBy(who, full.ID, func(a *organisation.Account) { a.Name = fmt.Sprint("Name ", i) }); err != nil {
				t.Fatal(err)
			}
		}
		good(http.StatusOK, "GET", admin("v1", "/events-stream?sortOrder=desc"), nil)
		stream := good(http.StatusOK, "GET", admin("v1", "/events-stream?limit=1&sortOrder=asc"), nil)
		good(http.StatusOK, "GET", admin("v1", "/events-stream?cursor="+get(t, stream.body, "meta", "next").(string)), nil)
		good(http.StatusBadRequest, "GET", admin("v1", "/events-stream?from=x"), nil)
		good(http.StatusOK, "GET", admin("v1", "/event-actions"), nil)
		good(http.StatusNotFound, "GET", "/admin/v1/orgs/other/event-actions", nil)
		good(http.StatusForbidden, "GET", "/admin/v1/orgs/other/domains", nil)
	})

	t.Run("organizations v2", func(t *testing.T) {
		w.t = t
		next := get(t, good(http.StatusOK, "GET", admin("v2", "/directories?limit=1"), nil).body, "links", "next").(string)
		good(http.StatusOK, "GET", admin("v2", "/directories?cursor="+next), nil)
		bad(http.StatusBadRequest, "GET", admin("v2", "/directories?limit=101"), nil)
		search := admin("v2", "/directories/-/users/search")
		everything := []string{"platformRoles", "counts.resources", "productAccess", "groups"}
		for _, body := range []map[string]any{
			{},
			{"limit": 2, "expand": everything},
			{"emails": []string{"NEW@example.com"}, "claimStatus": "managed", "expand": everything},
			{"groupIds": []string{finance.ID}, "expand": []string{"groups"}, "limit": 1},
			{"searchTerm": "person", "sortBy": []map[string]string{{"field": "nick_name", "direction": "desc"}}},
		} {
			page := good(http.StatusOK, "POST", search, body)
			if token, more := get(t, page.body, "links", "next").(string); more {
				good(http.StatusOK, "POST", search, map[string]any{"cursor": token})
			}
		}
		good(http.StatusBadRequest, "POST", search, map[string]any{"emails": []string{"a@b.c"}, "searchTerm": "a"})
		good(http.StatusBadRequest, "POST", search, map[string]any{"cursor": "x"})
		good(http.StatusNotFound, "POST", admin("v2", "/directories/nowhere/users/search"), `{}`)
		bad(http.StatusBadRequest, "POST", search, map[string]any{"limit": 0})
		groups := admin("v2", "/directories/-/groups/search")
		for _, body := range []map[string]any{
			{},
			{"limit": 1, "expand": []string{"counts.users", "counts.resources"}},
			{"groupNames": []string{"FINANCE", "none"}, "limit": 100},
			{"groupIds": []string{finance.ID}, "accountIds": []string{full.ID}, "directoryIds": []string{finance.DirectoryID}},
			{"searchTerm": "a", "sortBy": []map[string]string{{"field": "name", "direction": "desc"}}, "limit": 1},
		} {
			page := good(http.StatusOK, "POST", groups, body)
			if token, more := get(t, page.body, "links", "next").(string); more {
				good(http.StatusOK, "POST", groups, map[string]any{"cursor": token})
			}
		}
		good(http.StatusBadRequest, "POST", groups, map[string]any{"groupNames": []string{"a"}, "searchTerm": "a"})
		good(http.StatusBadRequest, "POST", groups, map[string]any{"cursor": "x"})
		good(http.StatusNotFound, "POST", admin("v2", "/directories/nowhere/groups/search"), `{}`)

		members := admin("v2", "/directories/"+finance.DirectoryID+"/groups/"+finance.ID+"/memberships")
		account := func(a organisation.Account) map[string]any { return map[string]any{"accountId": a.ID} }
		good(http.StatusNoContent, "POST", members, account(billing))
		good(http.StatusConflict, "POST", members, account(billing))
		good(http.StatusNoContent, "DELETE", members+"/"+billing.ID, nil)
		good(http.StatusNotFound, "DELETE", members+"/"+billing.ID, nil)
		good(http.StatusNotFound, "POST", members, map[string]any{"accountId": "nobody"})
		good(http.StatusForbidden, "POST", admin("v2", "/directories/dir-2/groups/"+sales.ID+"/memberships"), account(billing))
		bad(http.StatusBadRequest, "POST", members, `{}`)
		inDir := admin("v2", "/directories/"+finance.DirectoryID)
		role := map[string]any{"resourceId": jira, "roleId": "atlassian/user"}
		good(http.StatusOK, "GET", inDir+"/groups/"+finance.ID, nil)
		good(http.StatusNotFound, "GET", inDir+"/groups/none", nil)
		good(http.StatusOK, "POST", inDir+"/groups/"+finance.ID+"/role-assignments/assign", role)
		good(http.StatusOK, "GET", inDir+"/groups/"+finance.ID+"/role-assignments?limit=1&roleIds=atlassian/user", nil)
		good(http.StatusOK, "GET", inDir+"/users/"+full.ID+"/role-assignments?limit=1", nil)
		good(http.StatusNotFound, "GET", inDir+"/users/nobody/role-assignments", nil)
		good(http.StatusNoContent, "POST", inDir+"/groups/"+finance.ID+"/role-assignments/revoke", role)
		good(http.StatusOK, "POST", admin("v2", "/workspaces"), map[string]any{"limit": 1})
		bad(http.StatusBadRequest, "POST", admin("v2", "/workspaces"), map[string]any{"limit": 0})
		invited := func(address string) map[string]any {
			return map[string]any{
				"emails": []string{address}, "additionalGroups": []string{finance.ID}, "sendNotification": true,
				"permissionRules": []map[string]string{{"resource": jira, "role": "atlassian/user"}}, "notificationText": "Hi",
			}
		}
		good(http.StatusOK, "POST", admin("v2", "/users/invite"), invited("invited@example.com"))
		good(http.StatusPartialContent, "POST", admin("v2", "/users/invite"), invited("no address"))
		good(http.StatusBadRequest, "POST", admin("v2", "/users/invite"), map[string]any{"emails": []string{}})
		w.SetFree(true)
		good(http.StatusPaymentRequired, "POST", admin("v2", "/users/invite"), invited("new3@example.com"))
		w.SetFree(false)
		for _, call := range []string{"assign", "revoke"} {
			roles := admin("v1", "/users/"+full.ID+"/roles/"+call)
			good(http.StatusNoContent, "POST", roles, map[string]any{"role": "atlassian/user", "resource": jira})
			good(http.StatusNotFound, "POST", roles, map[string]any{"role": "atlassian/user", "resource": "ari:none"})
			bad(http.StatusBadRequest, "POST", roles, `{}`)
			platform := admin("v1", "/users/"+billing.ID+"/role-assignments/"+call)
			good(http.StatusNoContent, "POST", platform, map[string]any{"role": "atlassian/org-admin"})
		}
		one := admin("v2", "/directories/dir-2/users/"+billing.ID)
		good(http.StatusNoContent, "POST", one+"/suspend", `{}`)
		good(http.StatusNoContent, "POST", one+"/restore", `{}`)
		good(http.StatusForbidden, "POST", admin("v2", "/directories/dir-2/users/"+full.ID+"/suspend"), `{}`)
		bad(http.StatusUnsupportedMediaType, "POST", one+"/suspend", nil)
		good(http.StatusNoContent, "DELETE", one, nil)
		good(http.StatusNotFound, "DELETE", one, nil)
		good(http.StatusNotFound, "POST", one+"/restore", `{}`)
		bad(http.StatusUnsupportedMediaType, "POST", members, nil)
		bad(http.StatusBadRequest, "POST", groups, map[string]any{"limit": 0})
		bad(http.StatusUnsupportedMediaType, "POST", groups, nil)
		bad(http.StatusUnsupportedMediaType, "POST", search, nil)
		good(http.StatusOK, "GET", admin("v2", "/directories/dir-2/users/"+full.ID), nil)
		good(http.StatusNotFound, "GET", admin("v2", "/directories/-/users/nobody"), nil)
	})

	calls := []struct{ method, path, body string }{
		{"GET", manage(full, ""), ""},
		{"GET", manage(full, "/profile"), ""},
		{"PATCH", manage(full, "/profile"), `{"name":"Other"}`},
		{"PUT", manage(full, "/email"), `{"email":"other@example.com"}`},
		{"POST", manage(full, "/lifecycle/disable"), `{}`},
		{"POST", manage(full, "/lifecycle/enable"), `{}`},
		{"GET", "/admin/v1/orgs", ""},
		{"GET", admin("v1", ""), ""},
		{"GET", admin("v1", "/users"), ""},
		{"GET", admin("v1", "/domains"), ""},
		{"GET", admin("v2", "/directories"), ""},
		{"POST", admin("v2", "/directories/-/users/search"), `{}`},
		{"POST", admin("v2", "/directories/-/groups/search"), `{}`},
		{"GET", admin("v2", "/directories/-/users/"+full.ID), ""},
	}
	every := func(status int) {
		t.Helper()
		for _, each := range calls {
			good(status, each.method, each.path, jsonOrNothing(each.body))
		}
	}
	t.Run("limits and outages", func(t *testing.T) {
		w.t = t
		for _, fault := range []organisation.Fault{
			organisation.ThrottledBare(), organisation.Unauthorized(), organisation.Broken(500), organisation.Broken(503),
		} {
			w.SetFaults(organisation.Faults{Before: organisation.On("", "", 0, fault)})
			every(fault.Status)
		}
		w.SetFaults(organisation.Faults{})
	})
	t.Run("keys", func(t *testing.T) {
		w.t = t
		w.key = scopedKey
		for _, each := range calls[:6] {
			good(http.StatusForbidden, each.method, each.path, jsonOrNothing(each.body))
		}
		good(http.StatusOK, "GET", "/admin/v1/orgs", nil)
		w.key = "revoked"
		every(http.StatusUnauthorized)
	})
}

func jsonOrNothing(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// answersOnly checks answers and not requests.
type answersOnly struct {
	t    *testing.T
	spec *contract.Spec
}

func (a answersOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	for _, each := range a.spec.CheckAnswer(r, response.StatusCode, response.Header, body) {
		a.t.Error(each)
	}
	return response, nil
}
