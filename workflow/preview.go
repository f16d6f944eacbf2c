package workflow

import (
	"cmp"
	"slices"
)

// Preview is what the check of a request came to that nobody has asked for yet.
type Preview struct {
	Changes []Change // in the order of their rows
	Summary Summary
	Demand  Demand // what it would take, as far as is known now
}

// Summarise counts changes as a store's Summary does.
func Summarise(changes []Change) Summary {
	var s Summary
	for i := range changes {
		c := &changes[i]
		at := slices.IndexFunc(s.Groups, func(g Group) bool {
			return g.Action == c.Action && g.State == c.State && g.Code == c.Reason.Code && slices.Equal(g.Effects, c.Effects)
		})
		if at < 0 {
			s.Groups, at = append(s.Groups, Group{Action: c.Action, State: c.State, Code: c.Reason.Code, Effects: c.Effects}), len(s.Groups)
		}
		s.Groups[at].Count++
	}
	slices.SortStableFunc(s.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Code, b.Code))
	})
	return s
}
