package site_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/sandbox/wire"
)

func TestUsers(t *testing.T) {
	hidden, gone, app := user("2"), user("3"), user("4")
	hidden.HideEmail, gone.Inactive, app.Type = true, true, "app"
	w := start(t, user("1"), hidden, gone, app)
	one, _ := w.get("user?accountId=712020:1&expand=groups").(map[string]any)
	same(t, "address", one["emailAddress"], "p1@example.com")
	same(t, "groups", one["groups"], fields{"size": 0.0, "items": []any{}})
	two, _ := w.get("user?accountId=712020:2").(map[string]any)
	if _, shown := two["emailAddress"]; shown {
		t.Error("an address is shown that is hidden")
	}
	w.call(http.StatusNotFound, http.MethodGet, "user?accountId=712020:9", nil)
	same(t, "everybody", ids(w.get("users/search"), "accountId"), []string{"712020:1", "712020:2", "712020:3", "712020:4"})
	same(t, "second page", ids(w.get("users/search?startAt=1&maxResults=2"), "accountId"), []string{"712020:2", "712020:3"})
	same(t, "behind the end", ids(w.get("users/search?startAt=9"), "accountId"), []string{})
	same(t, "active alone", ids(w.get("user/search?query=person"), "accountId"), []string{"712020:1", "712020:2", "712020:4"})
	same(t, "a prefix, not a part", ids(w.get("user/search?query=erson"), "accountId"), []string{})
	same(t, "by address", ids(w.get("user/search?query=P1@example"), "accountId"), []string{"712020:1"})
	same(t, "by hidden address", ids(w.get("user/search?query=p2@example"), "accountId"), []string{})
	same(t, "by id", ids(w.get("user/search?accountId=712020:2"), "accountId"), []string{"712020:2"})
	w.call(http.StatusBadRequest, http.MethodGet, "user/search", nil)
	w.call(http.StatusBadRequest, http.MethodGet, "users/search?startAt=x", nil)
	page, _ := w.get("user/bulk?accountId=712020:3&accountId=712020:1&accountId=x&maxResults=1").(map[string]any)
	same(t, "bulk", ids(page["values"], "accountId"), []string{"712020:3"})
	same(t, "bulk is not the last page", page["isLast"], false)
	w.noViolations()
}

// Legacy names are resolved by one call alone.
func TestLegacyNames(t *testing.T) {
	w := start(t, user("1"), user("2"))
	found := w.get("user/bulk/migration?username=jdoe1&username=none&key=JIRAUSER10002")
	same(t, "resolved", found, []any{
		fields{"username": "jdoe1", "key": "JIRAUSER10001", "accountId": "712020:1"},
		fields{"username": "jdoe2", "key": "JIRAUSER10002", "accountId": "712020:2"},
	})
	w.call(http.StatusBadRequest, http.MethodGet, "user/bulk/migration", nil)
	w.noViolations()
	w.call(http.StatusBadRequest, http.MethodGet, "user?username=jdoe1", nil)
	if len(w.Violations()) != 1 {
		t.Errorf("violations %q", w.Violations())
	}
}

func TestGroups(t *testing.T) {
	w := start(t, user("1"), user("2"), user("3"))
	join := func(status int, group, id string) reply {
		t.Helper()
		return w.call(status, http.MethodPost, "group/user?groupId="+group, fields{"accountId": id})
	}
	join(http.StatusCreated, "g-1", "712020:1")
	same(t, "groups", ids(w.get("user/groups?accountId=712020:1"), "groupId"), []string{"g-1"})
	already := join(http.StatusBadRequest, "g-1", "712020:1")
	if !strings.Contains(already.text, "already a member of") {
		t.Errorf("a member already: %s", already.text)
	}
	join(http.StatusCreated, "g-2", "712020:2")
	full := join(http.StatusBadRequest, "g-2", "712020:3")
	if !strings.Contains(full.text, "LicenceExceededException") {
		t.Errorf("a full licence: %s", full.text)
	}
	join(http.StatusNotFound, "g-9", "712020:1")
	join(http.StatusNotFound, "g-1", "712020:9")
	w.call(http.StatusBadRequest, http.MethodPost, "group/user?groupId=g-1", fields{})
	w.call(http.StatusOK, http.MethodDelete, "group/user?groupId=g-1&accountId=712020:1", nil)
	w.call(http.StatusNotFound, http.MethodDelete, "group/user?groupId=g-1&accountId=712020:1", nil)
	// A name holds until the group is renamed; the id goes on holding.
	w.AddGroup(site.Group{ID: "g-1", Name: "renamed"})
	w.call(http.StatusNotFound, http.MethodPost, "group/user?groupname=jira-users", fields{"accountId": "712020:1"})
	join(http.StatusCreated, "g-1", "712020:1")
	w.effects(
		site.Effect{AccountID: "712020:1", Kind: "group-add", Group: "g-1"},
		site.Effect{AccountID: "712020:2", Kind: "group-add", Group: "g-2"},
		site.Effect{AccountID: "712020:1", Kind: "group-remove", Group: "g-1"},
		site.Effect{AccountID: "712020:1", Kind: "group-add", Group: "g-1"},
	)
	page, _ := w.get("group/bulk?groupName=renamed").(map[string]any)
	same(t, "group by name", ids(page["values"], "groupId"), []string{"g-1"})
	w.noViolations()
}

func TestInactiveMembersAreHidden(t *testing.T) {
	gone := user("2")
	gone.Inactive, gone.Groups = true, []string{"g-1"}
	active := user("1")
	active.Groups = []string{"g-1"}
	w := start(t, active, gone)
	for query, want := range map[string][]string{
		"":                           {"712020:1"},
		"&includeInactiveUsers=true": {"712020:1", "712020:2"},
	} {
		page, _ := w.get("group/member?groupId=g-1" + query).(map[string]any)
		same(t, "members"+query, ids(page["values"], "accountId"), want)
	}
	w.noViolations()
}

func TestCreateAndDelete(t *testing.T) {
	locked, barred := user("1"), user("2")
	locked.Protected, barred.NoAccess = true, true
	w := start(t, locked, barred)
	create := func(status int, address string, products ...string) reply {
		t.Helper()
		return w.call(status, http.MethodPost, "user",
			fields{"emailAddress": address, "products": append([]string{}, products...)})
	}
	added, _ := create(http.StatusCreated, "new@example.com", "jira-software").value.(map[string]any)
	id, _ := added["accountId"].(string)
	again, _ := create(http.StatusCreated, "NEW@example.com").value.(map[string]any)
	same(t, "the same user again", again["accountId"], any(id))
	create(http.StatusBadRequest, barred.Email)
	create(http.StatusBadRequest, "no address")
	create(http.StatusBadRequest, "other@example.com", "confluence")
	w.call(http.StatusBadRequest, http.MethodPost, "user", fields{"emailAddress": "other@example.com"})
	w.SetSeats(2)
	full := create(http.StatusBadRequest, "other@example.com", "jira-software")
	if !strings.Contains(full.text, "LicenceExceededException") {
		t.Errorf("a full licence: %s", full.text)
	}
	w.SetSeats(0)
	w.CreateSuspended(true)
	suspended, _ := create(http.StatusCreated, "other@example.com").value.(map[string]any)
	same(t, "made by a product admin", suspended["active"], any(false))

	w.call(http.StatusNoContent, http.MethodDelete, "user?accountId="+url.QueryEscape(id), nil)
	w.call(http.StatusNotFound, http.MethodGet, "user?accountId="+url.QueryEscape(id), nil)
	w.call(http.StatusNotFound, http.MethodDelete, "user?accountId="+url.QueryEscape(id), nil)
	w.call(http.StatusBadRequest, http.MethodDelete, "user?accountId=712020:1", nil)
	w.KeepDeleted(true)
	w.call(http.StatusNoContent, http.MethodDelete, "user?accountId=712020:2", nil)
	kept, _ := w.get("user?accountId=712020:2").(map[string]any)
	same(t, "kept", kept["active"], any(false))
	var kinds []string
	for _, each := range w.Effects() {
		kinds = append(kinds, each.Kind)
		if each.Mailed != (each.Kind == "create") {
			t.Errorf("mail: %+v", each)
		}
	}
	same(t, "effects", kinds, []string{"create", "create", "delete", "delete"})
	w.noViolations()
}

func TestColumns(t *testing.T) {
	own := user("1")
	own.Columns = []string{"issuekey", "labels"}
	w := start(t, own, user("2"))
	usual := ids(w.get("settings/columns"), "value")
	same(t, "own columns", ids(w.get("user/columns?accountId=712020:1"), "value"), []string{"issuekey", "labels"})
	same(t, "columns of another", ids(w.get("user/columns?accountId=712020:2"), "value"), usual)
	w.call(http.StatusNoContent, http.MethodDelete, "user/columns?accountId=712020:1", nil)
	same(t, "columns after the reset", ids(w.get("user/columns?accountId=712020:1"), "value"), usual)
	w.call(http.StatusForbidden, http.MethodDelete, "user/columns?accountId=712020:9", nil)
	w.call(http.StatusNotFound, http.MethodGet, "user/columns?accountId=712020:9", nil)
	w.effects(site.Effect{AccountID: "712020:1", Kind: "columns-reset"})
	w.noViolations()
}

// Lacking permission looks like nobody being there, where Jira answers so, and like 403 elsewhere.
func TestPermissionIsLacking(t *testing.T) {
	w := start(t, user("1"))
	w.SetDenied(site.Denied{Browse: true})
	same(t, "search", w.get("user/search?query=person"), []any{})
	for _, path := range []string{
		"user?accountId=712020:1", "users/search", "user/groups?accountId=712020:1", "group/bulk", "group/member?groupId=g-1",
	} {
		w.call(http.StatusForbidden, http.MethodGet, path, nil)
	}
	w.SetDenied(site.Denied{SiteAdmin: true, OrgAdmin: true, AdminsJira: true})
	w.call(http.StatusForbidden, http.MethodPost, "group/user?groupId=g-1", fields{"accountId": "712020:1"})
	w.call(http.StatusForbidden, http.MethodDelete, "group/user?groupId=g-1&accountId=712020:1", nil)
	w.call(http.StatusForbidden, http.MethodPost, "user", fields{"emailAddress": "a@b.example", "products": []string{}})
	w.call(http.StatusForbidden, http.MethodDelete, "user?accountId=712020:1", nil)
	w.call(http.StatusForbidden, http.MethodGet, "user/columns?accountId=712020:1", nil)
	w.call(http.StatusForbidden, http.MethodGet, "settings/columns", nil)
	w.call(http.StatusForbidden, http.MethodDelete, "user/columns?accountId=712020:1", nil)
	w.effects()
}

func TestCredentials(t *testing.T) {
	w := start(t, user("1"))
	w.token = "wrong"
	refused := w.call(http.StatusUnauthorized, http.MethodGet, "user/search?query=person", nil)
	if reason := refused.header.Get("X-Seraph-Loginreason"); reason != "AUTHENTICATED_FAILED" {
		t.Errorf("login reason %q", reason)
	}
	w.FailAsAnonymous(true)
	same(t, "a search with a wrong token", w.get("user/search?query=person"), []any{})
	w.call(http.StatusUnauthorized, http.MethodGet, "myself", nil)
	w.email = ""
	w.FailAsAnonymous(false)
	same(t, "an anonymous search", w.get("user/search?query=person"), []any{})
	w.call(http.StatusUnauthorized, http.MethodGet, "user?accountId=712020:1", nil)
	w.call(http.StatusForbidden, http.MethodGet, "users/search", nil)
	w.email, w.token = "Admin@example.com", "token"
	me, _ := w.get("myself").(map[string]any)
	same(t, "myself", me["emailAddress"], any("admin@example.com"))
	self, _ := me["self"].(string)
	_, path, _ := strings.Cut(self, "/rest/api/3/")
	linked, _ := w.get(path).(map[string]any)
	same(t, "the link of myself", linked["accountId"], me["accountId"])
	w.noViolations()
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, user("1"))
		w.SetLimit(site.Limit{Reads: 10, Writes: 1, RetryAfter: true})
		var near int
		for i := range 10 {
			got := w.call(http.StatusOK, http.MethodGet, "myself", nil)
			if got.header.Get("X-RateLimit-NearLimit") == "true" {
				near++
			}
			if left := got.header.Get("X-RateLimit-Remaining"); left != string(rune('0'+9-i)) {
				t.Errorf("call %d: %s remain", i, left)
			}
		}
		if near != 2 {
			t.Errorf("%d answers were near the limit, want those with less than 20 %% left", near)
		}
		limited := w.call(http.StatusTooManyRequests, http.MethodGet, "myself", nil)
		for name, want := range map[string]string{
			"RateLimit-Reason": "jira-burst-based", "Retry-After": "1", "X-RateLimit-Limit": "10",
			"X-RateLimit-Reset": time.Now().UTC().Truncate(time.Minute).Add(time.Minute).Format("2006-01-02T15:04Z"),
		} {
			if got := limited.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		w.get("user?accountId=712020:1") // another endpoint
		time.Sleep(time.Second)          // fake time
		w.get("myself")
		w.SetLimit(site.Published())
		w.get("myself")
	})
}

func TestFaults(t *testing.T) {
	w := start(t, user("1"))
	once := func(fault wire.Fault) func(*http.Request) *wire.Fault {
		left := true
		return func(*http.Request) *wire.Fault {
			if !left {
				return nil
			}
			left = false
			return &fault
		}
	}
	join := fields{"accountId": "712020:1"}
	w.SetFaults(wire.Faults{Before: once(wire.Fault{Drop: true})})
	if _, err := w.try(http.MethodPost, "group/user?groupId=g-1", join); err == nil {
		t.Error("a dropped call was answered")
	}
	w.effects()
	w.SetFaults(wire.Faults{After: once(wire.Fault{Status: http.StatusBadGateway})})
	w.call(http.StatusBadGateway, http.MethodPost, "group/user?groupId=g-1", join)
	w.effects(site.Effect{AccountID: "712020:1", Kind: "group-add", Group: "g-1"})
	w.SetFaults(wire.Faults{After: once(wire.Fault{Half: true})})
	if got, err := w.try(http.MethodGet, "users/search", nil); err == nil {
		t.Errorf("half an answer is %s", got.text)
	}
	calls := w.Calls()
	if len(calls) != 3 || !calls[0].Dropped || calls[1].Status != http.StatusBadGateway || !calls[2].Dropped {
		t.Errorf("calls %+v", calls)
	}
	w.call(http.StatusNotFound, http.MethodGet, "project", nil)
	if len(w.Violations()) != 1 {
		t.Errorf("violations %q, want the call that is not there", w.Violations())
	}
}

func TestNewAndAddRefuse(t *testing.T) {
	for _, each := range []site.Config{{}, {URL: "x", Email: "x"}, {URL: "x", Token: "x"}, {Email: "x", Token: "x"}} {
		if _, err := site.New(each); err == nil {
			t.Errorf("%+v was taken", each)
		}
	}
	w := start(t)
	for _, each := range []site.User{{}, {AccountID: "a", Groups: []string{"none"}}} {
		if err := w.AddUser(each); err == nil {
			t.Errorf("%+v was taken", each)
		}
	}
}
