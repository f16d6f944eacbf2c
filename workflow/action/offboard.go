package action

import (
	"cmp"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

var offboard = Action{
	Name:  workflow.Offboard,
	Usage: "offboard <user>…",
	Help:  "all that a leaver needs: deactivate, revoke-tokens, and out of every group that can be left",
	Title: Title{
		Does: "Offboard {who}", Done: "Offboarded {who}",
		One: "offboarding", More: "offboardings",
	},
	Becomes: becomes("locked out, without tokens and groups"),
	Subject: workflow.Subject{Managed: true, Hidden: true},
	Groups:  true,
	Locks:   true,
	Reads:   offboardReads,
	Spares:  sparedAtSCIM,
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
	Aim:     Aim{Check: 7, Run: 12},
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
			out = append(out, keptReads(g, f)...)
		}
		if _, ours, _ := keptFor(g, f); ours || g.Closed == "" {
			out = append(out, GroupNamed(g.ID)) // only that tells of a group of organisation admins
		}
	}
	return out
}

// keptReads are the facts that tell whether a group that an identity provider owns is left at a SCIM
// directory of ours, as far as is known. The directories are asked only about whom one of them holds.
func keptReads(g Group, f *Facts) []workflow.Fact {
	out := linkReads(f)
	if !heldByUs(f) {
		return out
	}
	out = append(out, SCIMGroups(g.Name))
	if kept, _, _ := keptGroup(g, Ready(), f); kept.SCIM != "" && heldIn(kept.Directory, f) {
		out = append(out, RecordOf(f.Account.ID, kept.Directory))
	}
	return out
}

// sparedAtSCIM are the facts without which a leaver is locked out all the same: where a SCIM
// directory of ours does not answer, its groups stay.
func sparedAtSCIM(fact workflow.Fact, _ *Facts) bool {
	return fact.Kind == KindSCIMGroups || fact.Kind == KindRecord
}

// leave is what there is to take away from a leaver, and what has to stay.
type leave struct {
	known  bool // all of it has been read
	login  bool
	tokens bool // there are some
	revoke bool // the list can be read, and what stands in it deleted
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
		out.revoke = f.Answers.Allowed(workflow.Manage(id, privilegeTokenDelete), "").Allowed
	}
	groups, listed := f.Answers[GroupsOf(id)]
	out.known = out.known && listed
	var stay []string
	for _, v := range groups {
		g := GroupFrom(v)
		kept, ours, known := keptFor(g, f)
		out.known = out.known && known
		if g.Closed == "" || ours {
			whole, known := f.Answers[GroupNamed(g.ID)]
			out.known = out.known && known
			for _, v := range whole {
				if other := GroupFrom(v); other.ID == g.ID {
					g = other
				}
			}
		}
		if ours && g.Closed == workflow.GroupSynced {
			g = kept
		}
		if g.Closed != "" {
			name := g.words()
			if _, unread := unreadKept(g, f); unread && g.Closed == workflow.GroupSynced {
				name += " (the SCIM directories of ours do not tell whether it is theirs)"
			}
			stay = append(stay, name)
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

// keptFor is a group that an identity provider owns as a SCIM directory of ours keeps it. ours is
// false where none does, or the account's record there is not in it, or nobody tells; known is false
// as long as that is still to be asked.
func keptFor(g Group, f *Facts) (kept Group, ours, known bool) {
	if g.Closed != workflow.GroupSynced {
		return Group{}, false, true
	}
	if missing, unread := unreadKept(g, f); missing || unread {
		return Group{}, false, unread
	}
	kept, _, _ = keptGroup(g, Ready(), f)
	standing, _ := standingIn(kept, f)
	ours = kept.SCIM != "" && len(standing) > 0 && standing[0].Get(workflow.GroupField(kept.ID)) == workflow.GroupIn
	return kept, ours, true
}

// unreadKept reports whether a fact of keptReads is still to be read, and whether one cannot be.
func unreadKept(g Group, f *Facts) (missing, unread bool) {
	for _, fact := range keptReads(g, f) {
		_, read := f.Answers[fact]
		failed := f.Unread[fact] != nil
		missing, unread = missing || !read && !failed, unread || failed
	}
	return missing, unread
}

// steps are what takes it away: the login first, then the tokens, then each group. None waits for
// another, and none expects what another sets: one that fails is no reason to leave out the rest.
func (l leave) steps(f *Facts) []workflow.Step {
	var out []workflow.Step
	if l.login {
		inactive := workflow.Of(workflow.FieldStatus, string(workflow.StatusInactive))
		out = append(out, enablementStep(accountStep(workflow.Deactivate, f, inactive), f))
	}
	if l.tokens || l.revoke && (l.login || len(l.groups) > 0) { // the list when it runs counts: one may be made until then
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
