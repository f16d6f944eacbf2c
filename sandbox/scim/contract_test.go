//go:build contract

package scim_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/countersign/countersign/sandbox/contract"
)

// TestContract compares each call and its refusals with Atlassian's OpenAPI file, in the folder
// that COUNTERSIGN_OPENAPI names.
func TestContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.LoadProvisioning(folder)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t)
	w.client.Transport = contract.Transport(w.Transport(), spec, func(problem string) { t.Error(problem) })
	user := w.add(ours, "712020:1")
	group, err := w.AddGroup(ours, "hr-all")
	if err != nil {
		t.Fatal(err)
	}
	one, groups := ours+"/Users/"+user.ID, ours+"/Groups"
	for _, version := range []string{"1.0", "1.1"} {
		w.SetExtension(version)
		w.call(http.StatusOK, "GET", ours+"/Users?startIndex=1&count=10", nil)
		w.call(http.StatusOK, "GET", one, nil)
	}
	w.call(http.StatusBadRequest, "GET", ours+"/Users?filter=x", nil)
	w.call(http.StatusNotFound, "GET", ours+"/Users/none", nil)
	w.call(http.StatusCreated, "POST", ours+"/Users", newUser("new@example.com"))
	w.call(http.StatusConflict, "POST", ours+"/Users", newUser("new@example.com"))
	w.call(http.StatusBadRequest, "POST", ours+"/Users", newUser("new@elsewhere.example"))
	w.call(http.StatusOK, "PATCH", one,
		patch(replace("active", false), replace("name.formatted", "New"), replace("title", "Lead")))
	w.call(http.StatusBadRequest, "PATCH", one, patch())
	w.call(http.StatusNotFound, "PATCH", ours+"/Users/none", patch(replace("active", false)))
	member := patch(fields{"op": "add", "path": "members", "value": []fields{{"value": user.ID}}})
	w.call(http.StatusOK, "PATCH", groups+"/"+group.ID, member)
	w.call(http.StatusOK, "GET", one, nil)
	w.call(http.StatusOK, "GET", groups, nil)
	w.call(http.StatusOK, "GET", groups+"/"+group.ID, nil)
	w.call(http.StatusNotFound, "GET", groups+"/none", nil)
	w.call(http.StatusBadRequest, "PATCH", groups+"/"+group.ID, patch(replace("displayName", "x")))
	w.call(http.StatusCreated, "POST", groups, fields{"schemas": []string{groupSchema}, "displayName": "other"})
	w.call(http.StatusConflict, "POST", groups, fields{"schemas": []string{groupSchema}, "displayName": "other"})
	w.call(http.StatusNoContent, "DELETE", one, nil)
	w.call(http.StatusNotFound, "DELETE", one, nil)
	w.key = "key-okta"
	w.call(http.StatusForbidden, "GET", ours+"/Users", nil)
	w.key = "none"
	w.call(http.StatusUnauthorized, "GET", ours+"/Users", nil)
}
