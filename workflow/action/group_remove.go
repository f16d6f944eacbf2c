package action

import "github.com/countersign/countersign/workflow"

var groupRemove = Action{
	Name:  workflow.GroupRemove,
	Usage: "group remove <group> <user>…",
	Help:  "out of a group; others may give the same access",
	Title: Title{
		Does: "Remove {who} from {group}", Done: "Removed {who} from {group}",
		One: "group member to remove", More: "group members to remove",
	},
	Becomes: intoGroup("out of "),
	Columns: groupColumns(),
	Subject: workflow.Subject{Hidden: true},
	Groups:  true,
	Reads:   groupReads,
	Spares:  sparedOfOthers,
	Check: func(r *workflow.Row, f *Facts) Finding {
		_, finding := checkGroups(workflow.GroupRemove, r, f)
		return finding
	},
	Steps:    func(r *workflow.Row, f *Facts) []workflow.Step { return groupSteps(workflow.GroupRemove, r, f) },
	Do:       doGroup(OpGroupRemove, OpSCIMGroupRemove),
	Observes: seenLeft,
	Undo:     undoGroup,
	Effects: func(d *Draft) []workflow.Effect {
		return groupEffects(d, workflow.EffectTakes)
	},
	Cost:    Cost{Calls: map[workflow.Operation]int{OpGroupRemove: 1}, Reads: map[workflow.FactKind]int{KindGroupLeft: 3}},
	Aim:     Aim{Check: 4, Run: 4},
	Example: groupExample,
}
