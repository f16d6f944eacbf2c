package atlassian_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

// The list of managed accounts counts its pages, and is ended by who counts.
func TestManagedCounts(t *testing.T) {
	t.Parallel()
	var accounts []organisation.Account
	for i := range 45 {
		accounts = append(accounts, person(i))
	}
	w := onSockets(t, nil, accounts...)
	var listed, announced []int
	all, total, err := w.directory.Managed(t.Context(), func(n, of int) error {
		listed, announced = append(listed, n), append(announced, of)
		return nil
	})
	if err != nil || len(all) != 45 || total != 45 || !slices.Equal(listed, []int{20, 40, 45}) || !slices.Equal(announced, []int{45, 45, 45}) {
		t.Errorf("%d of %d accounts, counted %v of %v, %v", len(all), total, listed, announced, err)
	}
	enough := errors.New("enough")
	if _, _, err := w.directory.Managed(t.Context(), func(int, int) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v, want what ended it", err)
	}
}

// Groups are found with their size, what they give and why they are closed; accounts with their groups
// and products.
func TestFoundGroupsAndDetails(t *testing.T) {
	t.Parallel()
	one := person(1)
	one.Products = []organisation.Product{{Key: "jira-software", LastActive: "2026-11-20T10:00:00Z"}}
	w := onSockets(t, nil, one, person(2), person(3))
	inGroup(t, w.Organisation, organisation.Group{ID: "22222222-0000-4000-8000-000000000001", Name: "jira-users"}, personID(1), personID(2))
	inGroup(t, w.Organisation, organisation.Group{ID: "22222222-0000-4000-8000-000000000002", Name: "jira-synced", Synced: true}, personID(1))
	inGroup(t, w.Organisation, organisation.Group{ID: "22222222-0000-4000-8000-000000000003", Name: "finance"})
	groups, more, err := w.directory.SearchGroups(t.Context(), "jira", 5)
	slices.SortFunc(groups, func(a, b workflow.FoundGroup) int { return b.Members - a.Members })
	if err != nil || more || len(groups) != 2 || groups[0].Name != "jira-users" || groups[0].Members != 2 || groups[0].Closed != "" ||
		groups[1].Members != 1 || groups[1].Closed != workflow.GroupSynced {
		t.Errorf("%+v, more %v, %v", groups, more, err)
	}
	if groups, more, err := w.directory.SearchGroups(t.Context(), "", 2); len(groups) != 2 || !more || err != nil {
		t.Errorf("all: %d groups, more %v, %v", len(groups), more, err)
	}
	members, err := w.directory.GroupMembers(t.Context(), "22222222-0000-4000-8000-000000000001")
	if want := map[string]bool{personID(1): true, personID(2): true}; err != nil || !cmp.Equal(members, want) {
		t.Errorf("members: %v, %v", members, err)
	}
	details, err := w.directory.Details(t.Context(), []string{personID(1), personID(3), "no id", personID(1)})
	want := map[string]workflow.Detail{
		personID(1): {
			Status: "active", Groups: []string{"jira-synced", "jira-users"},
			Products: []workflow.ProductUse{{Key: "jira-software", LastActive: "2026-11-20T10:00:00Z"}},
		},
		personID(3): {Status: "active", Groups: []string{}, Products: []workflow.ProductUse{{Key: "jira-software"}}},
	}
	if err != nil || !cmp.Equal(want, details) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(want, details))
	}
}
