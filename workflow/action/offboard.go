package action

import (
	"cmp"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

var offboard = Action{
	Name:    workflow.Offboard,
	Usage:   "offboard <user>…",
	Help:    "all that a leaver needs: deactivate, revoke-tokens, and out of every group that can be left",
	Becomes: becomes("locked out, without tokens and groups"),
	Subject: workflow.Subject{Managed: true, Hidden: true},
	Groups:  true,
	Locks:   true,
	Reads:   offboardReads,
	Check:   checkOffboard,
	Steps: func(_ *workflow.Row, f *Facts) []workflow.Step {
		left := leaving(f)
		if !left.known {
			return nil
		}
		return left.steps(f)
	},
	Parts:         []workflow.ActionName{workflow.Deactivate, workflow.RevokeTokens, workflow.GroupRemove},
	UndoneInOrder: true, // the login first: a group may want an active account
	Effects: func(d *Draft) []workflow.Effect {
		left := leaving(&d.Facts)
		out := append(atHome(d), tokensLost(&d.Facts), workflow.EffectGroupsLeft.Times(len(left.groups)))
		if left.login {
			out = append(out, workflow.EffectLockedOut)
		}
		return out
	},
	Cost: Cost{
		Calls: map[workflow.Operation]int{OpDisable: 1, OpRevokeToken: 2, OpGroupRemove: 4},
		Reads: map[workflow.FactKind]int{workflow.KindProfile: 3, KindTokens: 2, KindGroupLeft: 8},
	},
	Example: byID,
}

func offboardReads(_ *workflow.Row, f *Facts) []workflow.Fact {
	id := f.Account.ID
	out := []workflow.Fact{
		workflow.Manage(id, privilegeTokenRead), workflow.Manage(id, privilegeTokenDelete), GroupsOf(id),
	}
	out = append(out, enablementReads(f)...)
	if f.Answers.Allowed(out[0], "").Allowed {
		out = append(out, Tokens(id))
	}
	for _, v := range f.Answers[GroupsOf(id)] {
		g := GroupFrom(v)
		if g.Closed == workflow.GroupSynced {
			out = append(out, SCIMGroups(g.Name))
		}
		if _, kept := keptFor(g, f); kept {
			out = append(out, Links(id))
		}
		if _, kept := keptFor(g, f); kept || g.Closed == "" {
			out = append(out, GroupNamed(g.ID)) // only that tells of a group of organisation admins
		}
	}
	return out
}

// leave is what there is to take away from a leaver, and what has to stay.
type leave struct {
	known  bool // all of it has been read
	login  bool
	tokens bool
	groups []Group
	stays  []string // in words
}

// leaving is what is known of what there is to take away.
func leaving(f *Facts) leave {
	id := f.Account.ID
	out := leave{known: true, login: f.Account.Status == workflow.StatusActive}
	read, asked := f.Answers[workflow.Manage(id, privilegeTokenRead)]
	switch tokens, listed := f.Answers[Tokens(id)]; {
	case !asked:
		out.known = false
	case len(read) > 0 && f.Answers.Allowed(workflow.Manage(id, privilegeTokenRead), "").Allowed && !listed:
		out.known = false
	case !listed || len(tokenIDs(tokens)) > 0 && !f.Answers.Allowed(workflow.Manage(id, privilegeTokenDelete), "").Allowed:
		out.stays = append(out.stays, "its API tokens")
	default:
		out.tokens = len(tokenIDs(tokens)) > 0
	}
	groups, listed := f.Answers[GroupsOf(id)]
	out.known = out.known && listed
	var stay []string
	for _, v := range groups {
		g := GroupFrom(v)
		kept, ours := keptFor(g, f)
		if g.Closed == workflow.GroupSynced {
			_, asked := f.Answers[SCIMGroups(g.Name)]
			_, linked := f.Answers[Links(id)]
			out.known = out.known && asked && (linked || !ours)
		}
		if g.Closed == "" || ours {
			whole, known := f.Answers[GroupNamed(g.ID)]
			out.known = out.known && known
			for _, v := range whole {
				if other := GroupFrom(v); other.ID == g.ID {
					g = other
				}
			}
		}
		if ours && g.Closed == workflow.GroupSynced && heldIn(kept.Directory, f) {
			g = kept
		}
		if g.Closed != "" {
			stay = append(stay, cmp.Or(g.Name, g.ID))
			continue
		}
		out.groups = append(out.groups, g)
	}
	slices.SortFunc(out.groups, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	slices.Sort(stay)
	switch len(stay) {
	case 0:
	case 1:
		out.stays = append(out.stays, "the group "+stay[0])
	default:
		out.stays = append(out.stays, "the groups "+strings.Join(stay, ", "))
	}
	return out
}

// keptFor is a group that an identity provider owns as a SCIM directory of ours keeps it; ours is
// false where none does, as far as is known.
func keptFor(g Group, f *Facts) (kept Group, ours bool) {
	if g.Closed != workflow.GroupSynced {
		return Group{}, false
	}
	kept, known, finding := keptGroup(g, Blocked(workflow.ReasonNoGroup, g.Name), f)
	return kept, known && finding.State == workflow.ChangeReady
}

// steps are what takes it away: the login first, then the tokens, then each group. None waits for
// another, and none expects what another sets: one that fails is no reason to leave out the rest.
func (l leave) steps(f *Facts) []workflow.Step {
	var out []workflow.Step
	if l.login {
		inactive := workflow.Of(workflow.FieldStatus, string(workflow.StatusInactive))
		out = append(out, enablementStep(accountStep(workflow.Deactivate, f, inactive), f))
	}
	if l.tokens {
		out = append(out, revokeStep(f))
	}
	for _, g := range l.groups {
		out = append(out, GroupStep(workflow.GroupRemove, f.Account.ID, g))
	}
	return out
}

func checkOffboard(_ *workflow.Row, f *Facts) Finding {
	left := leaving(f)
	if left.login {
		enablement := workflow.Manage(f.Account.ID, privilegeEnablement)
		if found := allowedHere(workflow.Deactivate, enablement, "", f); found.State != workflow.ChangeReady {
			return found
		}
	}
	switch {
	case !left.known:
		return Ready()
	case len(left.steps(f)) == 0 && len(left.stays) > 0:
		return Unchanged(workflow.ReasonAlready, "deactivated; "+strings.Join(left.stays, " and ")+" cannot be taken away here")
	case len(left.steps(f)) == 0:
		return Unchanged(workflow.ReasonAlready, "deactivated, without API tokens, in no group")
	case len(left.stays) > 0:
		return ReadyBut(workflow.ReasonStays, strings.Join(left.stays, " and "))
	}
	return Ready()
}
