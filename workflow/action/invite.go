package action

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// OpInvite invites addresses to the organisation (organizations API v2, POST users/invite). FieldEmail
// are the addresses, FieldProducts ARIs of workspaces, FieldGroups ids of groups, each separated by
// ";"; FieldMessage, which may be missing, is sent to them. The answer tells of each address
// FieldInvited or FieldNotInvited; one of which it tells neither may have been invited or not.
const OpInvite workflow.Operation = "invite"

// MostInvited is how many addresses one call takes.
const MostInvited = 25

// KindInvited is how the holder of the address Arg stands with the organisation: FieldMembership,
// which is workflow.MemberNone for nobody; and of somebody FieldID, FieldName, FieldStatus, which tells of
// a deletion, and GroupField of each group. KindInvitedRoles is the same with ProductField of each workspace on which they have a
// role. About no account.
const (
	KindInvited      workflow.FactKind = "invited"
	KindInvitedRoles workflow.FactKind = "invited-roles"
)

// Unshown is the FieldReason of an answer about an address for which somebody is found whose address is not
// shown, so that how they stand says nothing: FieldID.
const Unshown = "unshown"

// FieldInvited returns the field of an answer that holds the id of the account which has been made
// for an address, or has been found for it, and FieldNotInvited that which says why one was not.
func FieldInvited(address string) workflow.Field {
	return "invited:" + workflow.Field(workflow.AddressKey(address))
}

// FieldNotInvited returns the field that says why no account was made; see FieldInvited.
func FieldNotInvited(address string) workflow.Field {
	return "not-invited:" + workflow.Field(workflow.AddressKey(address))
}

// ProductField returns the field that reports whether somebody has a role on a workspace: "in", or
// missing.
func ProductField(ari string) workflow.Field { return "product:" + workflow.Field(ari) }

var invite = Action{
	Name:  workflow.Invite,
	Usage: "invite <email>… [to <group>…] [products <product>…] [-- message]",
	Help:  "into the organisation; a mail goes out only with a message",
	Title: Title{
		Does: "Invite {who}", Done: "Invited {who}",
		One: "invitation", More: "invitations",
	},
	Becomes: becomes("invited"),
	Columns: []ColumnUse{
		{Column: workflow.ColumnGroup, Field: workflow.FieldGroups, Argument: Argument{Place: Keyed, Word: "to", Say: "to which group"}},
		{Column: workflow.ColumnProducts, Field: workflow.FieldProducts, Argument: Argument{Place: Keyed, Word: "products", Say: "which products"}},
		{Column: workflow.ColumnMessage, Field: workflow.FieldMessage},
		{Column: workflow.ColumnDirectory},
	},
	Subject: workflow.Subject{Absent: true},
	Groups:  true,
	Target:  (*workflow.Row).Address,
	Reads:   inviteReads,
	Check:   checkInvite,
	Steps:   inviteSteps,
	Do: func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		made := inviteMany(ctx, c, []workflow.Step{s})[0]
		return made.Told, made.Err
	},
	DoMany: inviteMany,
	Most:   MostInvited,
	With: func(s workflow.Step) string {
		return strings.Join([]string{s.Set.Get(workflow.FieldMessage), s.Set.Get(workflow.FieldProducts), stepGroups(s)}, "\x00")
	},
	Observes: func(s workflow.Step) []workflow.Fact {
		return []workflow.Fact{invited(s.Set.Get(workflow.FieldEmail), s.Set.Get(workflow.FieldProducts) != "")}
	},
	Proved: hasAll,
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		return workflow.Step{
			Action: workflow.Remove, Place: workflow.PlaceDirectory, Expect: workflow.Of(workflow.FieldEmail, s.Set.Get(workflow.FieldEmail)),
		}, true
	},
	Effects: inviteEffects,
	Cost: Cost{
		Calls: map[workflow.Operation]int{OpInvite: 1},
		Reads: map[workflow.FactKind]int{KindInvited: 2},
	},
	Aim: Aim{Check: 4, Run: 3},
	Example: func(a workflow.Account, in Surroundings) workflow.RowValues {
		local, _, _ := strings.Cut(a.Email, "@")
		return workflow.Of(workflow.ColumnEmail, local+".invited@"+in.Domain).With(workflow.ColumnGroup, in.Group)
	},
}

// invited asks how the holder of an address stands with the organisation.
func invited(address string, roles bool) workflow.Fact {
	fact := workflow.Fact{Kind: KindInvited, Arg: address, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
	if roles {
		fact.Kind = KindInvitedRoles
	}
	return fact
}

func inviteReads(r *workflow.Row, f *Facts) []workflow.Fact {
	products := splitCell(r.Values.Get(workflow.ColumnProducts))
	out := []workflow.Fact{invited(r.Address(), len(products) > 0)}
	if len(products) > 0 {
		out = append(out, Workspaces())
	}
	groups, several := groupFacts(r, f)
	if out = append(out, groups...); several {
		out = append(out, Directories())
	}
	return out
}

// wanted are the groups and workspaces that a row asks for; all reports whether each is known.
func wanted(r *workflow.Row, f *Facts) (groups []Group, products []Workspace, all bool, finding Finding) {
	groups, known, finding := rowGroups(r, f)
	if finding.State != workflow.ChangeReady {
		return nil, nil, false, finding
	}
	for _, g := range groups {
		if g.SCIM != "" { // it takes those alone whom its directory holds
			return nil, nil, false, Blocked(workflow.ReasonGroupClosed, g.Name, workflow.GroupSynced)
		}
	}
	products, all, finding = rowProducts(r, f)
	return groups, products, all && known, finding
}

func checkInvite(r *workflow.Row, f *Facts) Finding {
	address := r.Address()
	groups, products, all, finding := wanted(r, f)
	answer, known := f.Answers[invited(address, r.Values.Get(workflow.ColumnProducts) != "")]
	if finding.State != workflow.ChangeReady || !all || !known || len(answer) == 0 {
		return finding
	}
	now := answer[0]
	id, status := now.Get(workflow.FieldID), workflow.AccountStatus(now.Get(workflow.FieldStatus))
	switch s := inviteStep(address, r, groups, products); {
	case now.Get(workflow.FieldReason) == Unshown && id == "":
		return holderUnknown()
	case now.Get(workflow.FieldReason) == Unshown:
		return Blocked(workflow.ReasonHolderHidden, address, id)
	case status == workflow.StatusDeleting:
		return Blocked(workflow.ReasonTakenDeleting, address, id, now.Get(workflow.FieldName))
	case status == workflow.StatusClosed:
		return Blocked(workflow.ReasonClosed, id)
	case hasAll(now, s):
		return Unchanged(workflow.ReasonAlready, "in the organisation, with all that is asked for")
	case now.Get(workflow.FieldMembership) != workflow.MemberNone:
		return Blocked(workflow.ReasonInvited, address, id)
	case status == workflow.StatusInactive:
		return Blocked(workflow.ReasonInactive, string(workflow.Invite))
	}
	return Ready()
}

func inviteSteps(r *workflow.Row, f *Facts) []workflow.Step {
	groups, products, all, finding := wanted(r, f)
	if !all || finding.State != workflow.ChangeReady {
		return nil
	}
	return []workflow.Step{inviteStep(r.Address(), r, groups, products)}
}

func inviteStep(address string, r *workflow.Row, groups []Group, products []Workspace) workflow.Step {
	set := workflow.Of(workflow.FieldEmail, address).With(workflow.FieldMembership, workflow.MemberActive).
		With(workflow.FieldMessage, r.Values.Get(workflow.ColumnMessage))
	for _, g := range groups {
		set.Set(workflow.GroupField(g.ID), workflow.GroupIn)
	}
	var aris []string
	for _, p := range products {
		aris = append(aris, p.ID)
	}
	slices.Sort(aris)
	set.Set(workflow.FieldProducts, strings.Join(aris, ";"))
	return workflow.Step{
		Action: workflow.Invite, Place: workflow.PlaceDirectory,
		Expect: workflow.Of(workflow.FieldMembership, workflow.MemberNone), Set: set,
	}
}

// hasAll reports whether somebody is in the organisation with all that the step gives.
func hasAll(now workflow.Values, s workflow.Step) bool {
	if is := now.Get(workflow.FieldMembership); is == "" || is == workflow.MemberNone {
		return false
	}
	for field := range s.Set.Keys() {
		if strings.HasPrefix(string(field), string(KindGroup)+":") && now.Get(field) != workflow.GroupIn {
			return false
		}
	}
	for _, ari := range splitCell(s.Set.Get(workflow.FieldProducts)) {
		if now.Get(ProductField(ari)) != workflow.GroupIn {
			return false
		}
	}
	return true
}

// stepGroups are the ids of the groups into which a step puts somebody, separated by ";".
func stepGroups(s workflow.Step) string { return strings.Join(groupsOfStep(s), ";") }

// inviteMany invites the addresses of several steps that ask for the same.
func inviteMany(ctx context.Context, c workflow.Caller, steps []workflow.Step) []Made {
	first := steps[0]
	addresses := make([]string, len(steps))
	for i, s := range steps {
		addresses[i] = s.Set.Get(workflow.FieldEmail)
	}
	told, err := c.Call(ctx, workflow.Call{
		Endpoint: first.Endpoint(), Operation: OpInvite, Action: workflow.Invite,
		Args: workflow.Of(workflow.FieldEmail, strings.Join(addresses, ";")).
			With(workflow.FieldProducts, first.Set.Get(workflow.FieldProducts)).
			With(workflow.FieldGroups, stepGroups(first)).
			With(workflow.FieldMessage, first.Set.Get(workflow.FieldMessage)),
	})
	out := make([]Made, len(steps))
	for i, address := range addresses {
		id, made := told.Lookup(FieldInvited(address))
		why, refused := told.Lookup(FieldNotInvited(address))
		switch {
		case err != nil:
			out[i].Err = err
		case refused && FullWords(why):
			out[i].Err = &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonLicenceFull), Err: fmt.Errorf("not invited: %s", why)}
		case refused:
			out[i].Err = &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonNotInvited, why), Err: fmt.Errorf("not invited: %s", why)}
		case made:
			out[i].Told = workflow.Of(workflow.FieldID, id)
		default:
			out[i].Err = fmt.Errorf("the answer does not tell of %s: %w", address, workflow.ErrUnknownOutcome)
		}
	}
	return out
}

// FullWords reports whether the vendor's words for a refusal speak of a licence without a seat. They
// are not documented.
func FullWords(why string) bool {
	why = strings.ToLower(why)
	return slices.ContainsFunc([]string{"licence", "license", "user limit", "seat"}, func(word string) bool {
		return strings.Contains(why, word)
	})
}

func inviteEffects(d *Draft) []workflow.Effect {
	groups, products, _, _ := wanted(d.Row, &d.Facts)
	out := []workflow.Effect{workflow.EffectNoMail}
	if d.Row.Values.Get(workflow.ColumnMessage) != "" {
		out[0] = workflow.EffectMailed
	}
	var gives []string
	for _, p := range products {
		gives = append(gives, p.TypeKey)
	}
	for _, g := range groups {
		gives = append(gives, g.Gives...)
	}
	if len(gives) == 0 {
		return append(out, workflow.EffectNoProduct)
	}
	slices.Sort(gives)
	return append(out, workflow.EffectGives(slices.Compact(gives)))
}
