package actiontest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// naming are settings that name groups and forbid nothing.
type naming struct {
	open

	groups []string
}

func (n naming) Groups() []string { return n.groups }

// every group there is, as settings name them.
func (e *env) everyGroup() naming {
	names := []string{workflow.GroupKey(e.around.SiteGroup)}
	for _, g := range e.org.Groups() {
		names = append(names, workflow.GroupKey(g.Name))
	}
	slices.Sort(names)
	return naming{groups: slices.Compact(names)}
}

// The example of each action tells which groups it is about by their names, where the action says that
// it is about groups, and of none where it does not.
func TestGroupsOfAPlanAreNamed(t *testing.T) {
	for _, act := range action.Catalogue() {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			row, _ := e.row(act)
			traits := e.checkBy(e.everyGroup(), row).Traits
			if traits.Unnamed || len(traits.Touched) > 0 && !act.Groups {
				t.Errorf("%s: groups %v, some without a name: %v", act.Name, traits.Touched, traits.Unnamed)
			}
			if _, named := row.Values.Lookup(workflow.ColumnGroup); named && len(traits.Touched) == 0 {
				t.Errorf("%s: the row names a group, and the plan none", act.Name)
			}
		})
	}
}

// Rules hear of the groups of a site that end with its user, by however the row names them; what is not
// told of these groups counts as any group.
func TestGroupsThatEndAtASite(t *testing.T) {
	for name, test := range map[string]struct {
		row     workflow.Row
		groups  []site.Group // beside that of the site
		hidden  bool         // the site does not show the user's groups
		want    []string
		unnamed bool
	}{
		"by its id":          {row: siteRow(workflow.SiteDelete, "account_id", memberID), want: []string{"site-people"}},
		"by its legacy name": {row: siteRow(workflow.SiteDelete, "username", "legacy3"), want: []string{"site-people"}},
		"in several": {
			row: siteRow(workflow.SiteDelete, "account_id", memberID), groups: []site.Group{{ID: "g-2", Name: "Jira-Administrators"}},
			want: []string{"jira-administrators", "site-people"},
		},
		"in none":   {row: siteRow(workflow.SiteDelete, "account_id", outsiderID)},
		"not shown": {row: siteRow(workflow.SiteDelete, "account_id", memberID), hidden: true, unnamed: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			guard := e.everyGroup()
			u, _ := e.site.User(memberID)
			for _, g := range test.groups {
				e.site.AddGroup(g)
				u.Groups = append(u.Groups, g.ID)
				guard.groups = append(guard.groups, workflow.GroupKey(g.Name))
			}
			if err := e.site.AddUser(u); err != nil {
				t.Fatal(err)
			}
			if test.hidden {
				e.site.SetFaults(wire.Faults{Before: func(r *http.Request) *wire.Fault {
					if strings.HasSuffix(r.URL.Path, "/user/groups") {
						return &wire.Fault{Status: http.StatusNotFound}
					}
					return nil
				}})
			}
			plan := e.checkBy(guard, test.row)
			if plan.Ready() != 1 {
				t.Errorf("%s: %s", name, plan.Changes[0].Reason.Words())
			}
			if diff := cmp.Diff(test.want, plan.Traits.Touched); diff != "" || plan.Traits.Unnamed != test.unnamed {
				t.Errorf("%s (-want +got), some without a name: %v\n%s", name, plan.Traits.Unnamed, diff)
			}
		})
	}
}

// A site membership that ends, of whose groups nobody was asked or one has no name, touches a group
// without a name.
func TestGroupsOfASiteWithoutNames(t *testing.T) {
	step := workflow.Step{
		Action: workflow.SiteDelete, Place: workflow.PlaceSite, Site: "main", AccountID: memberID,
		Set: workflow.Of(workflow.FieldMembership, workflow.MemberNone),
	}
	asked := workflow.Fact{Kind: action.KindSiteGroups, AccountID: memberID, Endpoint: step.Endpoint()}
	for name, answers := range map[string]workflow.Answers{
		"not asked":   {},
		"nobody told": {asked: nil},
		"no name":     {asked: {action.SiteGroupsValues([]action.Group{{ID: "g-1", Name: "finance"}, {ID: "g-2"}})}},
	} {
		d := &action.Draft{Steps: []workflow.Step{step}, Facts: action.Facts{Known: &action.Known{Answers: answers}}}
		if names, unnamed := (action.GroupNames{}).Touched(d); !unnamed {
			t.Errorf("%s: groups %v, none without a name", name, names)
		}
	}
}

// Rules hear of every group, by whatever the row names it, and though the row names none.
func TestGroupsThatRulesHearOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		finance := organisation.Group{ID: "22222222-0000-4000-8000-000000000002", Name: "Finance"}
		e.inMore(finance)
		jira := e.seats(9)
		invite := workflow.Row{Action: workflow.Invite, Values: workflow.Of(workflow.ColumnEmail, "new@"+e.around.Domain).
			With(workflow.ColumnGroup, finance.ID+"; "+jira.Name)}
		for name, test := range map[string]struct {
			row  workflow.Row
			want []string
		}{
			"into a group by its id":       {groupRow(workflow.GroupAdd, outsiderID, finance.ID), []string{"finance"}},
			"into a group in other case":   {groupRow(workflow.GroupAdd, outsiderID, "FINANCE"), []string{"finance"}},
			"out of a group":               {groupRow(workflow.GroupRemove, leaver, "finance"), []string{"finance"}},
			"invited into two":             {invite, []string{"finance", workflow.GroupKey(jira.Name)}},
			"out of all of them":           {accountRow(workflow.Offboard, leaver), []string{workflow.GroupKey(e.around.Group), "finance"}},
			"out of the directory":         {accountRow(workflow.Remove, leaver), []string{workflow.GroupKey(e.around.Group), "finance"}},
			"deleted":                      {accountRow(workflow.Delete, leaver), []string{workflow.GroupKey(e.around.Group), "finance"}},
			"in both, and nothing happens": {accountRow(workflow.Deactivate, leaver), nil},
		} {
			slices.Sort(test.want)
			plan := e.checkBy(e.everyGroup(), test.row)
			if plan.Ready() != 1 {
				t.Fatalf("%s: %s", name, plan.Changes[0].Reason.Words())
			}
			if diff := cmp.Diff(test.want, plan.Traits.Touched); diff != "" || plan.Traits.Unnamed {
				t.Errorf("%s (-want +got), some without a name: %v\n%s", name, plan.Traits.Unnamed, diff)
			}
		}
	})
}

// Groups that nobody names count as any group: those that come with a product, and those of an account
// that is deleted where they are not told.
func TestGroupsThatNobodyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.seats(9)
		address := "new@" + e.around.Domain
		for name, test := range map[string]struct {
			row     workflow.Row
			unnamed bool
		}{
			"a site without products":         {siteRow(workflow.SiteCreate, "email", address), false},
			"a site with one":                 {with(siteRow(workflow.SiteCreate, "email", address), workflow.ColumnProducts, "jira-core"), true},
			"a deletion, groups not told":     {accountRow(workflow.Delete, leaver), true},
			"a deactivation, groups not told": {accountRow(workflow.Deactivate, leaver), false},
		} {
			e.org.SetFaults(organisation.Faults{Before: func(r *http.Request) *wire.Fault {
				if strings.HasSuffix(r.URL.Path, "/groups/search") && strings.Contains(name, "not told") {
					return &wire.Fault{Status: http.StatusForbidden}
				}
				return nil
			}})
			plan := e.checkBy(e.everyGroup(), test.row)
			if plan.Ready() != 1 || plan.Traits.Unnamed != test.unnamed {
				t.Errorf("%s: %d ready, some without a name: %v; %s", name, plan.Ready(), plan.Traits.Unnamed, plan.Changes[0].Reason.Words())
			}
		}
	})
}

// with is a row with another value.
func with(row workflow.Row, column workflow.Column, value string) workflow.Row {
	row.Values = row.Values.With(column, value)
	return row
}
