package actiontest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

const heldID = "712020:0003"

// held puts the account into a SCIM directory.
func (e *env) held(directory string) scim.User {
	e.t.Helper()
	user, err := e.scim.AddUser(directory, heldID)
	if err != nil {
		e.t.Fatal(err)
	}
	return user
}

// record is the account's record in our directory as it is.
func (e *env) record() scim.User {
	e.t.Helper()
	for _, u := range e.scim.Users(scimOurs) {
		if u.AccountID == heldID {
			return u
		}
	}
	e.t.Fatalf("account %s has no record", heldID)
	return scim.User{}
}

func rowOf(name workflow.ActionName, more ...string) workflow.Row {
	r := workflow.Row{Action: name, Values: workflow.Of(workflow.ColumnAccountID, heldID)}
	for i := 0; i < len(more); i += 2 {
		r.Set(workflow.Column(more[i]), more[i+1])
	}
	return r
}

// What a SCIM directory of ours owns of an account is changed there, by PATCH, and shows in the record
// and in the profile; undo is made there, too.
func TestHeldByUs(t *testing.T) {
	for name, test := range map[string]struct {
		row    workflow.Row
		fields []string // of the PATCH
		shows  func(scim.User) string
		want   string
	}{
		"rename": {
			rowOf(workflow.Rename, "new_email", "new@example.com"),
			[]string{"emails", "userName"},
			func(u scim.User) string { return u.UserName + " " + u.Emails[0].Value + " " + u.Emails[1].Value },
			"new@example.com home@example.org new@example.com",
		},
		"set-name": {
			rowOf(workflow.SetName, "new_name", "C. Second"),
			[]string{"displayName", "name.formatted"},
			func(u scim.User) string { return u.DisplayName + " " + u.Formatted }, "C. Second C. Second",
		},
		"deactivate": {
			rowOf(workflow.Deactivate),
			[]string{"active"},
			func(u scim.User) string { return map[bool]string{true: "active", false: "inactive"}[u.Active] }, "inactive",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				user := e.held(scimOurs)
				err := e.scim.Push(scimOurs, user.ID, func(u *scim.User) {
					u.Emails = append([]scim.Email{{Value: "home@example.org", Type: "home"}}, u.Emails...)
				})
				if err != nil {
					t.Fatal(err)
				}
				before := e.record()
				plan := e.check(test.row)
				step := plan.Steps()[0]
				if step.Place != workflow.PlaceSCIM || step.Directory != scimOurs {
					t.Fatalf("the step goes to %s %s", step.Place, step.Directory)
				}
				if effects := plan.Changes[0].Effects; !slices.Contains(effects, workflow.EffectInSCIM("hr")) {
					t.Errorf("the effects are %v; the directory is not among them", effects)
				}
				changes := e.run(plan)
				e.allDone(changes)
				if got := test.shows(e.record()); got != test.want {
					t.Errorf("the record shows %s, want %s", got, test.want)
				}
				effects := e.scim.Effects()
				if len(effects) != 1 || effects[0].Kind != "patch" || !slices.Equal(effects[0].Fields, test.fields) {
					t.Errorf("the directory was changed by %+v, want one patch of %v", effects, test.fields)
				}
				if len(e.org.Effects()) > 0 {
					t.Errorf("the account itself was changed: %v", e.org.Effects())
				}
				e.allDone(e.run(e.check(action.Inverse(&changes[0])...)))
				after := e.record()
				if after.Modified = before.Modified; cmp.Diff(before, after) != "" {
					t.Errorf("the record after undo (-before +after)\n%s", cmp.Diff(before, after))
				}
			})
		})
	}
}

// A userName that is no address of the account stays.
func TestOwnUserNameStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		user := e.held(scimOurs)
		if err := e.scim.Push(scimOurs, user.ID, func(u *scim.User) { u.UserName = "E-0042" }); err != nil {
			t.Fatal(err)
		}
		e.allDone(e.run(e.check(rowOf(workflow.Rename, "new_email", "new@example.com"))))
		if got := e.record(); got.UserName != "E-0042" || got.Emails[0].Value != "new@example.com" {
			t.Errorf("the record is %+v", got)
		}
	})
}

// A whole name beside the display name is replaced with that, which is said before; it stays on disk,
// for the way back knows the display name alone.
func TestWholeNameIsSaid(t *testing.T) {
	for whole, said := range map[string]bool{"Second, C.": true, "Person C": false, "": false} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			user := e.held(scimOurs)
			if err := e.scim.Push(scimOurs, user.ID, func(u *scim.User) { u.Formatted = whole }); err != nil {
				t.Fatal(err)
			}
			plan := e.check(rowOf(workflow.SetName, "new_name", "C. Third"))
			if c := plan.Changes[0]; c.State != workflow.ChangeReady || (c.Reason.Code == workflow.ReasonWholeName) != said ||
				said && !strings.Contains(c.Reason.Words(), whole) {
				t.Errorf("%q: the row is %s (%s)", whole, c.State, c.Reason.Words())
			}
			changes := e.run(plan)
			e.allDone(changes)
			if kept := changes[0].Outcome(0).Told.Get(action.FieldFormatted); (kept == whole && whole != "") != said {
				t.Errorf("%q: kept is %q", whole, kept)
			}
			if back := e.check(action.Inverse(&changes[0])...); back.Ready() != 1 || back.Changes[0].Reason.Code != "" {
				t.Errorf("%q: the way back is %s (%s)", whole, back.Changes[0].State, back.Changes[0].Reason.Words())
			}
		})
	}
}

// An account of another directory, or of two, stays blocked with the directory's name; so does one of
// which nothing tells who holds it.
func TestHeldByOthers(t *testing.T) {
	for name, test := range map[string]struct {
		hold func(*env)
		want string // the fact that names the directory
	}{
		"another": {func(e *env) { e.held(scimForeign) }, scimForeign},
		"both":    {func(e *env) { e.held(scimForeign); e.held(scimOurs) }, scimForeign},
		"a listed": {func(e *env) {
			e.org.AddDirectory(organisation.Directory{ID: scimForeign, Name: "Okta"})
			e.held(scimForeign)
		}, "Okta"},
		"nobody": {func(e *env) {
			if err := e.org.Edit(heldID, func(a *organisation.Account) {
				a.Locks = map[string]string{"lifecycle.enablement": "externalDirectory.scim"}
			}); err != nil {
				e.t.Fatal(err)
			}
		}, ""},
		"not told": {func(e *env) {
			e.held(scimOurs)
			e.fail(func(r *http.Request) *organisation.Fault {
				if strings.HasSuffix(r.URL.Path, "/get-scim-links") {
					return &organisation.Fault{Status: http.StatusForbidden}
				}
				return nil
			}, nil)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				test.hold(e)
				for _, act := range []workflow.ActionName{workflow.Deactivate, workflow.Offboard} {
					c := e.check(rowOf(act)).Changes[0]
					if c.State != workflow.ChangeBlocked || c.Reason.Code != workflow.ReasonNotAllowed || c.Reason.Fact(2) != test.want {
						t.Errorf("%s is %s: %s %q", act, c.State, c.Reason.Code, c.Reason.Facts)
					}
				}
			})
		})
	}
}

// A group that is kept in a directory of ours is changed there, for whom that holds, and undone there.
func TestGroupsOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		user := e.held(scimOurs)
		group, err := e.scim.AddGroup(scimOurs, "hr-people")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.scim.AddGroup(scimForeign, "everyone-okta"); err != nil {
			t.Fatal(err)
		}
		if c := e.check(groupRow(workflow.GroupAdd, heldID, "everyone-okta")).Changes[0]; c.Reason.Code != workflow.ReasonGroupClosed {
			t.Errorf("a group of another directory: %s (%s)", c.State, c.Reason.Words())
		}
		if c := e.check(groupRow(workflow.GroupAdd, outsiderID, "hr-people")).Changes[0]; c.Reason.Code != workflow.ReasonNotInSCIM {
			t.Errorf("somebody whom the directory does not hold: %s (%s)", c.State, c.Reason.Words())
		}
		members := func() []string {
			a, _ := e.org.Account(heldID)
			return slices.DeleteFunc(slices.Clone(a.Groups), func(id string) bool { return id != group.OrganisationID })
		}
		plan := e.check(groupRow(workflow.GroupAdd, heldID, "HR-People"))
		changes := e.run(plan)
		e.allDone(changes)
		if len(members()) != 1 || len(e.scim.Effects()) != 1 || e.scim.Effects()[0].UserID != user.ID {
			t.Errorf("in %v after %v", members(), e.scim.Effects())
		}
		if c := e.check(groupRow(workflow.GroupAdd, heldID, "hr-people")).Changes[0]; c.State != workflow.ChangeUnchanged {
			t.Errorf("asked for again it is %s (%s)", c.State, c.Reason.Words())
		}
		back := e.run(e.check(action.Inverse(&changes[0])...))
		e.allDone(back)
		if len(members()) != 0 {
			t.Errorf("in %v after undo", members())
		}
		e.allDone(e.run(e.check(action.Inverse(&back[0])...)))
		changes = e.run(e.check(rowOf(workflow.Offboard)))
		e.allDone(changes)
		a, _ := e.org.Account(heldID)
		if a.Status != "inactive" || len(a.Groups) != 0 {
			t.Errorf("offboarded, it is %s, in %v", a.Status, a.Groups)
		}
		for _, row := range action.Inverse(&changes[0]) {
			e.allDone(e.run(e.check(row)))
		}
		if a, _ = e.org.Account(heldID); a.Status != "active" || len(a.Groups) != 2 {
			t.Errorf("after undo it is %s, in %v", a.Status, a.Groups)
		}
	})
}

// An answer of the directory that got lost is settled by the record; a refused key pauses, and uses up
// no row.
func TestHeldByUsInTrouble(t *testing.T) {
	for name, fail := range map[string]func(*env){
		"lost before": func(e *env) { e.fail(once(organisation.Drop()), nil) },
		"lost after":  func(e *env) { e.fail(nil, once(organisation.Drop())) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				e.held(scimOurs)
				plan := e.check(rowOf(workflow.Rename, "new_email", "new@example.com"))
				fail(e)
				e.allDone(e.run(plan))
				if n := len(e.scim.Effects()); n != 1 {
					t.Errorf("%d effects, want one", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.held(scimOurs)
		plan := e.check(rowOf(workflow.Rename, "new_email", "new@example.com"))
		e.fail(once(organisation.Unauthorized()), nil)
		c := e.run(plan)[0]
		b, _ := e.store.Batch(t.Context(), 1)
		if c.State != workflow.ChangeReady || b.Stop.Cause != workflow.StopKeyRefused || b.Stop.Note != "that of the SCIM directory hr" {
			t.Errorf("with a refused key the row is %s, the stop %+v", c.State, b.Stop)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.held(scimOurs)
		plan := e.check(rowOf(workflow.Rename, "new_email", "new@example.com"))
		if err := e.scim.Push(scimOurs, e.record().ID, func(u *scim.User) { u.Active = false }); err != nil {
			t.Fatal(err)
		}
		c := e.run(plan)[0]
		if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonDrifted || len(e.scim.Effects()) > 0 {
			t.Errorf("changed meanwhile it is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// Who gets the address between check and call is not tied to our directory by it: nothing is sent.
func TestProvisionLeavesHolders(t *testing.T) {
	for name, holder := range map[string]organisation.Account{
		"active":      {ID: "712020:0099", Name: "Other", Managed: true},
		"deactivated": {ID: "712020:0099", Name: "Other", Managed: true, Status: "inactive"},
		"unmanaged":   {ID: "712020:0099", Name: "Other", Membership: "active"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				row := workflow.Row{Action: workflow.Provision, Values: workflow.Of(workflow.ColumnEmail, "new@example.com").
					With(workflow.ColumnNewName, "New One")}
				plan := e.check(row)
				if plan.Ready() != 1 {
					t.Fatalf("the row is %s", plan.Changes[0].Reason.Words())
				}
				holder.Email = "New@example.com"
				if err := e.org.Put(holder); err != nil {
					t.Fatal(err)
				}
				c := e.run(plan)[0]
				if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonDrifted || !strings.Contains(c.Reason.Words(), holder.ID) {
					t.Errorf("the row is %s (%s)", c.State, c.Reason.Words())
				}
				if n := len(e.scim.Effects()); n != 0 || c.Attempts != 0 {
					t.Errorf("%d effects and %d attempts, want none", n, c.Attempts)
				}
			})
		})
	}
}

// behind shows an account's profile as it was, for so many readings.
type behind struct {
	workflow.Directory
	profile workflow.Values
	reads   *int
}

func (b behind) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	answers, err := b.Directory.Read(ctx, facts...)
	if _, asked := answers[workflow.Profile(heldID)]; asked && *b.reads > 0 {
		*b.reads--
		answers[workflow.Profile(heldID)] = []workflow.Values{b.profile}
	}
	return answers, err
}

// A record that is as wanted already is not written again, whoever made it so and however long the
// profile takes to follow.
func TestRecordThatIsSoAlready(t *testing.T) {
	for name, row := range map[string]workflow.Row{
		"rename":     rowOf(workflow.Rename, "new_email", "new@example.com"),
		"set-name":   rowOf(workflow.SetName, "new_name", "C. Second"),
		"deactivate": rowOf(workflow.Deactivate),
	} {
		for _, test := range []struct {
			reads   int // for which the profile is behind
			lost    bool
			effects int
			want    workflow.ChangeState
		}{
			{reads: 1, want: workflow.ChangeUnchanged},
			{reads: 3, want: workflow.ChangeUnchanged},
			{reads: 1000, want: workflow.ChangeFailed},
			{reads: 8, lost: true, effects: 1, want: workflow.ChangeDone},
		} {
			t.Run(name+" "+strconv.Itoa(test.reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEnv(t)
					e.held(scimOurs)
					plan := e.check(row)
					a, _ := e.org.Account(heldID)
					profile := workflow.ProfileValues(workflow.Account{
						Email: a.Email, Status: workflow.AccountStatus(a.Status), Name: a.Name, Type: workflow.TypePerson,
					})
					if test.lost {
						e.fail(nil, once(organisation.Drop()))
					} else {
						err := e.scim.Push(scimOurs, e.record().ID, func(u *scim.User) {
							set := plan.Steps()[0].Set
							if to := set.Get(workflow.FieldEmail); to != "" {
								u.UserName, u.Emails[0].Value = to, to
							}
							if to := set.Get(workflow.FieldName); to != "" {
								u.DisplayName, u.Formatted = to, to
							}
							u.Active = set.Get(workflow.FieldStatus) == ""
						})
						if err != nil {
							t.Fatal(err)
						}
					}
					e.wrap = func(d workflow.Directory) workflow.Directory { return behind{d, profile, &test.reads} }
					c := e.run(plan)[0]
					failed := c.State == workflow.ChangeFailed
					if c.State != test.want || len(e.scim.Effects()) != test.effects || failed && c.Reason.Code != workflow.ReasonNotFollowed {
						t.Errorf("the row is %s (%s) with %d effects, want %s with %d", c.State, c.Reason.Words(), len(e.scim.Effects()),
							test.want, test.effects)
					}
				})
			})
		}
	}
}
