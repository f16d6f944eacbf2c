package action

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// fieldSCIM is the field of an answer about a group that names the SCIM directory of ours.
const fieldSCIM workflow.Field = "scim"

// scimID is what the id of a group of a SCIM directory looks like; anything else is a name.
var scimID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// keptFacts are the facts that tell whether a group is kept in a SCIM directory of ours, none where
// that is not the question, as far as is known: it is one that an identity provider owns, or the
// organisation shows none and it is named by its id in a directory.
func keptFacts(name string, r *workflow.Row, f *Facts) []workflow.Fact {
	meant, known, finding := meantGroup(name, r, f)
	switch {
	case !known || finding.State != workflow.ChangeReady:
		return nil
	case len(meant) > 0 && meant[0].mayBeKept() && f.Account.ID == "":
		return []workflow.Fact{SCIMGroups(meant[0].Name)}
	case len(meant) > 0 && meant[0].mayBeKept():
		out := linkReads(f)
		for _, fact := range out {
			if _, known := f.Answers[fact]; !known { // whether the next one can be done without is not known
				return out
			}
		}
		return append(out, SCIMGroups(meant[0].Name))
	case len(meant) > 0 || !scimID.MatchString(name):
		return nil
	}
	out := []workflow.Fact{SCIMGroups(name)}
	for _, g := range keptWithID(name, f) {
		out = append(out, GroupNamed(g.Name))
	}
	return out
}

// mayBeKept reports whether a group that the organisation shows may be kept in a SCIM directory of ours,
// where it is found by its name.
func (g Group) mayBeKept() bool { return g.Closed == workflow.GroupSynced && g.Name != "" }

// linkReads are the facts that tell whether a SCIM directory of ours holds the account, where we have
// any.
func linkReads(f *Facts) []workflow.Fact {
	out := []workflow.Fact{SCIMDirectories()}
	if len(f.Answers[SCIMDirectories()]) > 0 {
		out = append(out, Links(f.Account.ID))
	}
	return out
}

// sparedOfOthers are the facts without which a row about a group is judged: what our SCIM directories
// keep, of an account that none of them holds. It gets into none of their groups.
func sparedOfOthers(fact workflow.Fact, f *Facts) bool {
	_, linked := f.Answers[Links(f.Account.ID)]
	return fact.Kind == KindSCIMGroups && !scimID.MatchString(fact.Arg) && linked && !heldByUs(f)
}

// heldByUs reports whether the account is known to be held in a SCIM directory of ours.
func heldByUs(f *Facts) bool {
	return slices.ContainsFunc(f.Answers[Links(f.Account.ID)], func(v workflow.Values) bool { return linkFrom(v).Ours })
}

// keptGroup finds a group that the organisation shows as an identity provider's in the SCIM
// directories of ours, by its exact name. none is the finding where no directory has it.
func keptGroup(shown Group, none Finding, f *Facts) (g Group, known bool, finding Finding) {
	answers, known := f.Answers[SCIMGroups(shown.Name)]
	if f.Unread[SCIMGroups(shown.Name)] != nil {
		return Group{}, true, none
	}
	if !known {
		return Group{}, false, Ready()
	}
	var kept []Group
	for _, v := range answers {
		if g := GroupFrom(v); g.Name != "" && g.Name == shown.Name {
			g.Gives = shown.Gives
			kept = append(kept, g)
		}
	}
	return theOnly(shown.Name, kept, none)
}

// groupWithID finds a group by its id in a SCIM directory of ours. The directory tells its name
// alone: whether it may be touched is for the organisation to say, which must show that very name as
// a group that an identity provider owns.
func groupWithID(id string, f *Facts) (g Group, known bool, finding Finding) {
	if _, known := f.Answers[SCIMGroups(id)]; !known {
		return Group{}, false, Ready()
	}
	kept, known, finding := theOnly(id, keptWithID(id, f), Blocked(workflow.ReasonNoGroup, id))
	if finding.State != workflow.ChangeReady {
		return Group{}, known, finding
	}
	answers, known := f.Answers[GroupNamed(kept.Name)]
	if !known {
		return Group{}, false, Ready()
	}
	var shown []Group
	for _, v := range answers {
		switch g := GroupFrom(v); {
		case g.Name != kept.Name, g.Closed == "", g.Closed == workflow.GroupFixed: // another one, of the organisation's own
		case g.Closed != workflow.GroupSynced:
			return Group{}, true, Blocked(workflow.ReasonGroupClosed, g.Name, g.Closed)
		default:
			shown = append(shown, g)
		}
	}
	meant, _, finding := theOnly(kept.Name, shown, Blocked(workflow.ReasonNoGroup, kept.Name))
	kept.Gives = meant.Gives
	return kept, true, finding
}

// keptWithID are the groups of that id in the SCIM directories of ours, as far as is known.
func keptWithID(id string, f *Facts) []Group {
	var out []Group
	for _, v := range f.Answers[SCIMGroups(id)] {
		if g := GroupFrom(v); strings.EqualFold(g.ID, id) {
			out = append(out, g)
		}
	}
	return out
}

// theOnly is the one group that is meant; none is the finding where there is none.
func theOnly(arg string, all []Group, none Finding) (g Group, known bool, finding Finding) {
	switch len(all) {
	case 0:
		return Group{}, true, none
	case 1:
		return all[0], true, Ready()
	}
	words := make([]string, len(all))
	for i, g := range all {
		words[i] = g.ID + " (" + cmp.Or(g.SCIM, g.Directory) + ")"
	}
	slices.Sort(words)
	return Group{}, true, Blocked(workflow.ReasonAmbiguousGroup, arg, strings.Join(words, ", "))
}

// standingFacts are the facts that tell how the account stands with a group, as far as is known.
func standingFacts(g Group, f *Facts) []workflow.Fact {
	if g.SCIM == "" {
		return []workflow.Fact{MemberOf(f.Account.ID, g.Directory)}
	}
	out := []workflow.Fact{Links(f.Account.ID)}
	if heldIn(g.Directory, f) {
		out = append(out, RecordOf(f.Account.ID, g.Directory))
	}
	return out
}

// heldIn reports whether the account is known to be held in a SCIM directory.
func heldIn(directory string, f *Facts) bool {
	return slices.ContainsFunc(f.Answers[Links(f.Account.ID)], func(v workflow.Values) bool {
		return linkFrom(v).Directory == directory
	})
}

// standingIn is how the account stands with a group: one record with the GroupFields of those where
// it is in, none where the group's directory does not hold it.
func standingIn(g Group, f *Facts) (records []workflow.Values, known bool) {
	if g.SCIM == "" {
		records, known = f.Answers[MemberOf(f.Account.ID, g.Directory)]
		return records, known
	}
	if _, known := f.Answers[Links(f.Account.ID)]; !known || !heldIn(g.Directory, f) {
		return nil, known
	}
	records, known = f.Answers[RecordOf(f.Account.ID, g.Directory)]
	return slices.DeleteFunc(slices.Clone(records), func(v workflow.Values) bool { return v.Get(FieldRecord) == "" }), known
}

// keptIn is the fact by which somebody is seen to be in the group of a step at a SCIM directory, or
// out of it.
func keptIn(s workflow.Step) []workflow.Fact {
	return []workflow.Fact{{Kind: KindRecord, AccountID: s.AccountID, Arg: groupOfStep(s), Endpoint: s.Endpoint()}}
}

// doKeptGroup puts the account's record into a group of a SCIM directory, or takes it out.
func doKeptGroup(ctx context.Context, c workflow.Caller, op workflow.Operation, s workflow.Step) (workflow.Values, error) {
	record := keptIn(s)[0]
	answers, err := c.Read(ctx, record)
	if err != nil {
		return nil, err
	}
	var id string
	if len(answers[record]) > 0 {
		id = answers[record][0].Get(FieldRecord)
	}
	if id == "" {
		return nil, &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRecord, "it has no record of this account any more")}
	}
	return c.Call(ctx, workflow.Call{
		Endpoint: s.Endpoint(), Operation: op, Action: s.Action, AccountID: s.AccountID,
		Args: workflow.Of(workflow.FieldID, groupOfStep(s)).With(FieldRecord, id),
	})
}

// keptEffects say in which SCIM directories of ours the groups are kept.
func keptEffects(groups []Group) []workflow.Effect {
	var out []workflow.Effect
	for _, g := range groups {
		if e := workflow.EffectInSCIM(g.SCIM); g.SCIM != "" && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}
