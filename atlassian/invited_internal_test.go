package atlassian

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each product and each group of an invitation says why it was refused, mostly the same.
func TestARefusedInvitationSaysItsReasonOnce(t *testing.T) {
	const body = `{"data": [{"email": "ada@example.com", "results": [
		{"roleAssignmentResult": [
			{"resource": "jira", "status": "ERROR", "statusReason": "user limit"},
			{"resource": "confluence", "status": "ERROR", "statusReason": "user limit"}
		], "groupAssignmentResult": [{"group": "staff", "status": "ERROR", "statusReason": "no such group"}]},
		{"roleAssignmentResult": [{"resource": "bitbucket", "status": "ERROR", "statusReason": "user limit"}]}
	]}]}`
	got := readInvited(answer{body: []byte(body)}, func(s string) string { return s })
	want := []Invited{{Email: "ada@example.com", Refused: []string{"user limit", "no such group"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
