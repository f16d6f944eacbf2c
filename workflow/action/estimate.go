package action

import (
	"github.com/countersign/countersign/workflow"
)

// Estimate is how many calls and reads the changes of these actions take, and how many changes
// there are.
func Estimate(left map[workflow.ActionName]int) (total Cost, changes int) {
	total = Cost{Calls: map[workflow.Operation]int{}, Reads: map[workflow.FactKind]int{}}
	for name, count := range left {
		action, built := For(name)
		if !built || count <= 0 {
			continue
		}
		changes += count
		for operation, n := range action.Cost.Calls {
			total.Calls[operation] += n * count
		}
		for kind, n := range action.Cost.Reads {
			total.Reads[kind] += n * count
		}
	}
	return total, changes
}

// EstimateOf says how long the changes will take as the vendor's limits look now; the zero Estimate
// when nobody knows.
func EstimateOf(p workflow.Estimator, left map[workflow.ActionName]int) workflow.Estimate {
	cost, changes := Estimate(left)
	if changes == 0 {
		return workflow.Estimate{}
	}
	out := workflow.Estimate{Remaining: p.Estimate(cost.Calls, cost.Reads)}
	if out.Remaining > 0 {
		out.PerMinute = float64(changes) / out.Remaining.Minutes()
	}
	return out
}

// readAround is what most changes read: the profile before the call. What they came to, a search
// shows for many at once; where it lags behind, that is another read each.
func readAround() map[workflow.FactKind]int {
	return map[workflow.FactKind]int{workflow.KindProfile: 1}
}
