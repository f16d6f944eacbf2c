package action

import (
	"context"
	"regexp"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// fieldSCIM is the field of an answer about a group that names the SCIM directory of ours.
const fieldSCIM workflow.Field = "scim"

// scimID is what the id of a group of a SCIM directory looks like; anything else is a name.
var scimID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// keptFact is the fact that tells whether a group that an identity provider owns is kept in a SCIM
// directory of ours; asks is false where that is not the question, as far as is known.
func keptFact(name string, r *workflow.Row, f *Facts) (fact workflow.Fact, asks bool) {
	meant, known, finding := meantGroup(name, r, f)
	switch {
	case !known || finding.State != workflow.ChangeReady:
		return workflow.Fact{}, false
	case len(meant) == 0:
		return SCIMGroups(name), scimID.MatchString(name)
	}
	return SCIMGroups(meant[0].Name), meant[0].Closed == workflow.GroupSynced
}

// keptGroup finds a group in the SCIM directories of ours: by the exact name that the organisation
// shows, or, where it shows none, by its id there. none is the finding where no directory has it.
func keptGroup(shown Group, none Finding, f *Facts) (g Group, known bool, finding Finding) {
	arg := shown.Name
	if arg == "" {
		if arg = shown.ID; !scimID.MatchString(arg) {
			return Group{}, true, none
		}
	}
	answers, known := f.Answers[SCIMGroups(arg)]
	if !known {
		return Group{}, false, Ready()
	}
	var kept []Group
	for _, v := range answers {
		if g := GroupFrom(v); shown.Name != "" && g.Name == shown.Name || shown.Name == "" && g.ID == shown.ID {
			g.Gives = shown.Gives
			kept = append(kept, g)
		}
	}
	switch len(kept) {
	case 0:
		return Group{}, true, none
	case 1:
		return kept[0], true, Ready()
	}
	return Group{}, true, Blocked(workflow.ReasonAmbiguousGroup, arg, kept[0].ID+" ("+kept[0].SCIM+"), "+kept[1].ID+" ("+kept[1].SCIM+")")
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
