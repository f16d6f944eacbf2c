package action

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// GroupNames are the names of the groups that answers tell of, by id.
type GroupNames map[string]string

// GroupNamesIn reads the names of groups from what a check has been answered.
func GroupNamesIn(answers workflow.Answers) GroupNames {
	names := GroupNames{}
	for fact, values := range answers {
		switch fact.Kind {
		case KindGroupNamed, KindGroupsOf, KindSCIMGroups:
			for _, v := range values {
				if g := GroupFrom(v); g.Name != "" {
					names[g.ID] = g.Name
				}
			}
		}
	}
	return names
}

// Touched returns the names of the groups that the row's account is added to or leaves. unnamed reports
// that the name of one of them is not known: so it is of those that come with a product.
func (n GroupNames) Touched(d *Draft) (names []string, unnamed bool) {
	for _, s := range d.Steps {
		for _, id := range groupsOfStep(s) {
			name, known := n[id]
			unnamed = unnamed || !known
			names = append(names, name)
		}
		unnamed = unnamed || s.Set.Get(workflow.FieldProducts) != ""
		leaves := s.Set.Get(workflow.FieldMembership) == workflow.MemberNone
		if deleted := s.Set.Get(workflow.FieldStatus) == string(workflow.StatusDeleting); !leaves && !deleted {
			continue
		}
		ended, listed := groupsEnded(s, &d.Facts)
		unnamed = unnamed || !listed || slices.Contains(ended, "")
		names = append(names, ended...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	return slices.Compact(names), unnamed
}

// Words are the groups that a change is about as people read of them: by name where the row gives their ids,
// as those that are made of another batch do, with the id behind it, as several may have one name; and those
// of a row that gives none. "" is what the row gives.
func (n GroupNames) Words(d *Draft) string {
	var ids []string
	for _, s := range d.Steps {
		ids = append(ids, groupsOfStep(s)...)
	}
	given := splitCell(d.Row.Values.Get(workflow.ColumnGroup))
	if len(ids) == 0 || len(given) > 0 && !slices.ContainsFunc(given, func(word string) bool { return n[word] != "" }) {
		return ""
	}
	words := slices.Clone(given)
	if len(given) == 0 {
		words = slices.Clone(ids)
	}
	for i, id := range words {
		name := n[id]
		switch {
		case name == "" || name == id || strings.Contains(name, ";"):
		case len(given) > 0 || n.shared(ids, name):
			words[i] = name + " (" + id + ")"
		default:
			words[i] = name
		}
	}
	return strings.Join(words, ";")
}

// shared reports whether several of the groups have the name.
func (n GroupNames) shared(ids []string, name string) bool {
	all := 0
	for _, id := range ids {
		if workflow.GroupKey(n[id]) == workflow.GroupKey(name) {
			all++
		}
	}
	return all > 1
}

// groupsEnded are the names of the groups that end with a membership, or with an account, "" where one
// has none. listed is false where nobody told which they are.
func groupsEnded(s workflow.Step, f *Facts) (names []string, listed bool) {
	if s.Place == workflow.PlaceSite {
		answers := f.Answers[workflow.Fact{Kind: KindSiteGroups, AccountID: s.AccountID, Endpoint: s.Endpoint()}]
		for _, v := range answers {
			for field := range v.Keys() {
				if kind, id, _ := strings.Cut(string(field), ":"); kind == string(KindGroup) {
					names = append(names, v.Get(siteGroupName+workflow.Field(id)))
				}
			}
		}
		return names, len(answers) > 0
	}
	groups, listed := f.Answers[GroupsOf(s.AccountID)]
	for _, v := range groups {
		names = append(names, GroupFrom(v).Name)
	}
	return names, listed
}

// groupsOfStep are the ids of the groups that a step is about.
func groupsOfStep(s workflow.Step) (ids []string) {
	for field := range s.Set.Keys() {
		if kind, id, _ := strings.Cut(string(field), ":"); kind == string(KindGroup) {
			ids = append(ids, id)
		}
	}
	return ids
}
