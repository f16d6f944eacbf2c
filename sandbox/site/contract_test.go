//go:build contract

package site_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/countersign/countersign/sandbox/contract"
	"github.com/countersign/countersign/sandbox/site"
)

// TestContract compares each call and its refusals with Atlassian's OpenAPI file, in the folder
// that COUNTERSIGN_OPENAPI names.
func TestContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.LoadJira(folder)
	if err != nil {
		t.Fatal(err)
	}
	member := user("1")
	member.Groups, member.Columns = []string{"g-1"}, []string{"labels"}
	w := start(t, member, user("2"))
	w.client.Transport = contract.Transport(w.Transport(), spec, func(problem string) { t.Error(problem) })
	ok, made, gone := http.StatusOK, http.StatusCreated, http.StatusNoContent
	for _, each := range []struct {
		status       int
		method, path string
		body         any
	}{
		{ok, "GET", "myself", nil},
		{ok, "GET", "user?accountId=712020:1&expand=groups,applicationRoles", nil},
		{http.StatusNotFound, "GET", "user?accountId=x", nil},
		{ok, "GET", "user/groups?accountId=712020:1", nil},
		{ok, "GET", "user/bulk?accountId=712020:1&accountId=712020:2&maxResults=1", nil},
		{ok, "GET", "user/bulk/migration?username=jdoe1", nil},
		{ok, "GET", "user/search?query=person&maxResults=1", nil},
		{http.StatusBadRequest, "GET", "user/search", nil},
		{ok, "GET", "users/search?startAt=1", nil},
		{ok, "GET", "user/columns?accountId=712020:1", nil},
		{http.StatusNotFound, "GET", "user/columns?accountId=x", nil},
		{ok, "GET", "settings/columns", nil},
		{gone, "DELETE", "user/columns?accountId=712020:1", nil},
		{http.StatusForbidden, "DELETE", "user/columns?accountId=x", nil},
		{made, "POST", "group/user?groupId=g-1", fields{"accountId": "712020:2"}},
		{http.StatusBadRequest, "POST", "group/user?groupId=g-1", fields{"accountId": "712020:2"}},
		{http.StatusNotFound, "POST", "group/user?groupId=x", fields{"accountId": "712020:2"}},
		{ok, "GET", "group/bulk?groupId=g-1", nil},
		{ok, "GET", "group/member?groupId=g-1&includeInactiveUsers=true&maxResults=1", nil},
		{ok, "DELETE", "group/user?groupId=g-1&accountId=712020:2", nil},
		{http.StatusNotFound, "DELETE", "group/user?groupId=g-1&accountId=712020:2", nil},
		{made, "POST", "user", fields{"emailAddress": "new@example.com", "products": []string{"jira-software"}}},
		{http.StatusBadRequest, "POST", "user", fields{"emailAddress": "none", "products": []string{}}},
		{gone, "DELETE", "user?accountId=712020:2", nil},
		{http.StatusNotFound, "DELETE", "user?accountId=712020:2", nil},
	} {
		w.call(each.status, each.method, each.path, each.body)
	}
	w.SetDenied(site.Denied{Browse: true, SiteAdmin: true, OrgAdmin: true, AdminsJira: true})
	for _, path := range []string{
		"user?accountId=712020:1", "users/search", "user/columns?accountId=712020:1", "settings/columns",
	} {
		w.call(http.StatusForbidden, "GET", path, nil)
	}
	w.token = "wrong"
	w.call(http.StatusUnauthorized, "GET", "settings/columns", nil)
	w.noViolations()
}
