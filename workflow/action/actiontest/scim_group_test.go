package actiontest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/workflow"
)

// kept adds a group to our SCIM directory, and changes what the organisation shows of it.
func (e *env) kept(name string, edit func(*organisation.Group)) scim.Group {
	e.t.Helper()
	g, err := e.scim.AddGroup(scimOurs, name)
	if err != nil {
		e.t.Fatal(err)
	}
	if edit == nil {
		return g
	}
	if err := e.org.EditGroup(g.OrganisationID, edit); err != nil {
		e.t.Fatal(err)
	}
	return g
}

// What the organisation says of a group that a SCIM directory of ours keeps holds however the group
// is named, and whatever is asked about it.
func TestGroupsOfOursAreGuarded(t *testing.T) {
	for name, test := range map[string]struct {
		group string // its name in our directory
		edit  func(*organisation.Group)
		code  workflow.ReasonCode // of who asks by the SCIM id
		words string
	}{
		"of admins": {
			"hr-admins", func(g *organisation.Group) { g.OrgAdmins = true }, workflow.ReasonGroupClosed, "organisation admins",
		},
		"the organisation's own": {
			"hr-people", func(g *organisation.Group) { g.Synced = false }, workflow.ReasonNoGroup, "hr-people",
		},
		"fixed": {
			"hr-people", func(g *organisation.Group) { g.Synced, g.Unmodifiable = false, true }, workflow.ReasonNoGroup, "hr-people",
		},
		"of another case": {
			"hr-people", func(g *organisation.Group) { g.Name = "HR-People" }, workflow.ReasonNoGroup, "hr-people",
		},
		"not shown": {"site-admins", nil, workflow.ReasonNoGroup, "site-admins"}, // a built-in name does not sync
		"two of the name, one of admins": {
			"hr-people", func(g *organisation.Group) { g.OrgAdmins = true }, workflow.ReasonGroupClosed, "organisation admins",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				user := e.held(scimOurs)
				g := e.kept(test.group, test.edit)
				if err := e.scim.Join(scimOurs, g.ID, user.ID); err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(name, "two") {
					e.org.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Partners"})
					e.addGroup(organisation.Group{Name: test.group, DirectoryID: "dir-2", Synced: true})
				}
				for _, act := range []workflow.ActionName{workflow.GroupAdd, workflow.GroupRemove} {
					c := e.check(groupRow(act, heldID, g.ID)).Changes[0]
					if c.State != workflow.ChangeBlocked || c.Reason.Code != test.code || !strings.Contains(c.Reason.Words(), test.words) {
						t.Errorf("%s by its id there is %s (%s), want %s", act, c.State, c.Reason.Words(), test.code)
					}
					for _, named := range []string{g.Name, g.OrganisationID} {
						if named == "" {
							continue
						}
						for _, s := range e.check(groupRow(act, heldID, named)).Steps() {
							if s.Place == workflow.PlaceSCIM {
								t.Errorf("%s by %s goes to our directory: %v", act, named, s.Set)
							}
						}
					}
				}
				for _, s := range e.check(rowOf(workflow.Offboard)).Steps() {
					if s.Place == workflow.PlaceSCIM && s.Action == workflow.GroupRemove {
						t.Errorf("offboard leaves it at our directory: %v", s.Set)
					}
				}
			})
		})
	}
}

// A group of our SCIM directory is the same however it is named, with the access that it gives, and
// it takes nobody who is not there yet.
func TestGroupsOfOursByEveryName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.seats(10)
		e.held(scimOurs)
		g := e.kept("hr-people", func(g *organisation.Group) {
			g.Grants = []organisation.Grant{{Resource: jiraID, Role: "atlassian/user"}}
		})
		e.org.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Partners"})
		for _, named := range []string{"HR-people", g.ID, g.OrganisationID} {
			c := e.check(groupRow(workflow.GroupAdd, heldID, named)).Changes[0]
			if c.State != workflow.ChangeReady || len(c.Steps) != 1 || c.Steps[0].Place != workflow.PlaceSCIM {
				t.Fatalf("%s is %s (%s)", named, c.State, c.Reason.Words())
			}
			if !slices.Contains(c.Effects, workflow.EffectGives([]string{"jira-software"})) {
				t.Errorf("%s: the effects %v do not say what it gives access to", named, c.Effects)
			}
			invited := workflow.Row{Action: workflow.Invite, Values: workflow.Of(workflow.ColumnEmail, "new@example.com").
				With(workflow.ColumnGroup, named)}
			if c := e.check(invited).Changes[0]; c.Reason.Code != workflow.ReasonGroupClosed {
				t.Errorf("an invitation into %s is %s (%s)", named, c.State, c.Reason.Words())
			}
		}
		e.addGroup(organisation.Group{Name: "hr-people", DirectoryID: "dir-2"})
		if c := e.check(groupRow(workflow.GroupAdd, heldID, g.ID)).Changes[0]; c.State != workflow.ChangeReady {
			t.Errorf("beside one of the organisation's own it is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// Our SCIM directories are asked about a leaver's groups only where one of them holds the leaver; a
// group stays, and is named, where they do not tell, or do not have the leaver in it. Nothing of it
// keeps anybody from being locked out.
func TestOffboardAsksSCIMForItsOwn(t *testing.T) {
	down := func(part string, status int) func(*env) {
		return func(e *env) {
			e.fail(func(r *http.Request) *organisation.Fault {
				if strings.Contains(r.URL.Path, part) {
					return &organisation.Fault{Status: status}
				}
				return nil
			}, nil)
		}
	}
	for name, test := range map[string]struct {
		held  bool
		in    bool // the record is in the group
		fail  func(*env)
		stays string
	}{
		"held":                        {true, true, func(*env) {}, ""},
		"not in the directory":        {false, false, down("/scim/", http.StatusUnauthorized), "the group hr-people"},
		"nobody tells who holds it":   {true, true, down("/get-scim-links", http.StatusForbidden), "the group hr-people"},
		"the key is refused":          {true, true, down("/Groups", http.StatusUnauthorized), "the group hr-people ("},
		"the directory does not tell": {true, true, down("/Groups", http.StatusServiceUnavailable), "the group hr-people ("},
		"the record cannot be read":   {true, true, down("/Users/", http.StatusUnauthorized), "the group hr-people ("},
		"its record is not in it":     {true, false, func(*env) {}, "the group hr-people"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				g := e.kept("hr-people", nil)
				if test.held {
					user := e.held(scimOurs)
					if err := e.org.Edit(heldID, func(a *organisation.Account) { a.Locks = nil }); err != nil {
						t.Fatal(err)
					}
					if test.in {
						if err := e.scim.Join(scimOurs, g.ID, user.ID); err != nil {
							t.Fatal(err)
						}
					}
				}
				if !test.in {
					if err := e.org.Join(g.OrganisationID, heldID); err != nil {
						t.Fatal(err)
					}
				}
				test.fail(e)
				c := e.check(rowOf(workflow.Offboard)).Changes[0]
				stays := ""
				if c.Reason.Code == workflow.ReasonStays {
					stays = c.Reason.Fact(0)
				}
				if c.State != workflow.ChangeReady || !strings.HasPrefix(stays, test.stays) || (stays == "") != (test.stays == "") {
					t.Errorf("the row is %s (%s), want that %q stays", c.State, c.Reason.Words(), test.stays)
				}
				if n := len(c.Steps); n != 3+map[bool]int{true: 1}[test.stays == ""] {
					t.Errorf("%d steps: %v", n, c.Steps)
				}
			})
		})
	}
}

// A group of an identity provider is locked for whom no SCIM directory of ours holds, whether or not
// those can be asked; of whom one holds it could not be checked.
func TestGroupsOfOthersNeedNoSCIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.held(scimOurs)
		e.addGroup(organisation.Group{Name: "from-okta", Synced: true})
		e.fail(func(r *http.Request) *organisation.Fault {
			if strings.HasPrefix(r.URL.Path, "/scim/") {
				return &organisation.Fault{Status: http.StatusUnauthorized}
			}
			return nil
		}, nil)
		for id, want := range map[string]workflow.ReasonCode{outsiderID: workflow.ReasonGroupClosed, heldID: workflow.ReasonCouldNotCheck} {
			for _, act := range []workflow.ActionName{workflow.GroupAdd, workflow.GroupRemove} {
				if c := e.check(groupRow(act, id, "from-okta")).Changes[0]; c.State != workflow.ChangeBlocked || c.Reason.Code != want {
					t.Errorf("%s of %s is %s (%s), want %s", act, id, c.State, c.Reason.Words(), want)
				}
			}
		}
	})
}
