package scim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/wire"
)

const (
	ours, theirs = "dir-hr", "dir-okta"
	orgKey       = "ATCTT-org"
	userSchema   = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema  = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchSchema  = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

func TestPatchChangesTheAccount(t *testing.T) {
	w := start(t)
	user := w.add(ours, "712020:1")
	path := ours + "/Users/" + user.ID
	w.call(http.StatusOK, http.MethodPatch, path, patch(replace("active", false)))
	same(t, "status", w.account("712020:1").Status, "inactive")
	w.call(http.StatusOK, http.MethodPatch, path, patch(replace("active", true)))
	same(t, "status", w.account("712020:1").Status, "active")
	shown := w.call(http.StatusOK, http.MethodPatch, path, patch(
		replace("userName", "new@example.com"),
		replace("emails", []fields{{"value": "new@example.com", "type": "work", "primary": true}}),
		replace("displayName", "New Name"), replace("name.formatted", "New Name"),
	))
	same(t, "userName", shown["userName"], any("new@example.com"))
	same(t, "address", w.account("712020:1").Email, "new@example.com")
	same(t, "name", w.account("712020:1").Name, "New Name")
	w.call(http.StatusOK, http.MethodPatch, path, patch(replace(`emails[type eq "work"].value`, "work@example.com")))
	w.call(http.StatusOK, http.MethodPatch, path, patch(fields{"op": "Replace", "value": fields{"title": "Lead"}}))
	same(t, "address", w.account("712020:1").Email, "work@example.com")
	one := w.call(http.StatusOK, http.MethodGet, path, nil)
	same(t, "title", one["title"], any("Lead"))
	same(t, "account", one["urn:scim:schemas:extension:atlassian-external:1.0"], any(fields{"atlassianAccountId": "712020:1"}))
	patched := func(fields ...string) scim.Effect {
		return scim.Effect{Directory: ours, Kind: "patch", UserID: user.ID, AccountID: "712020:1", Fields: fields}
	}
	w.effects(patched("active"), patched("active"), patched("displayName", "emails", "name.formatted", "userName"),
		patched(`emails[type eq "work"].value`), patched("title"))
	w.noViolations()
}

func TestPatchIsRefused(t *testing.T) {
	w := start(t)
	user := w.add(ours, "712020:1")
	w.add(ours, "712020:2")
	before := w.Users(ours)[0]
	for name, test := range map[string]struct {
		body   any
		status int
		kind   any
	}{
		"small letter": {
			fields{"schemas": []string{patchSchema}, "operations": []fields{replace("active", false)}}, 400, "invalidSyntax",
		},
		"no schema":  {fields{"Operations": []fields{replace("active", false)}}, 400, "invalidSyntax"},
		"no entries": {patch(), 400, "invalidSyntax"},
		"another op": {patch(fields{"op": "move", "path": "active"}), 400, "invalidSyntax"},
		"wrong type": {patch(replace("active", "no")), 400, "invalidValue"},
		"no address": {patch(replace("emails", []fields{})), 400, "invalidValue"},
		"read-only":  {patch(replace("id", "x")), 400, "mutability"},
		"no target": {
			patch(replace("emails", []fields{{"value": "x@example.com"}}), replace("emails[primary eq true].value", "x")),
			400, "noTarget",
		},
		"taken":      {patch(replace("emails[primary eq true].value", "p3@example.com")), 409, "uniqueness"},
		"name taken": {patch(replace("userName", "P2@example.com")), 409, "uniqueness"},
		"half of it": {patch(replace("active", false), replace("nothing", 1)), 400, "invalidPath"},
	} {
		answer := w.call(test.status, http.MethodPatch, ours+"/Users/"+user.ID, test.body)
		same(t, name, answer["scimType"], test.kind)
	}
	w.call(http.StatusNotFound, http.MethodPatch, ours+"/Users/none", patch(replace("active", false)))
	same(t, "the record", w.Users(ours)[0], before)
	same(t, "the account's status", w.account("712020:1").Status, "active")
	w.effects()
}

func newUser(address string) fields {
	return fields{
		"schemas": []string{userSchema}, "userName": address, "displayName": "New",
		"emails": []fields{{"value": address, "type": "work", "primary": true}},
	}
}

func TestCreate(t *testing.T) {
	w := start(t)
	made := w.call(http.StatusCreated, http.MethodPost, ours+"/Users", newUser("new@example.com"))
	id, _ := made["id"].(string)
	user := w.Users(ours)[0]
	account := w.account(user.AccountID)
	if account.Email != "new@example.com" || !account.Managed || account.Name != "New" {
		t.Errorf("account %+v", account)
	}
	// A managed account with the address is linked and not doubled.
	linked := w.call(http.StatusCreated, http.MethodPost, ours+"/Users", newUser("P1@example.com"))
	extension, _ := linked["urn:scim:schemas:extension:atlassian-external:1.0"].(map[string]any)
	same(t, "account", extension["atlassianAccountId"], any("712020:1"))
	same(t, "name", w.account("712020:1").Name, "New")
	again := w.call(http.StatusConflict, http.MethodPost, ours+"/Users", newUser("NEW@example.com"))
	same(t, "again", again["scimType"], any("uniqueness"))
	elsewhere := w.call(http.StatusBadRequest, http.MethodPost, ours+"/Users", newUser("new@elsewhere.example"))
	same(t, "another domain", elsewhere["scimType"], any("invalidValue"))
	w.add(theirs, "712020:2")
	held := w.call(http.StatusConflict, http.MethodPost, ours+"/Users", newUser("p2@example.com"))
	same(t, "held by the provider", held["scimType"], any("uniqueness"))
	w.call(http.StatusBadRequest, http.MethodPost, ours+"/Users", fields{"schemas": []string{userSchema}, "userName": "x"})
	w.call(http.StatusBadRequest, http.MethodPost, ours+"/Users", fields{"userName": "x"})
	w.effects(
		scim.Effect{Directory: ours, Kind: "create", UserID: id, AccountID: user.AccountID},
		scim.Effect{Directory: ours, Kind: "create", UserID: linked["id"].(string), AccountID: "712020:1"},
	)
	w.noViolations()
}

// What a directory owns, everybody else is refused, and the organisation says which directory.
func TestDirectoryOwnsTheAccount(t *testing.T) {
	w := start(t)
	user := w.add(ours, "712020:1")
	ask := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "https://api.test"+path, bytes.NewBufferString(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+orgKey)
		request.Header.Set("Content-Type", "application/json")
		response, err := w.org.Transport().RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var got map[string]any
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return response.StatusCode, got
	}
	const prefix = "/admin/user-provisioning/v1/org/org"
	want := fields{"scimLinks": []any{fields{
		"atlassianAccountId": "712020:1", "directoryId": ours, "orgId": "org", "scimUserId": user.ID,
	}}}
	_, links := ask(http.MethodGet, prefix+"/user/712020:1/get-scim-links", "")
	same(t, "links", links, want)
	_, links = ask(http.MethodPost, prefix+"/get-scim-links-for-email", `{"email":"P1@example.com"}`)
	same(t, "links by address", links, want)
	_, links = ask(http.MethodGet, prefix+"/user/712020:2/get-scim-links", "")
	same(t, "no links", links, fields{"scimLinks": []any{}})
	if status, _ := ask(http.MethodGet, prefix+"/user/none/get-scim-links", ""); status != http.StatusNotFound {
		t.Errorf("links of nobody: status %d", status)
	}
	for path, body := range map[string]string{
		"/email": `{"email":"x@example.com"}`, "/lifecycle/disable": `{}`,
	} {
		method := http.MethodPost
		if path == "/email" {
			method = http.MethodPut
		}
		status, answer := ask(method, "/users/712020:1/manage"+path, body)
		context, _ := answer["context"].(map[string]any)
		if status != http.StatusForbidden {
			t.Errorf("%s: status %d", path, status)
		}
		same(t, "reason of "+path, context["reason"], any(fields{"key": "externalDirectory.scim"}))
	}
	w.noViolations()
}

// An address on a domain that is not verified unties the account and drops the directory's groups.
func TestUnverifiedAddressUnties(t *testing.T) {
	w := start(t)
	user := w.add(ours, "712020:1")
	group, err := w.AddGroup(ours, "hr-all")
	if err != nil {
		t.Fatal(err)
	}
	members := ours + "/Groups/" + group.ID
	w.call(http.StatusOK, http.MethodPatch, members,
		patch(fields{"op": "add", "path": "members", "value": []fields{{"value": user.ID}}}))
	same(t, "groups", w.account("712020:1").Groups, []string{group.OrganisationID})
	w.call(http.StatusOK, http.MethodPatch, ours+"/Users/"+user.ID,
		patch(replace("emails[primary eq true].value", "p1@else.example")))
	account := w.account("712020:1")
	if account.Email != "p1@example.com" || len(account.Groups) != 0 || len(account.SCIM) != 0 || len(account.Locks) != 0 {
		t.Errorf("account %+v", account)
	}
	w.noViolations()
}

func TestDeleteIsForGood(t *testing.T) {
	w := start(t)
	user := w.add(ours, "712020:1")
	w.call(http.StatusNoContent, http.MethodDelete, ours+"/Users/"+user.ID, nil)
	w.call(http.StatusNotFound, http.MethodGet, ours+"/Users/"+user.ID, nil)
	if account := w.account("712020:1"); account.Status != "inactive" || len(account.SCIM) != 0 {
		t.Errorf("account %+v", account)
	}
	if len(w.Violations()) != 1 {
		t.Errorf("violations %q, want the DELETE", w.Violations())
	}
}

func TestGroups(t *testing.T) {
	w := start(t)
	one, two := w.add(ours, "712020:1"), w.add(ours, "712020:2")
	create := func(status int, name string) map[string]any {
		t.Helper()
		return w.call(status, http.MethodPost, ours+"/Groups", fields{"schemas": []string{groupSchema}, "displayName": name})
	}
	made := create(http.StatusCreated, "hr-all")
	id, _ := made["id"].(string)
	create(http.StatusConflict, "HR-all")
	create(http.StatusBadRequest, " ")
	path := ours + "/Groups/" + id
	value := func(ids ...string) []fields {
		all := []fields{}
		for _, each := range ids {
			all = append(all, fields{"value": each})
		}
		return all
	}
	w.call(http.StatusOK, http.MethodPatch, path, patch(fields{"op": "add", "path": "members", "value": value(one.ID, two.ID)}))
	shown := w.call(http.StatusOK, http.MethodPatch, path,
		patch(fields{"op": "remove", "path": `members[value eq "` + one.ID + `"]`}))
	members, _ := shown["members"].([]any)
	same(t, "members", len(members), 1)
	var synced organisation.Group
	for _, each := range w.org.Groups() {
		synced = each
	}
	if !synced.Synced || synced.Name != "hr-all" {
		t.Errorf("the organisation's group %+v", synced)
	}
	same(t, "groups of one", len(w.account("712020:1").Groups), 0)
	same(t, "groups of the other", w.account("712020:2").Groups, []string{synced.ID})
	renamed := w.call(http.StatusBadRequest, http.MethodPatch, path, patch(replace("displayName", "x")))
	same(t, "a new name", renamed["scimType"], any("mutability"))
	w.call(http.StatusNotFound, http.MethodPatch, path, patch(fields{"op": "add", "path": "members", "value": value("none")}))
	w.call(http.StatusNotFound, http.MethodGet, ours+"/Groups/none", nil)
	// A built-in name is answered like any other, and never synced.
	builtIn := create(http.StatusCreated, "site-admins")
	w.call(http.StatusOK, http.MethodPatch, ours+"/Groups/"+builtIn["id"].(string),
		patch(fields{"op": "add", "path": "members", "value": value(one.ID)}))
	same(t, "groups after a built-in one", len(w.account("712020:1").Groups), 0)
	found := w.call(http.StatusOK, http.MethodGet, ours+"/Groups?filter="+url.QueryEscape(`displayName eq "hr-ALL"`), nil)
	same(t, "found", found["totalResults"], any(1.0))
	var kinds []string
	for _, each := range w.Effects() {
		kinds = append(kinds, each.Kind)
	}
	same(t, "effects", kinds, []string{
		"group-create", "member-add", "member-add", "member-remove", "group-create", "member-add",
	})
	w.noViolations()
}

func TestLists(t *testing.T) {
	w := start(t)
	for _, id := range []string{"712020:1", "712020:2", "712020:3"} {
		w.add(ours, id)
	}
	get := func(status int, query string) map[string]any {
		t.Helper()
		return w.call(status, http.MethodGet, ours+"/Users?"+query, nil)
	}
	page := get(http.StatusOK, "startIndex=2&count=1&attributes=userName")
	same(t, "page", page["Resources"], any([]any{fields{
		"schemas": []any{userSchema, "urn:scim:schemas:extension:atlassian-external:1.0"},
		"id":      w.Users(ours)[1].ID, "userName": "p2@example.com",
	}}))
	same(t, "total", page["totalResults"], any(3.0))
	same(t, "behind the end", get(http.StatusOK, "startIndex=9")["Resources"], any([]any{}))
	filter := func(text string) string { return "filter=" + url.QueryEscape(text) }
	same(t, "by name", get(http.StatusOK, filter(`userName eq "P3@example.com"`))["totalResults"], any(1.0))
	for _, bad := range []string{`displayName eq "Person 1"`, `userName sw "p"`, `userName eq p1`, "nonsense"} {
		same(t, bad, get(http.StatusBadRequest, filter(bad))["scimType"], any("invalidFilter"))
	}
	get(http.StatusBadRequest, "count=x")
	w.call(http.StatusOK, http.MethodGet, ours+"/ServiceProviderConfig", nil)
	w.noViolations()
}

func TestKeys(t *testing.T) {
	w := start(t)
	w.key = "key-okta"
	answer := w.call(http.StatusForbidden, http.MethodGet, ours+"/Users", nil)
	if answer["error"] == nil || answer["traceId"] == nil {
		t.Errorf("a key of another directory: %v", answer)
	}
	w.call(http.StatusOK, http.MethodGet, theirs+"/Users", nil)
	w.call(http.StatusNotFound, http.MethodGet, "none/Users", nil)
	for _, key := range []string{orgKey, ""} {
		w.key = key
		w.call(http.StatusUnauthorized, http.MethodGet, ours+"/Users", nil)
	}
}

// The identity provider writes to its own directory: it shows in lastModified, and the account
// follows.
func TestProviderWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.SetExtension("1.1")
		user := w.add(theirs, "712020:1")
		w.key = "key-okta"
		modified := func() string {
			t.Helper()
			meta, _ := w.call(http.StatusOK, http.MethodGet, theirs+"/Users/"+user.ID, nil)["meta"].(map[string]any)
			text, _ := meta["lastModified"].(string)
			return text
		}
		before := modified()
		time.Sleep(time.Hour) // fake time
		if err := w.Push(theirs, user.ID, func(u *scim.User) { u.Active = false }); err != nil {
			t.Fatal(err)
		}
		if after := modified(); after <= before {
			t.Errorf("lastModified %s, before %s", after, before)
		}
		same(t, "status", w.account("712020:1").Status, "inactive")
		one := w.call(http.StatusOK, http.MethodGet, theirs+"/Users/"+user.ID, nil)
		if one["urn:scim:schemas:extension:atlassian-external:1.1"] == nil {
			t.Errorf("no extension in version 1.1: %v", one)
		}
		w.effects()
		w.SetLimit(2)
		w.call(http.StatusOK, http.MethodGet, theirs+"/Users", nil)
		w.call(http.StatusOK, http.MethodGet, theirs+"/Users", nil)
		w.call(http.StatusTooManyRequests, http.MethodGet, theirs+"/Users", nil)
		time.Sleep(time.Minute)
		w.call(http.StatusOK, http.MethodGet, theirs+"/Users", nil)
	})
}

func TestFaults(t *testing.T) {
	w := start(t)
	user := w.add(ours, "712020:1")
	off := patch(replace("active", false))
	w.SetFaults(wire.Faults{Before: func(*http.Request) *wire.Fault {
		return &wire.Fault{Status: http.StatusServiceUnavailable}
	}})
	w.call(http.StatusServiceUnavailable, http.MethodPatch, ours+"/Users/"+user.ID, off)
	same(t, "status", w.account("712020:1").Status, "active")
	w.SetFaults(wire.Faults{After: func(*http.Request) *wire.Fault { return &wire.Fault{Drop: true} }})
	if _, _, err := w.try(http.MethodPatch, ours+"/Users/"+user.ID, off); err == nil {
		t.Error("a dropped call was answered")
	}
	same(t, "status", w.account("712020:1").Status, "inactive")
	w.SetFaults(wire.Faults{})
	w.call(http.StatusNotFound, http.MethodPut, ours+"/Users/"+user.ID, newUser("x@example.com"))
	if len(w.Violations()) != 1 {
		t.Errorf("violations %q, want the call that is not there", w.Violations())
	}
}

func TestNewAndAddRefuse(t *testing.T) {
	if _, err := scim.New(scim.Config{}); err == nil {
		t.Error("a server without an organisation was made")
	}
	w := start(t)
	for _, each := range []scim.Directory{{}, {ID: "x"}, {ID: ours, Key: "x"}, {ID: "x", Key: "key-hr"}} {
		if err := w.AddDirectory(each); err == nil {
			t.Errorf("%+v was taken", each)
		}
	}
	for _, each := range [][2]string{{"none", "712020:1"}, {ours, "none"}} {
		if _, err := w.AddUser(each[0], each[1]); err == nil {
			t.Errorf("user %v was taken", each)
		}
	}
	if _, err := w.AddGroup("none", "x"); err == nil {
		t.Error("a group of no directory was taken")
	}
	group, err := w.AddGroup(ours, "hr-all")
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range [][3]string{{"none", group.ID}, {ours, "none"}, {ours, group.ID, "none"}} {
		if err := w.Join(each[0], each[1], each[2]); err == nil {
			t.Errorf("joining %v was taken", each)
		}
	}
	if err := w.Push(ours, "none", func(*scim.User) {}); err == nil {
		t.Error("a push to no record was taken")
	}
}
