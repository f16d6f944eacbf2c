package sqlite

import (
	"fmt"
	"math/rand/v2"

	"github.com/countersign/countersign/workflow"
)

// renameLikeReal returns a planned rename with an id as Atlassian gives them and names of usual length.
func renameLikeReal(n int) workflow.Change {
	dice := rand.New(rand.NewPCG(uint64(n), 1))
	id := fmt.Sprintf("712020:%08x-%04x-4%03x-8%03x-%012x", dice.Uint32(), dice.IntN(1<<16), dice.IntN(1<<12), dice.IntN(1<<12), dice.Int64N(1<<48))
	from, to := fmt.Sprintf("employee.%d@northwind.example", n), fmt.Sprintf("employee.%d@contoso.example", n)
	expect, set := workflow.Of(workflow.FieldEmail, from), workflow.Of(workflow.FieldEmail, to)
	return workflow.Change{
		Row: n, Action: workflow.Rename, AccountID: id, Name: fmt.Sprintf("Employee Number %d", n), Expect: expect, Set: set,
		Steps: []workflow.Step{{
			Seq: n, Row: n, Action: workflow.Rename, Place: workflow.PlaceAccount, AccountID: id,
			Expect: expect.With(workflow.FieldStatus, string(workflow.StatusActive)), Set: set,
		}},
		State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectSignedOut},
		Asked: workflow.Row{
			Line: n, Action: workflow.Rename, Cells: []string{id, from, to, "Sales, 7", "Berlin"},
			Values: workflow.Of(workflow.ColumnAccountID, id).With(workflow.ColumnEmail, from).With(workflow.ColumnNewEmail, to),
		},
	}
}
