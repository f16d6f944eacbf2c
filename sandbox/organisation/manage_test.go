package organisation_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestManageShowsTheLocks(t *testing.T) {
	locked := person(1)
	locked.Locks = map[string]string{
		"email.set": "externalDirectory.google", "profile.write": "managedAccount", "profile.write/name": "authPolicy.saml",
	}
	w := start(t, nil, locked, person(2))
	allowed := map[string]any{"allowed": true}
	refused := func(key string) map[string]any {
		return map[string]any{"allowed": false, "reason": map[string]any{"key": key}}
	}

	two := "?privileges=email.set&privileges=lifecycle.enablement"
	got := w.call(http.StatusOK, http.MethodGet, manage(locked, two), nil)
	want := map[string]any{"email.set": refused("externalDirectory.google"), "lifecycle.enablement": allowed}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("two privileges (-want +got):\n%s", diff)
	}
	got = w.call(http.StatusOK, http.MethodGet, manage(locked, "?privileges=profile.write"), nil)
	if diff := cmp.Diff(refused("authPolicy.saml"), get(t, got.body, "profile.write", "name")); diff != "" {
		t.Errorf("name (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(refused("managedAccount"), get(t, got.body, "profile.write", "nickname")); diff != "" {
		t.Errorf("nickname (-want +got):\n%s", diff)
	}
	got = w.call(http.StatusOK, http.MethodGet, manage(person(2), ""), nil)
	if _, deprecated := got.body["profile"]; deprecated || len(got.body) != 7 {
		t.Errorf("all privileges: %v", got.body)
	}
	w.noViolations()
	w.call(http.StatusOK, http.MethodGet, manage(locked, "?privileges=email.set,profile.write"), nil)
	if len(w.Violations()) != 1 {
		t.Errorf("violations %q, want one for the joined privileges", w.Violations())
	}
}

func TestLifecycle(t *testing.T) {
	billing := person(2)
	billing.LifecycleErrors = []organisation.LifecycleError{{Code: "billing", Message: "open invoice"}, {Code: "owner"}}
	locked := person(3)
	locked.Locks = map[string]string{"lifecycle.enablement": "externalDirectory.scim"}
	w := start(t, nil, person(1), billing, locked)

	w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/disable"), fields{"message": "left"})
	if now, _ := w.Account(person(1).ID); now.Status != "inactive" || now.BlockMessage != "left" {
		t.Errorf("after disable: %+v", now)
	}
	user := w.call(http.StatusOK, http.MethodGet, admin("v2", "/directories/-/users/"+person(1).ID), nil)
	if data := get(t, user.body, "data"); get(t, data, "status") != "deactivated" || get(t, data, "deactivatedOn") == nil {
		t.Errorf("v2 shows %v", data)
	}
	w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/enable"), nil)
	w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/disable"), `{}`)

	conflict := w.call(http.StatusConflict, http.MethodPost, manage(billing, "/lifecycle/disable"), `{}`)
	want := []any{map[string]any{"code": "billing", "message": "open invoice"}, map[string]any{"code": "owner"}}
	if diff := cmp.Diff(want, get(t, conflict.body, "context", "errorCodes")); diff != "" {
		t.Errorf("errorCodes (-want +got):\n%s", diff)
	}
	refused := w.call(http.StatusForbidden, http.MethodPost, manage(locked, "/lifecycle/disable"), `{}`)
	if reason := get(t, refused.body, "context", "reason", "key"); reason != "externalDirectory.scim" {
		t.Errorf("reason %v", reason)
	}
	effects := []organisation.Effect{
		{AccountID: person(1).ID, Kind: "disable", From: "active", To: "inactive", Message: "left"},
		{AccountID: person(1).ID, Kind: "enable", From: "inactive", To: "active"},
		{AccountID: person(1).ID, Kind: "disable", From: "active", To: "inactive"},
	}
	if diff := cmp.Diff(effects, w.Effects(), withoutTime); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	w.noViolations()

	w.call(http.StatusBadRequest, http.MethodPost, manage(person(1), "/lifecycle/disable"), `[]`)
	w.call(http.StatusUnsupportedMediaType, http.MethodPost, manage(person(1), "/lifecycle/disable"), nil)
	if len(w.Effects()) != 3 {
		t.Errorf("a malformed call had an effect")
	}
}

func TestKeyKinds(t *testing.T) {
	w := start(t, nil, person(1))
	orgs := w.call(http.StatusOK, http.MethodGet, "/admin/v1/orgs", nil)
	if id := get(t, orgs.body, "data", 0, "id"); id != orgID {
		t.Errorf("organisation %v", id)
	}

	w.key = scopedKey
	if list := w.call(http.StatusOK, http.MethodGet, "/admin/v1/orgs", nil); len(get(t, list.body, "data").([]any)) != 0 {
		t.Errorf("a scoped key sees %s", list.text)
	}
	w.call(http.StatusOK, http.MethodGet, admin("v1", "/users"), nil)
	refused := w.call(http.StatusForbidden, http.MethodGet, manage(person(1), ""), nil)
	if name := get(t, refused.body, "key"); name != "forbidden.insufficientScope" {
		t.Errorf("key %v", name)
	}

	w.SetKey("new")
	w.key = key
	got := w.call(http.StatusUnauthorized, http.MethodGet, manage(person(1), ""), nil)
	if got.text != `{"key":"unauthorized"}` {
		t.Errorf("user management: %s", got.text)
	}
	got = w.call(http.StatusUnauthorized, http.MethodGet, admin("v1", "/users"), nil)
	if get(t, got.body, "code") != 401.0 {
		t.Errorf("organizations: %s", got.text)
	}
	w.call(http.StatusUnauthorized, http.MethodPut, manage(person(1), "/email"), to("x@example.com"))
	w.key = "new"
	w.call(http.StatusOK, http.MethodGet, manage(person(1), ""), nil)

	var known []bool
	for _, each := range w.Calls() {
		known = append(known, each.KeyOK)
	}
	if diff := cmp.Diff([]bool{true, true, true, true, false, false, false, true}, known); diff != "" {
		t.Errorf("KeyOK (-want +got):\n%s", diff)
	}
	if len(w.Effects()) != 0 {
		t.Errorf("a refused key had an effect")
	}
}

func TestOrganisationSelfDescription(t *testing.T) {
	w := start(t, func(c *organisation.Config) { c.Name = "Acme" })
	got := w.call(http.StatusOK, http.MethodGet, admin("v1", ""), nil)
	if name := get(t, got.body, "data", "attributes", "name"); name != "Acme" {
		t.Errorf("name %v", name)
	}
	if link := get(t, got.body, "data", "relationships", "users", "links", "related"); link != w.url+admin("v1", "/users") {
		t.Errorf("users are at %v", link)
	}
	w.call(http.StatusNotFound, http.MethodGet, "/admin/v1/orgs/other", nil)
	w.call(http.StatusNotFound, http.MethodGet, "/admin/v1/orgs/other/users", nil)
	w.call(http.StatusForbidden, http.MethodGet, "/admin/v1/orgs/other/domains", nil)
	w.noViolations()
}
