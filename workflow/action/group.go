package action

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Calls about who is in a group of one directory (organizations API v2, POST and DELETE
// memberships). FieldID is the group.
const (
	OpGroupAdd    workflow.Operation = "group-add"
	OpGroupRemove workflow.Operation = "group-remove"
)

// What is asked about groups.
const (
	// KindGroup is whether an account is in the group of the id Arg: the group's GroupField.
	KindGroup workflow.FactKind = "group"
	// KindGroupLeft is the same, for who is to be out of it: where a search by account and group
	// finds nothing, the account must be listed without the group. A search that misses somebody must
	// not pass for proof.
	KindGroupLeft workflow.FactKind = "group-left"
	// KindGroupNamed are the groups, of all directories, that have Arg as id, or as name whatever
	// its case: Group values. About no account.
	KindGroupNamed workflow.FactKind = "group-named"
	// KindGroupsOf are the groups that an account is in, of all directories: Group values, which do
	// not tell what the group gives, nor whether its members are organisation admins.
	KindGroupsOf workflow.FactKind = "groups-of"
	// KindMember is how an account stands with a directory: FieldMembership, and GroupField of each
	// group there that it is in; nothing where it is not in the directory.
	KindMember workflow.FactKind = "member"
)

// GroupNamed asks which groups are meant by a name or an id.
func GroupNamed(nameOrID string) workflow.Fact {
	return workflow.Fact{Kind: KindGroupNamed, Arg: nameOrID, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
}

// GroupsOf asks which groups an account is in.
func GroupsOf(id string) workflow.Fact {
	return workflow.Fact{Kind: KindGroupsOf, AccountID: id, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
}

// MemberOf asks how an account stands with a directory.
func MemberOf(id, directory string) workflow.Fact {
	return workflow.Fact{
		Kind: KindMember, AccountID: id, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory, Directory: directory},
	}
}

// Group is a group of a directory, as facts tell of it.
type Group struct {
	ID, Name  string
	Directory string   // id
	Closed    string   // why its members cannot be changed here, as workflow.GroupSynced; "" where they can
	Gives     []string // keys of the products that its members have access to
	SCIM      string   // name of the SCIM directory of ours that it is kept in, whose id is Directory then; "" for the others
}

// Values returns the group as the answer to a fact.
func (g Group) Values() workflow.Values {
	return workflow.Of(workflow.FieldID, g.ID).With(workflow.FieldName, g.Name).With(workflow.FieldDirectory, g.Directory).
		With(workflow.FieldReason, g.Closed).With(workflow.FieldProducts, strings.Join(g.Gives, ";")).With(fieldSCIM, g.SCIM)
}

// words are how people read of the group: its name, or where that is not shown its id.
func (g Group) words() string { return cmp.Or(g.Name, g.ID) }

// GroupFrom returns the group that an answer tells of.
func GroupFrom(v workflow.Values) Group {
	g := Group{
		ID: v.Get(workflow.FieldID), Name: v.Get(workflow.FieldName), Directory: v.Get(workflow.FieldDirectory),
		Closed: v.Get(workflow.FieldReason), SCIM: v.Get(fieldSCIM),
	}
	if gives := v.Get(workflow.FieldProducts); gives != "" {
		g.Gives = strings.Split(gives, ";")
	}
	return g
}

// GroupStep is the step that puts the account into a group, or takes it out.
func GroupStep(name workflow.ActionName, id string, g Group) workflow.Step {
	from, to := workflow.GroupOut, workflow.GroupIn
	if name == workflow.GroupRemove {
		from, to = to, from
	}
	place := workflow.PlaceDirectory
	if g.SCIM != "" {
		place = workflow.PlaceSCIM
	}
	return workflow.Step{
		Action: name, Place: place, Directory: g.Directory, AccountID: id,
		Expect: workflow.Of(workflow.GroupField(g.ID), from), Set: workflow.Of(workflow.GroupField(g.ID), to),
	}
}

// groupColumns are what both actions take: several groups in a cell stand between ";".
func groupColumns() []ColumnUse {
	return []ColumnUse{
		{
			Column: workflow.ColumnGroup, Required: true, Field: workflow.FieldGroups,
			Argument: Argument{Place: Before, Say: "which group"},
			Value:    func(s workflow.Step) string { return groupOfStep(s) },
		},
		{Column: workflow.ColumnDirectory, Value: func(s workflow.Step) string {
			if s.Place == workflow.PlaceSCIM { // the group's id is enough, and the column is about other directories
				return ""
			}
			return s.Directory
		}},
	}
}

// intoGroup returns a Becomes that names the group behind these words, and where it is one of a site
// that, too.
func intoGroup(words string) func(*workflow.Change) string {
	return func(c *workflow.Change) string {
		if c.Group() == "" {
			return ""
		}
		words := words + strings.ReplaceAll(c.Group(), ";", ", ")
		if site := c.Asked.Values.Get(workflow.ColumnSite); site != "" {
			words += " at " + site
		}
		return words
	}
}

// groupOfStep returns the id of the group that a step is about, "" where it is about none.
func groupOfStep(s workflow.Step) string {
	if ids := groupsOfStep(s); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// meansGroupOf reports whether a row names the group that a step is about, as far as is known.
func meansGroupOf(r *workflow.Row, f *Facts, s workflow.Step) bool {
	groups, _, _ := rowGroups(r, f)
	return slices.ContainsFunc(groups, func(g Group) bool { return g.ID == groupOfStep(s) })
}

// splitCell returns the values that stand in one cell between ";".
func splitCell(cell string) []string {
	var out []string
	for part := range strings.SplitSeq(cell, ";") {
		if part = workflow.TrimCell(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

// rowGroups finds the groups that a row names. all reports whether each is known; the finding is
// ready, or says why one of them will not do.
func rowGroups(r *workflow.Row, f *Facts) (groups []Group, all bool, finding Finding) {
	all = true
	for _, name := range splitCell(r.Values.Get(workflow.ColumnGroup)) {
		g, known, found := rowGroup(name, r, f)
		if found.State != workflow.ChangeReady {
			return nil, false, found
		}
		if all = all && known; known && !slices.ContainsFunc(groups, func(o Group) bool { return o.ID == g.ID }) {
			groups = append(groups, g)
		}
	}
	return groups, all, Ready()
}

// rowGroup finds the group that is meant by a name or id.
func rowGroup(name string, r *workflow.Row, f *Facts) (g Group, known bool, finding Finding) {
	meant, known, finding := meantGroup(name, r, f)
	switch {
	case !known || finding.State != workflow.ChangeReady:
		return Group{}, known, finding
	case len(meant) == 0 && scimID.MatchString(name):
		return groupWithID(name, f)
	case len(meant) == 0:
		return Group{}, true, Blocked(workflow.ReasonNoGroup, name)
	case meant[0].mayBeKept():
		return keptGroup(meant[0], Blocked(workflow.ReasonGroupClosed, meant[0].words(), meant[0].Closed), f)
	case meant[0].Closed != "":
		return Group{}, true, Blocked(workflow.ReasonGroupClosed, meant[0].words(), meant[0].Closed)
	}
	return meant[0], true, Ready()
}

// meantGroup finds the group of the organisation that is meant by a name or id, none where there is
// none: of several with one name, the one in the row's directory, or in that of the settings.
func meantGroup(name string, r *workflow.Row, f *Facts) (meant []Group, known bool, finding Finding) {
	answers, known := f.Answers[GroupNamed(name)]
	if !known {
		return nil, false, Ready()
	}
	for _, v := range answers {
		meant = append(meant, GroupFrom(v))
	}
	asked := r.Values.Get(workflow.ColumnDirectory)
	if len(meant) > 1 || asked != "" && len(meant) > 0 {
		all, known := directories(f)
		if !known {
			return nil, false, Ready()
		}
		var wanted string
		if asked != "" {
			d, found := directoryNamed(asked, all)
			if !found {
				return nil, true, Blocked(workflow.ReasonWhichDirectory, asked, directoryWords(all))
			}
			wanted = d.ID
		} else {
			wanted = settingsDirectory(all)
		}
		if there := slices.DeleteFunc(slices.Clone(meant), func(g Group) bool { return g.Directory != wanted }); asked != "" || len(there) == 1 {
			meant = there
		}
		if len(meant) > 1 {
			words := make([]string, len(meant))
			for i, g := range meant {
				words[i] = g.ID + " (" + directoryName(g.Directory, all) + ")"
			}
			slices.Sort(words)
			return nil, true, Blocked(workflow.ReasonAmbiguousGroup, name, strings.Join(words, ", "))
		}
	}
	return meant, true, Ready()
}

// groupReads are the facts that a row about groups needs: which groups are meant, then how the
// account stands with their directories.
func groupReads(r *workflow.Row, f *Facts) []workflow.Fact {
	out, several := groupFacts(r, f)
	if several {
		out = append(out, Directories())
	}
	return append(out, memberReads(r, f)...)
}

// groupFacts are the facts that tell which groups a row means. several reports whether the
// directories tell which of them, as far as is known.
func groupFacts(r *workflow.Row, f *Facts) (facts []workflow.Fact, several bool) {
	asked := r.Values.Get(workflow.ColumnDirectory) != ""
	for _, name := range splitCell(r.Values.Get(workflow.ColumnGroup)) {
		fact := GroupNamed(name)
		facts = append(facts, fact)
		several = several || len(f.Answers[fact]) > 1 || asked && len(f.Answers[fact]) > 0
		facts = append(facts, keptFacts(name, r, f)...)
	}
	return facts, several
}

func memberReads(r *workflow.Row, f *Facts) []workflow.Fact {
	groups, all, finding := rowGroups(r, f)
	if !all || finding.State != workflow.ChangeReady {
		return nil
	}
	var out []workflow.Fact
	for _, g := range groups {
		for _, fact := range standingFacts(g, f) {
			if !slices.Contains(out, fact) {
				out = append(out, fact)
			}
		}
	}
	return out
}

// checkGroups judges a row by the groups that it names: which of them the account is to get into,
// or out of. left are those that something is to be done about, as far as is known.
func checkGroups(name workflow.ActionName, r *workflow.Row, f *Facts) (left []Group, finding Finding) {
	groups, all, finding := rowGroups(r, f)
	if !all || finding.State != workflow.ChangeReady {
		return nil, finding
	}
	var so []string
	for _, g := range groups {
		standing, known := standingIn(g, f)
		switch {
		case !known:
			return nil, Ready()
		case len(standing) == 0 && g.SCIM != "":
			return nil, Blocked(workflow.ReasonNotInSCIM, f.Account.ID, g.SCIM, g.words())
		case len(standing) == 0: // or hidden from searches, so that nothing would prove what became of it
			return nil, Blocked(workflow.ReasonNotInDirectory, f.Account.ID, knownDirectoryName(g.Directory, f))
		case (standing[0].Get(workflow.GroupField(g.ID)) == workflow.GroupIn) == (name == workflow.GroupAdd):
			so = append(so, g.words())
		default:
			left = append(left, g)
		}
	}
	if len(left) > 0 {
		return left, Ready()
	}
	words := "in the group "
	if name == workflow.GroupRemove {
		words = "not in the group "
	}
	return nil, Unchanged(workflow.ReasonAlready, words+strings.Join(so, ", "))
}

// groupSteps are the steps of a row about groups, one for each that something is to be done about.
func groupSteps(name workflow.ActionName, r *workflow.Row, f *Facts) []workflow.Step {
	left, _ := checkGroups(name, r, f)
	out := make([]workflow.Step, len(left))
	for i, g := range left {
		out[i] = GroupStep(name, f.Account.ID, g)
	}
	return out
}

// groupEffects are what the steps give access to, or take it away from.
func groupEffects(d *Draft, effect func(products []string) workflow.Effect) []workflow.Effect {
	left, _ := checkGroups(d.Row.Action, d.Row, &d.Facts)
	out := keptEffects(left)
	var products []string
	for _, g := range left {
		products = append(products, g.Gives...)
	}
	if len(products) == 0 {
		return out
	}
	slices.Sort(products)
	return append(out, effect(slices.Compact(products)))
}

func doGroup(op, kept workflow.Operation) func(context.Context, workflow.Caller, workflow.Step) (workflow.Values, error) {
	return func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		if s.Place == workflow.PlaceSCIM {
			return doKeptGroup(ctx, c, kept, s)
		}
		return c.Call(ctx, workflow.Call{
			Endpoint: s.Endpoint(), Operation: op, Action: s.Action, AccountID: s.AccountID,
			Args: workflow.Of(workflow.FieldID, groupOfStep(s)),
		})
	}
}

// seenLeft is the fact by which somebody is seen to be out of the group of a step.
func seenLeft(s workflow.Step) []workflow.Fact {
	if s.Place == workflow.PlaceSCIM {
		return keptIn(s)
	}
	return []workflow.Fact{{Kind: KindGroupLeft, AccountID: s.AccountID, Arg: groupOfStep(s), Endpoint: s.Endpoint()}}
}

// undoGroup is the step that puts a finished one back.
func undoGroup(s workflow.Step) (workflow.Step, bool) {
	id := groupOfStep(s)
	name := workflow.GroupAdd
	if s.Action == workflow.GroupAdd {
		name = workflow.GroupRemove
	}
	back := GroupStep(name, s.AccountID, Group{ID: id, Directory: s.Directory})
	back.Place = s.Place
	return back, id != ""
}

func groupExample(a workflow.Account, in Surroundings) workflow.RowValues {
	return workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnGroup, in.Group)
}
