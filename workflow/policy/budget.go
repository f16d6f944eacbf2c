package policy

import (
	"strconv"

	"github.com/countersign/countersign/workflow"
)

// DayLimits reports which limits of a day there are: on the accounts of one requester's batches,
// and on all.
func (p Policy) DayLimits() (requester, all bool) { return p.PerDay.Requester != 0, p.PerDay.All != 0 }

// OverDay returns why so many accounts may not be touched today, the zero Reason when they may.
// byRequester and byAll are the accounts that were touched in the last 24 hours; one that is
// touched again counts once.
func (p Policy) OverDay(accounts, byRequester, byAll []string) workflow.Reason {
	for _, each := range []struct {
		whose   string
		limit   int
		touched []string
	}{{"requester", p.PerDay.Requester, byRequester}, {"all", p.PerDay.All, byAll}} {
		if each.limit == 0 {
			continue
		}
		all := map[string]bool{}
		for _, id := range each.touched {
			all[id] = true
		}
		before := len(all)
		for _, id := range accounts {
			all[id] = true
		}
		if len(all) > each.limit && len(all) > before {
			return workflow.NewReason(workflow.ReasonDayLimit, each.whose,
				strconv.Itoa(each.limit), strconv.Itoa(before), strconv.Itoa(len(accounts)))
		}
	}
	return workflow.Reason{}
}
