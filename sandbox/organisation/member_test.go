package organisation_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestManagedAccountAsListed(t *testing.T) {
	full := person(1)
	full.Billable, full.LastActive = true, "2026-11-20T10:00:00Z"
	full.Products = []organisation.Product{
		{Key: "confluence", Name: "Confluence", URL: "https://example.atlassian.net", LastActive: "2026-11-19T10:00:00Z"},
		{Key: "trello", Name: "Trello"},
	}
	robot := organisation.Account{ID: "557058:robot", Name: "Robot", Type: "app", Managed: true}
	w := start(t, nil, full, robot)
	w.SetBaseURL("") // then links begin with the host that was asked
	got := w.call(http.StatusOK, http.MethodGet, admin("v1", "/users"), nil)
	want := []any{
		fields{
			"account_id": full.ID, "account_type": "atlassian", "account_status": "active", "name": "Person 1",
			"picture": "https://avatars.example.com/" + full.ID, "email": full.Email, "access_billable": true,
			"last_active": "2026-11-20T10:00:00Z",
			"product_access": []any{
				fields{
					"key": "confluence", "name": "Confluence", "url": "https://example.atlassian.net",
					"last_active": "2026-11-19T10:00:00Z",
				},
				fields{"key": "trello", "name": "Trello"},
			},
			"links": fields{"self": w.url + manage(full, "/profile")},
		},
		fields{
			"account_id": robot.ID, "account_type": "app", "account_status": "active", "name": "Robot",
			"picture": "https://avatars.example.com/" + robot.ID, "access_billable": false, "product_access": []any{},
			"links": fields{"self": w.url + manage(robot, "/profile")},
		},
	}
	if diff := cmp.Diff(want, get(t, got.body, "data")); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

func TestExpansions(t *testing.T) {
	full := person(1)
	full.OrgAdmin = true
	full.Products = []organisation.Product{{Key: "confluence", Name: "Confluence", LastActive: "2026-11-19T10:00:00Z"}}
	w := start(t, nil, full)
	path := admin("v2", "/directories/-/users/search")
	expanded := map[string]any{
		"platformRoles": []any{"atlassian/org-admin"},
		"counts":        fields{"resources": 1.0},
		"groups":        []any{},
		"productAccess": []any{fields{
			"id": "ari:cloud:confluence::site/" + orgID, "key": "confluence", "lastActiveTimestamp": "2026-11-19T10:00:00Z",
		}},
	}
	plain := get(t, w.call(http.StatusOK, http.MethodPost, path, fields{}).body, "data", 0)
	all := get(t, w.call(http.StatusOK, http.MethodPost, path, fields{
		"expand": []string{"platformRoles", "counts.resources", "productAccess", "groups"},
	}).body, "data", 0)
	for name, want := range expanded {
		if diff := cmp.Diff(want, get(t, all, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if unasked := get(t, plain, name); unasked != nil {
			t.Errorf("%s is there unasked: %v", name, unasked)
		}
	}
}

func TestCompositeStatus(t *testing.T) {
	for want, account := range map[string]organisation.Account{
		"active":      {Status: "active"},
		"suspended":   {Membership: "suspended"},
		"not_invited": {Membership: "no_membership"},
		"deactivated": {Status: "inactive", Membership: "suspended"},
	} {
		account.ID = "a"
		w := start(t, nil, account)
		user := w.call(http.StatusOK, http.MethodGet, admin("v2", "/directories/-/users/a"), nil)
		if got := get(t, user.body, "data", "status"); got != want {
			t.Errorf("%+v: status %v, want %s", account, got, want)
		}
	}
}
