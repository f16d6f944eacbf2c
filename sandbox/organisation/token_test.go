package organisation_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestTokens(t *testing.T) {
	owner, locked := person(1), person(2)
	owner.Tokens = []organisation.Token{
		{ID: "t-1", Label: "laptop", CreatedAt: "2026-01-01T00:00:00Z", Expiry: "2027-01-01T00:00:00Z"},
		{ID: "t-2", Label: "ci", CreatedAt: "2026-02-01T00:00:00Z", LastAccess: "2026-11-01T00:00:00Z"},
	}
	locked.Tokens = owner.Tokens
	locked.Locks = map[string]string{"apiToken.delete": "managedAccount"}
	w := start(t, nil, owner, locked, person(3))
	list := func(a organisation.Account) []any {
		t.Helper()
		return w.call(http.StatusOK, http.MethodGet, manage(a, "/api-tokens"), nil).list
	}
	want := []any{
		fields{"id": "t-1", "label": "laptop", "createdAt": "2026-01-01T00:00:00Z", "expiry": "2027-01-01T00:00:00Z"},
		fields{"id": "t-2", "label": "ci", "createdAt": "2026-02-01T00:00:00Z", "lastAccess": "2026-11-01T00:00:00Z"},
	}
	if diff := cmp.Diff(want, list(owner)); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	// An account that was deactivated keeps its tokens, and they can be revoked.
	w.call(http.StatusNoContent, http.MethodPost, manage(owner, "/lifecycle/disable"), `{}`)
	w.ResetCalls()
	w.call(http.StatusNoContent, http.MethodDelete, manage(owner, "/api-tokens/t-1"), nil)
	if diff := cmp.Diff(want[1:], list(owner)); diff != "" {
		t.Errorf("tokens after revoking one (-want +got):\n%s", diff)
	}
	gone := w.call(http.StatusNotFound, http.MethodDelete, manage(owner, "/api-tokens/t-1"), nil)
	if key := get(t, gone.body, "key"); key != "notFound" {
		t.Errorf("a token that is gone: key %v", key)
	}
	refused := w.call(http.StatusForbidden, http.MethodDelete, manage(locked, "/api-tokens/t-1"), nil)
	if reason := get(t, refused.body, "context", "reason", "key"); reason != "managedAccount" {
		t.Errorf("a locked account: reason %v", reason)
	}
	if got := w.call(http.StatusOK, http.MethodGet, manage(person(3), "/api-tokens"), nil).text; got != "[]" {
		t.Errorf("no tokens are %q, want an empty array", got)
	}
	w.effects(organisation.Effect{AccountID: owner.ID, Kind: "token", From: "t-1"})
	w.noViolations()
}
