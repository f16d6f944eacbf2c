package cli

import (
	"slices"
	"strings"
	"testing"
)

// A line names accounts and groups; what is neither is an error that says so.
func TestPolicyLineNamesGroups(t *testing.T) {
	t.Parallel()
	line, err := readPolicyLine(1, "U0HANA group-add 2 group:finance account:@a.example group:legal = 2")
	if err != nil || !slices.Equal(line.groups, []string{"finance", "legal"}) || !slices.Equal(line.accounts, []string{"@a.example"}) {
		t.Errorf("groups %q, accounts %q, error %v", line.groups, line.accounts, err)
	}
	for _, word := range []string{"group:", "finance", "groups:finance"} {
		_, err := readPolicyLine(1, "U0HANA group-add 2 "+word+" = 2")
		if err == nil || !strings.Contains(err.Error(), "is not account:X or group:NAME") {
			t.Errorf("%s: %v", word, err)
		}
	}
}
