package action

import "github.com/countersign/countersign/workflow"

var groupAdd = Action{
	Name:  workflow.GroupAdd,
	Usage: "group add <group> <user>…",
	Help:  "into a group, with the access that it gives",
	Title: Title{
		Does: "Add {who} to {group}", Done: "Added {who} to {group}",
		One: "group member to add", More: "group members to add",
	},
	Becomes: intoGroup("into "),
	Columns: groupColumns(),
	Subject: workflow.Subject{Hidden: true},
	Groups:  true,
	Reads:   groupReads,
	Spares:  sparedOfOthers,
	Check: func(r *workflow.Row, f *Facts) Finding {
		_, finding := checkGroups(workflow.GroupAdd, r, f)
		return finding
	},
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step { return groupSteps(workflow.GroupAdd, r, f) },
	Do:    doGroup(OpGroupAdd, OpSCIMGroupAdd),
	Observes: func(s workflow.Step) []workflow.Fact {
		if s.Place == workflow.PlaceSCIM {
			return keptIn(s)
		}
		return s.Shown()
	},
	Undo: undoGroup,
	Effects: func(d *Draft) []workflow.Effect {
		return groupEffects(d, workflow.EffectGives)
	},
	Cost:    Cost{Calls: map[workflow.Operation]int{OpGroupAdd: 1}, Reads: map[workflow.FactKind]int{KindGroup: 2}},
	Aim:     Aim{Check: 4, Run: 3},
	Example: groupExample,
}
