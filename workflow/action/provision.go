package action

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// fieldHolder is who holds an address.
const fieldHolder workflow.Field = "holder of the address"

var provision = Action{
	Name:  workflow.Provision,
	Usage: "provision <email> <name>",
	Help:  "a new user of a SCIM directory of ours, with an account",
	Title: Title{
		Does: "Provision {who}", Done: "Provisioned {who}",
		One: "new account", More: "new accounts",
	},
	Becomes: becomes("provisioned"),
	Columns: []ColumnUse{
		{
			Column: workflow.ColumnNewName, Required: true, Field: workflow.FieldName, Noun: "a name", Problem: workflow.NameProblem,
			Argument: Argument{Place: Behind, Whole: true, Say: "the name"},
			Value:    func(s workflow.Step) string { return s.Set.Get(workflow.FieldName) },
		},
		{Column: workflow.ColumnDirectory, Value: func(s workflow.Step) string { return s.Directory }},
	},
	Subject: workflow.Subject{Absent: true},
	Target:  (*workflow.Row).Address,
	Reads: func(r *workflow.Row, f *Facts) []workflow.Fact {
		out := []workflow.Fact{workflow.Holders(r.Address()), workflow.DomainsFact(), SCIMDirectories()}
		if directory, _ := rowSCIM(r, f); directory.ID != "" {
			out = append(out, RecordNamed(r.Address(), directory.ID))
		}
		return out
	},
	Check: checkProvision,
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		directory, _ := rowSCIM(r, f)
		if directory.ID == "" {
			return nil
		}
		return []workflow.Step{{
			Action: workflow.Provision, Place: workflow.PlaceSCIM, Directory: directory.ID,
			Expect: workflow.Of(workflow.FieldMembership, workflow.MemberNone),
			Set: workflow.Of(workflow.FieldEmail, r.Address()).With(workflow.FieldName, r.Values.Get(workflow.ColumnNewName)).
				With(workflow.FieldMembership, workflow.MemberActive),
		}}
	},
	Do: func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		if err := unheld(ctx, c, s.Set.Get(workflow.FieldEmail)); err != nil {
			return nil, err
		}
		return c.Call(ctx, workflow.Call{
			Endpoint: s.Endpoint(), Operation: OpProvision, Action: s.Action,
			Args: workflow.Of(workflow.FieldEmail, s.Set.Get(workflow.FieldEmail)).
				With(workflow.FieldName, s.Set.Get(workflow.FieldName)),
		})
	},
	// The answer tells the account; where that was lost, the record of that name does.
	Observes: func(s workflow.Step) []workflow.Fact {
		if s.AccountID != "" {
			return []workflow.Fact{RecordOf(s.AccountID, s.Directory)}
		}
		return []workflow.Fact{RecordNamed(s.Set.Get(workflow.FieldEmail), s.Directory)}
	},
	Proved: func(now workflow.Values, s workflow.Step) bool {
		return now.Get(workflow.FieldMembership) == workflow.MemberActive && now.Get(FieldDisplay) == s.Set.Get(workflow.FieldName) &&
			workflow.SameAddress(now.Get(FieldPrimary), s.Set.Get(workflow.FieldEmail))
	},
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		return workflow.Step{
			Action: workflow.Deactivate, Place: s.Place, Directory: s.Directory, AccountID: s.AccountID,
			Expect: workflow.Of(workflow.FieldEmail, s.Set.Get(workflow.FieldEmail)).
				With(workflow.FieldStatus, string(workflow.StatusActive)),
			Set: workflow.Of(workflow.FieldStatus, string(workflow.StatusInactive)),
		}, true
	},
	Effects: func(d *Draft) []workflow.Effect {
		directory, _ := rowSCIM(d.Row, &d.Facts)
		return []workflow.Effect{workflow.EffectInSCIM(directory.Name), workflow.EffectProvisioned}
	},
	Cost: Cost{Calls: map[workflow.Operation]int{OpProvision: 1}, Reads: map[workflow.FactKind]int{KindRecord: 2, KindInvited: 1}},
	Aim:  Aim{Check: 3, Run: 4},
	Example: func(a workflow.Account, in Surroundings) workflow.RowValues {
		local, _, _ := strings.Cut(a.Email, "@")
		return workflow.Of(workflow.ColumnEmail, local+".provisioned@"+in.Domain).With(workflow.ColumnNewName, a.Name+" the New")
	},
}

// unheld looks who holds the address before it is given to somebody new. A record for an account that
// is there ties it to the directory, and nobody approved that.
func unheld(ctx context.Context, c workflow.Caller, address string) error {
	fact := invited(address, false)
	answers, err := c.Read(ctx, fact)
	if err != nil || len(answers[fact]) == 0 || answers[fact][0].Get(workflow.FieldID) == "" {
		return err
	}
	holder := "account " + answers[fact][0].Get(workflow.FieldID)
	return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonDrifted, FieldNoun(fieldHolder), "nobody", holder)}
}

// rowSCIM is the SCIM directory that a row means: the one that it names, or the only one of ours.
// Its id is "" as long as that is not known; the finding says why a row means none.
func rowSCIM(r *workflow.Row, f *Facts) (directory, Finding) {
	answers, known := f.Answers[SCIMDirectories()]
	if !known {
		return directory{}, Ready()
	}
	var all []directory
	var words []string
	for _, v := range answers {
		d := directory{ID: v.Get(workflow.FieldID), Name: v.Get(workflow.FieldName)}
		all, words = append(all, d), append(words, d.Name+" ("+d.ID+")")
	}
	asked := r.Values.Get(workflow.ColumnDirectory)
	meant := slices.DeleteFunc(all, func(d directory) bool { return asked != "" && asked != d.ID && asked != d.Name })
	if len(meant) != 1 {
		return directory{}, Blocked(workflow.ReasonWhichSCIM, asked, strings.Join(words, ", "))
	}
	return meant[0], Ready()
}

func checkProvision(r *workflow.Row, f *Facts) Finding {
	address, name := r.Address(), r.Values.Get(workflow.ColumnNewName)
	if f.Domains != nil && !f.Domains.Verified(workflow.Domain(address)) {
		domain := workflow.Domain(address)
		return Blocked(workflow.ReasonUnverified, workflow.DisplayDomain(domain), f.Domains.Like(domain))
	}
	directory, finding := rowSCIM(r, f)
	if directory.ID == "" {
		return finding
	}
	answers, known := f.Answers[RecordNamed(address, directory.ID)]
	if !known {
		return Ready()
	}
	if len(answers) > 0 && answers[0].Get(FieldRecord) != "" {
		switch has := answers[0]; {
		case has.Get(workflow.FieldMembership) != workflow.MemberActive:
			return Blocked(workflow.ReasonProvisioned, address, directory.Name, "deactivated; activate it")
		case has.Get(FieldDisplay) != name:
			return Blocked(workflow.ReasonProvisioned, address, directory.Name, "as "+cmp.Or(has.Get(FieldDisplay), "somebody without a name")+"; set-name gives it another name")
		}
		return Unchanged(workflow.ReasonAlready, "in the SCIM directory "+directory.Name)
	}
	// A record for somebody who has an account would tie that account to the directory, which then
	// owns its address, name and login: that is another thing than a new user.
	holders := f.Holders[workflow.AddressKey(address)]
	switch {
	case len(holders) == 0:
		return Ready()
	case holders[0].Status == workflow.StatusDeleting:
		return Blocked(workflow.ReasonTakenDeleting, address, holders[0].ID, holders[0].Name)
	}
	return Blocked(workflow.ReasonTaken, address, holders[0].ID, holders[0].Name, string(holders[0].Status))
}
