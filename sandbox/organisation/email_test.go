package organisation_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/sandbox/organisation"
)

var withoutTime = cmpopts.IgnoreFields(organisation.Effect{}, "At")

func TestPutEmail(t *testing.T) {
	anna, ben := person(1), person(2)
	synced := person(3)
	synced.Locks = map[string]string{"email.set": "externalDirectory.scim"}
	unverified := person(4)
	unverified.Unverified = true
	closed := person(5)
	closed.Status = "closed"
	hidden := organisation.Account{ID: "557058:hidden", Email: "taken@example.com", Hidden: true}
	outside := organisation.Account{ID: "557058:outside", Email: "outside@elsewhere.example"}

	const taken = `{"key":"emailAlreadyInUse"}`
	broken := func(rule string) string {
		return `{"key":"fieldConstraintsViolated","context":{"fieldViolations":[{"field":"email","violations":[{"key":"` +
			rule + `"}]}]}}`
	}
	for _, test := range []struct {
		name    string
		account organisation.Account
		body    any
		status  int
		want    string // the body, as it is
	}{
		{"new address", anna, to("Anna@Example.com"), 204, ""},
		{"own address in another case", anna, to("PERSON.1@EXAMPLE.COM"), 204, ""},
		{"own address as it is", anna, to(anna.Email), 204, ""},
		{"held in another case", anna, to("PERSON.2@example.com"), 400, taken},
		{"held by a hidden account", anna, to("Taken@example.com"), 400, taken},
		{
			"unverified domain", anna,
			to("a@Pending.example"),
			403,
			`{"key":"forbidden.unclaimedDomain","context":{"domain":"pending.example"}}`,
		},
		{
			"sub-domain of a verified one", anna,
			to("a@mail.example.com"),
			403,
			`{"key":"forbidden.unclaimedDomain","context":{"domain":"mail.example.com"}}`,
		},
		{
			"locked", synced,
			to("new@example.com"),
			403,
			`{"key":"forbidden.action","context":{"allowed":false,"reason":{"key":"externalDirectory.scim"}}}`,
		},
		{
			"closed", closed,
			to("new@example.com"),
			403,
			`{"key":"forbidden.action","context":{"allowed":false,"reason":{"key":"administrative"}}}`,
		},
		{"unverified account", unverified, to("new@example.com"), 403, `{"key":"forbidden.targetUnverified"}`},
		{"unmanaged", outside, to("new@example.com"), 404, `{"key":"accountNotFound"}`},
		{"hidden", hidden, to("new@example.com"), 404, `{"key":"accountNotFound"}`},
		{"unknown", person(99), to("new@example.com"), 404, `{"key":"accountNotFound"}`},
		{
			"user part too long", anna,
			to(strings.Repeat("x", 256) + "@example.com"),
			400,
			broken("partMaxLength"),
		},
		{
			"control character", anna,
			to("a\x00b@example.com"),
			400,
			broken("validCharacters"),
		},
		{"no address", anna, `{}`, 400, `{"key":"bodyParseFailure"}`},
		{"null", anna, `{"email":null}`, 400, `{"key":"bodyParseFailure"}`},
		{"number", anna, `{"email":5}`, 400, `{"key":"bodyParseFailure"}`},
		{"name in another case", anna, `{"Email":"new@example.com"}`, 400, `{"key":"bodyParseFailure"}`},
		{"two values", anna, `{"email":"new@example.com"}{}`, 400, `{"key":"bodyParseFailure"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := start(t, nil, anna, ben, synced, unverified, closed, hidden, outside)
			before := w.Accounts()
			got := w.call(test.status, http.MethodPut, manage(test.account, "/email"), test.body)
			if got.text != test.want {
				t.Errorf("body %s, want %s", got.text, test.want)
			}
			if test.status != http.StatusNoContent {
				if diff := cmp.Diff(before, w.Accounts()); diff != "" {
					t.Errorf("a refused call changed something:\n%s", diff)
				}
				if effects := w.Effects(); len(effects) > 0 {
					t.Errorf("effects of a refused call: %v", effects)
				}
				return
			}
			sent := test.body.(fields)["email"].(string)
			want := []organisation.Effect{{AccountID: test.account.ID, Kind: "email", From: anna.Email, To: sent}}
			if diff := cmp.Diff(want, w.Effects(), withoutTime); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if now, _ := w.Account(test.account.ID); now.Email != sent {
				t.Errorf("address is %q, want %q", now.Email, sent)
			}
			shown := w.call(http.StatusOK, http.MethodGet, manage(test.account, "/profile"), nil)
			if email := get(t, shown.body, "account", "email"); email != sent {
				t.Errorf("profile shows %v, want %q", email, sent)
			}
			w.noViolations()
		})
	}
}

func TestAnAddressThatWasLeftIsFree(t *testing.T) {
	w := start(t, nil, person(1), person(2))
	put := func(status int, who organisation.Account, address string) {
		t.Helper()
		w.call(status, http.MethodPut, manage(who, "/email"), to(address))
	}
	put(http.StatusBadRequest, person(1), person(2).Email)
	put(http.StatusNoContent, person(1), "parked@example.com")
	put(http.StatusNoContent, person(2), person(1).Email)
	put(http.StatusNoContent, person(1), person(2).Email)
	w.Remove(person(1).ID)
	put(http.StatusNoContent, person(2), person(2).Email)
	if count := len(w.Effects()); count != 4 {
		t.Errorf("%d effects, want 4", count)
	}
}

func TestCollisionIsSelectable(t *testing.T) {
	w := start(t, nil, person(1), person(2))
	w.SetCollision(organisation.Collision{Status: http.StatusConflict, Key: "conflict.email"})
	got := w.call(http.StatusConflict, http.MethodPut, manage(person(1), "/email"), to(person(2).Email))
	if got.text != `{"key":"conflict.email"}` {
		t.Errorf("body %s", got.text)
	}
}

func TestPatchProfile(t *testing.T) {
	locked := person(2)
	locked.Locks = map[string]string{"profile.write/name": "authPolicy.saml"}
	w := start(t, nil, person(1), locked)
	got := w.call(http.StatusOK, http.MethodPatch, manage(person(1), "/profile"), map[string]any{
		"name": "Anna Bär", "zoneinfo": "Europe/Berlin", "extended_profile": map[string]string{"job_title": "Lead"},
	})
	if name := get(t, got.body, "account", "name"); name != "Anna Bär" {
		t.Errorf("answer names %v", name)
	}
	now, _ := w.Account(person(1).ID)
	if now.Name != "Anna Bär" || now.TimeZone != "Europe/Berlin" || now.Profile.JobTitle != "Lead" {
		t.Errorf("account is %+v", now)
	}
	refused := w.call(http.StatusForbidden, http.MethodPatch, manage(locked, "/profile"), map[string]string{"name": "No"})
	const want = `{"key":"forbidden.fieldMutation","context":{"name":{"allowed":false,"reason":{"key":"authPolicy.saml"}}}}`
	if refused.text != want {
		t.Errorf("body %s, want %s", refused.text, want)
	}
	long := w.call(http.StatusBadRequest, http.MethodPatch, manage(person(1), "/profile"),
		map[string]string{"name": strings.Repeat("ä", 101)})
	if rule := get(t, long.body, "context", "fieldViolations", 0, "violations", 0, "key"); rule != "maxLength" {
		t.Errorf("violation %v", rule)
	}
	effects := []organisation.Effect{{AccountID: person(1).ID, Kind: "name", From: "Person 1", To: "Anna Bär"}}
	if diff := cmp.Diff(effects, w.Effects(), withoutTime); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	w.noViolations()
}
