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
// that the name of one of them is not known.
func (n GroupNames) Touched(d *Draft) (names []string, unnamed bool) {
	for _, s := range d.Steps {
		for _, id := range groupsOfStep(s) {
			name, known := n[id]
			unnamed = unnamed || !known
			names = append(names, name)
		}
		if s.Set.Get(workflow.FieldMembership) != workflow.MemberNone {
			continue
		}
		groups, listed := d.Facts.Answers[GroupsOf(s.AccountID)]
		unnamed = unnamed || !listed && s.Place == workflow.PlaceDirectory
		for _, v := range groups {
			g := GroupFrom(v)
			unnamed = unnamed || g.Name == ""
			names = append(names, g.Name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	return slices.Compact(names), unnamed
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
