package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// What a kind of events is about is read from its words; what is about something else, or not
// understood, explains nothing.
func TestUnderstand(t *testing.T) {
	for _, test := range []struct{ id, name, want string }{
		{"user_email_changed", "Changed a user's email address", "email"},
		{"userEmailUpdated", "", "email"},
		{"user_name_changed", "Changed a user's full name", "name"},
		{"display_name_updated", "Updated display name", "name"},
		{"user_deactivated", "Deactivated a managed account", "status billable products less"},
		{"user_reactivated", "Reactivated a managed account", "status billable products more"},
		{"user_deletion_scheduled", "Scheduled a managed account for deletion", "status gone billable products less"},
		{"user_deletion_cancelled", "Cancelled the deletion of a managed account", "status gone billable products new more"},
		{"user_added_to_group", "Added a user to a group", "groups products billable more"},
		{"user_removed_from_group", "Removed user from group", "groups products billable less"},
		{"user_granted_product_access", "Granted product access", "products billable more"},
		{"role_revoked", "Revoked a product role", "products billable less"},
		{"user_access_suspended", "Suspended a user's access", "products billable status less"},
		{"user_invited", "Invited a user", "new products billable more"},
		{"user_removed_from_directory", "Removed a user from the directory", "gone products billable less"},
		{"user_updated", "User updated", "email name status"},
		{"scim_user_updated", "Updated a user by the identity provider", "email name status"},
		{"user_login", "Logged in", ""},
		{"user_logged_in_as_user", "Logged in as user", ""},
		{"user_password_changed", "Changed password", ""},
		{"user_api_token_created", "Created an API token of a user", ""},
		{"user_avatar_changed", "Changed a user's avatar", ""},
		{"group_renamed", "Changed the name of a group", ""},
		{"group_deleted", "Deleted a group", ""},
		{"site_name_changed", "Changed the site's name", ""},
		{"domain_claimed", "Claimed a domain", ""},
		{"user_email_verified", "Verified a user's email address", ""},
		{"auth_policy_member_added", "Added a user to an authentication policy", ""},
		{"user_job_title_changed", "Changed a user's job title", ""},
		{"user_verification_enabled", "Enabled two-step verification of a user", ""},
		{"page_viewed", "Viewed a page", ""},
		{"frobnicated", "Frobnicated a user", ""},
		{"by_hand", "", ""},
	} {
		m, ok := understand(workflow.LogKind{ID: test.id, Name: test.name})
		var got []string
		for _, f := range m.fits {
			got = append(got, string(f))
		}
		if ok && m.toward != "" {
			got = append(got, string(m.toward))
		}
		if strings.Join(got, " ") != test.want || ok != (test.want != "") || slices.Contains(m.fits, "") {
			t.Errorf("%s: %q, want %q", test.id, strings.Join(got, " "), test.want)
		}
	}
}

// Who did it is whom the event names: a kind that speaks of an identity provider makes nobody one.
func TestTheActorIsTheEvents(t *testing.T) {
	kind := workflow.LogKind{ID: "scim_user_updated", Name: "Updated a user by the identity provider"}
	meant, ok := understand(kind)
	if !ok {
		t.Fatal("the kind is not understood")
	}
	r := logReader{kinds: map[string]meaning{kind.ID: meant}, keyed: map[string]bool{}}
	for want, actor := range map[string]workflow.LogActor{
		"actor: Support":    {ID: "system", Name: "Support"},
		"person: Ada Lang":  {ID: "712020:ada", Name: "Ada Lang"},
		"app: Sync":         {ID: "x", Name: "Sync", AppID: "a-1", AppType: "forge"},
		"identity provider": {ID: "scim-okta", Name: "Okta", AppID: "user-provisioning", AppType: "identity-provider"},
		"key: deploy-bot":   {ID: "k", Name: "Organization API key", TokenID: "t", TokenLabel: "deploy-bot"},
	} {
		logged := r.understood([]workflow.LogEvent{{ID: "e", Kind: kind.ID, Actor: actor, Objects: []workflow.LogObject{{ID: "a"}}}})
		if len(logged) != 1 || logged[0].Actor != actor || (workflow.Trail{}).By(logged[0]).String() != want {
			t.Errorf("%+v, want %s", logged, want)
		}
	}
}
