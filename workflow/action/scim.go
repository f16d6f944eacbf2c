package action

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Calls at one SCIM directory of ours (user provisioning API): PATCH Users/{id}, with the record of
// FieldID and the attributes of a Record that are to be others; POST Users, of FieldEmail and
// FieldName, which tells FieldID, the account; PATCH Groups/{id}, of the group FieldID and the record
// FieldRecord. DELETE is never sent: it takes the record away for good, and deactivates.
const (
	OpPatchRecord     workflow.Operation = "scim-patch"
	OpProvision       workflow.Operation = "scim-create"
	OpSCIMGroupAdd    workflow.Operation = "scim-group-add"
	OpSCIMGroupRemove workflow.Operation = "scim-group-remove"
)

// What is asked about SCIM directories.
const (
	// KindLinks are the SCIM directories that hold an account: SCIMLink values.
	KindLinks workflow.FactKind = "scim-links"
	// KindRecord is the record of an account in one directory of ours: Record values, of which
	// FieldMembership alone is there where it has none. Arg may be a group of the directory, whose
	// GroupField is told then.
	KindRecord workflow.FactKind = "scim-record"
	// KindRecordNamed is the same by the userName Arg. About no account.
	KindRecordNamed workflow.FactKind = "scim-record-named"
	// KindSCIMGroups are the groups that have Arg as displayName, exactly, or as id, in the
	// directories of ours: Group values. About no account.
	KindSCIMGroups workflow.FactKind = "scim-groups"
	// KindSCIMDirectories are the directories of ours: FieldID and FieldName. About nobody.
	KindSCIMDirectories workflow.FactKind = "scim-directories"
)

// The fields of answers about records, and of calls that change one.
const (
	FieldRecord    workflow.Field = "record"           // id of a record
	FieldUserName  workflow.Field = "record-user"      // userName
	FieldPrimary   workflow.Field = "record-email"     // the primary of emails
	FieldEmails    workflow.Field = "record-emails"    // all of them, as JSON
	FieldDisplay   workflow.Field = "record-name"      // displayName
	FieldFormatted workflow.Field = "record-formatted" // name.formatted
	FieldActive    workflow.Field = "record-active"    // "true" or "false"
)

// ownerSCIM is why a privilege is not ours: a SCIM directory owns what it is about (user management
// API, GET manage).
const ownerSCIM = "externalDirectory.scim"

// Links asks which SCIM directories hold an account.
func Links(id string) workflow.Fact {
	return workflow.Fact{Kind: KindLinks, AccountID: id, Endpoint: workflow.Endpoint{Place: workflow.PlaceAccount}}
}

// RecordOf asks for the record of an account in a SCIM directory of ours.
func RecordOf(id, directory string) workflow.Fact {
	return workflow.Fact{Kind: KindRecord, AccountID: id, Endpoint: atSCIM(directory)}
}

// RecordNamed asks for the record of that userName.
func RecordNamed(name, directory string) workflow.Fact {
	return workflow.Fact{Kind: KindRecordNamed, Arg: name, Endpoint: atSCIM(directory)}
}

// SCIMGroups asks for the groups of the directories of ours that are called so.
func SCIMGroups(name string) workflow.Fact {
	return workflow.Fact{Kind: KindSCIMGroups, Arg: name, Endpoint: atSCIM("")}
}

// SCIMDirectories asks for the directories of ours.
func SCIMDirectories() workflow.Fact {
	return workflow.Fact{Kind: KindSCIMDirectories, Endpoint: atSCIM("")}
}

func atSCIM(directory string) workflow.Endpoint {
	return workflow.Endpoint{Place: workflow.PlaceSCIM, Directory: directory}
}

// SCIMLink is a SCIM directory that holds an account.
type SCIMLink struct {
	Directory string // id
	Name      string // in the settings where it is ours, else as far as anything tells it
	Record    string // id there
	Ours      bool   // we hold its key
}

// Values returns the link as an answer to a fact.
func (l SCIMLink) Values() workflow.Values {
	v := workflow.Of(workflow.FieldDirectory, l.Directory).With(workflow.FieldName, l.Name).With(FieldRecord, l.Record)
	if l.Ours {
		v.Set(workflow.FieldAllowed, "true")
	}
	return v
}

func linkFrom(v workflow.Values) SCIMLink {
	return SCIMLink{
		Directory: v.Get(workflow.FieldDirectory), Name: v.Get(workflow.FieldName), Record: v.Get(FieldRecord),
		Ours: v.Get(workflow.FieldAllowed) != "",
	}
}

// Record is an account's record in a SCIM directory (user provisioning API, schema ScimUser).
type Record struct {
	ID, UserName, DisplayName, Formatted string
	Emails                               json.RawMessage // a list of objects with value and primary
	Active                               bool
	Groups                               []string // ids
}

// Values returns the record as the answer to a fact.
func (r Record) Values() workflow.Values {
	active, member := "false", workflow.MemberSuspended
	if r.Active {
		active, member = "true", workflow.MemberActive
	}
	v := workflow.Of(FieldRecord, r.ID).With(FieldUserName, r.UserName).With(FieldDisplay, r.DisplayName).
		With(FieldFormatted, r.Formatted).With(FieldEmails, string(r.Emails)).With(FieldPrimary, primaryOf(r.Emails)).
		With(FieldActive, active).With(workflow.FieldMembership, member)
	for _, id := range r.Groups {
		v.Set(workflow.GroupField(id), workflow.GroupIn)
	}
	return v
}

// primaryOf returns the address that is the account's, "" where the list names none.
func primaryOf(emails json.RawMessage) string {
	var all []struct {
		Value   string `json:"value"`
		Primary bool   `json:"primary"`
	}
	_ = json.Unmarshal(emails, &all) // what is no list names none
	for _, each := range all {
		if each.Primary {
			return each.Value
		}
	}
	return ""
}

// withPrimary returns the list with another primary address, everything else as it was; ok is false
// where it names none.
func withPrimary(emails, address string) (changed string, ok bool) {
	var all []map[string]any
	if json.Unmarshal([]byte(emails), &all) != nil {
		return "", false
	}
	for _, each := range all {
		if each["primary"] == true {
			each["value"], ok = address, true
			break
		}
	}
	out, err := json.Marshal(all)
	return string(out), ok && err == nil
}

// scimOwns reports whether a SCIM directory owns what the privilege is for, as far as is known.
func scimOwns(fact workflow.Fact, field workflow.Field, f *Facts) bool {
	return f.Answers.Allowed(fact, field).Key == ownerSCIM
}

// home is the one directory of ours that holds an account. known is false until that was asked;
// others are the directories that speak against it, in words.
func home(f *Facts) (link SCIMLink, others string, known bool) {
	answers, known := f.Answers[Links(f.Account.ID)]
	if !known {
		return SCIMLink{}, "", false
	}
	var foreign, ours []SCIMLink
	for _, v := range answers {
		if l := linkFrom(v); l.Ours {
			ours = append(ours, l)
		} else {
			foreign = append(foreign, l)
		}
	}
	if len(foreign) == 0 && len(ours) == 1 {
		return ours[0], "", true
	}
	if len(foreign) == 0 {
		foreign = ours // two of ours: which of them rules nobody knows
	}
	var words []string
	for _, l := range foreign {
		words = append(words, cmp.Or(l.Name, l.Directory))
	}
	slices.Sort(words)
	return SCIMLink{}, strings.Join(words, ", "), true
}

// allowedHere is allowed of what may be changed in a SCIM directory of ours, too.
func allowedHere(action workflow.ActionName, fact workflow.Fact, field workflow.Field, f *Facts) Finding {
	if !scimOwns(fact, field, f) {
		return allowed(action, fact, field, f)
	}
	switch link, others, known := home(f); {
	case !known, link.Ours:
		return Ready()
	default:
		return Blocked(workflow.ReasonNotAllowed, string(action), ownerSCIM, others)
	}
}

// heldReads are the facts that tell where a change is made which a privilege does not let us make:
// which directory holds the account.
func heldReads(fact workflow.Fact, field workflow.Field, f *Facts) []workflow.Fact {
	if !scimOwns(fact, field, f) {
		return nil
	}
	return []workflow.Fact{Links(f.Account.ID)}
}

// whereHeld is an account's step at the place where it is made: at the SCIM directory of ours that
// holds the account, where the privilege says that one owns it.
func whereHeld(s workflow.Step, fact workflow.Fact, field workflow.Field, f *Facts) workflow.Step {
	if link, _, _ := home(f); link.Ours && scimOwns(fact, field, f) {
		s.Place, s.Directory = workflow.PlaceSCIM, link.Directory
	}
	return s
}

// observeHeld are the facts about an account's own step: the profile, and at a SCIM directory the
// record, too.
func observeHeld(s workflow.Step) []workflow.Fact {
	if s.Place != workflow.PlaceSCIM {
		return s.Shown()
	}
	return append(s.Shown(), RecordOf(s.AccountID, s.Directory))
}

// provedHeld reports whether the profile shows what the step sets, and at a SCIM directory the
// record, too.
func provedHeld(now workflow.Values, s workflow.Step) bool {
	if s.Place != workflow.PlaceSCIM {
		return s.ShownBy(now)
	}
	return recordShows(now, s) && s.ShownBy(now)
}

// recordShows reports whether a record is as the step makes it.
func recordShows(now workflow.Values, s workflow.Step) bool {
	for field, value := range s.Set.All() {
		shown := true
		switch field {
		case workflow.FieldEmail:
			old := s.Expect.Get(field)
			shown = workflow.SameAddress(now.Get(FieldPrimary), value) &&
				(workflow.SameAddress(old, value) || !workflow.SameAddress(now.Get(FieldUserName), old))
		case workflow.FieldName:
			shown = now.Get(FieldDisplay) == value && now.Get(FieldFormatted) == value
		case workflow.FieldStatus:
			shown = now.Get(FieldActive) == activeWord(value)
		}
		if !shown {
			return false
		}
	}
	return true
}

func activeWord(status string) string {
	if status == string(workflow.StatusActive) {
		return "true"
	}
	return "false"
}

// orRecord returns a Do that changes the account's record where the step is one at a SCIM directory,
// and else does what is given.
func orRecord(do func(context.Context, workflow.Caller, workflow.Step) (workflow.Values, error)) func(context.Context, workflow.Caller, workflow.Step) (workflow.Values, error) {
	return func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		if s.Place == workflow.PlaceSCIM {
			return patchRecord(ctx, c, s)
		}
		return do(ctx, c, s)
	}
}

// patchRecord makes the attributes of the account's record others, and only those that the step is
// about. A record that is so already is left alone: the account follows it.
func patchRecord(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
	record := RecordOf(s.AccountID, s.Directory)
	answers, err := c.Read(ctx, record)
	if err != nil {
		return nil, err
	}
	var now workflow.Values
	if len(answers[record]) > 0 {
		now = answers[record][0]
	}
	args := workflow.Of(workflow.FieldID, now.Get(FieldRecord))
	refused := func(why string) (workflow.Values, error) {
		return nil, &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRecord, why)}
	}
	if args == nil {
		return refused("it has no record of this account any more")
	}
	if recordShows(now, s) {
		return nil, nil
	}
	if to := s.Set.Get(workflow.FieldEmail); to != "" {
		emails, ok := withPrimary(now.Get(FieldEmails), to)
		if !ok {
			return refused("the record has no primary address")
		}
		args = args.With(FieldEmails, emails).With(workflow.FieldEmail, to)
		if workflow.SameAddress(now.Get(FieldUserName), s.Expect.Get(workflow.FieldEmail)) {
			args = args.With(FieldUserName, to)
		}
	}
	if name := s.Set.Get(workflow.FieldName); name != "" {
		args = args.With(FieldDisplay, name).With(FieldFormatted, name)
	}
	var keep workflow.Values
	if s.Set.Get(workflow.FieldName) != "" {
		keep = workflow.Values{}.With(FieldFormatted, otherName(now))
	}
	if status := s.Set.Get(workflow.FieldStatus); status != "" {
		args = args.With(FieldActive, activeWord(status))
	}
	return c.Call(ctx, workflow.Call{
		Endpoint: s.Endpoint(), Operation: OpPatchRecord, Action: s.Action, AccountID: s.AccountID, Args: args, Keep: keep,
	})
}

// otherName is the name.formatted of a record that is not its displayName, which alone an account
// shows; "" where they are the same.
func otherName(record workflow.Values) string {
	if whole := record.Get(FieldFormatted); whole != record.Get(FieldDisplay) {
		return whole
	}
	return ""
}

// atHome is the effect of a change that is made in a SCIM directory of ours; where none is, that of
// an account that an identity provider holds.
func atHome(d *Draft) []workflow.Effect {
	here := slices.ContainsFunc(d.Steps, func(s workflow.Step) bool { return s.Place == workflow.PlaceSCIM })
	if link, _, _ := home(&d.Facts); here && link.Ours {
		return []workflow.Effect{workflow.EffectInSCIM(link.Name)}
	}
	return comesBack(d)
}
