package policy_test

import (
	"slices"
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// An account is somebody's own in whatever spelling the settings name it, or Slack shows the address.
func TestOwnersInOtherSpellings(t *testing.T) {
	t.Parallel()
	owners := policy.NewOwners([]workflow.Person{
		{ID: "U0BOB", Email: "bob@example.com"}, {ID: "U0LEA", Email: "Lea@bücher.example"}, {ID: "U0ALICE"},
	}, map[string]string{"U0BOB": "712020:AB-cd", "U0GONE": "712020:ab-cd"})
	for _, test := range []struct {
		id, address, target string
		want                []string
	}{
		{"712020:ab-cd", "", "", []string{"U0BOB"}},
		{"712020:AB-CD", "x@example.com", "", []string{"U0BOB"}},
		{"712020:1", "BOB@example.com", "", []string{"U0BOB"}},
		{"712020:1", "\uff42ob@example.com", "lea@xn--bcher-kva.example", []string{"U0BOB", "U0LEA"}},
		{"", "", "", nil},
		{"712020:ab", "bo@example.com", "", nil},
	} {
		if got := owners.Of(test.id, test.address, test.target); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q", test, got)
		}
	}
}
