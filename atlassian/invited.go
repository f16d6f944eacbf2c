package atlassian

import (
	"cmp"
	"encoding/json"
	"slices"
)

// inviteAnswer is the answer to an invitation (organizations API v2,
// MultidirectoryInviteSuccessResponse).
type inviteAnswer struct {
	Data []struct {
		ID      string `json:"id"`
		Email   string `json:"email"`
		Results []struct {
			Roles  []assigned `json:"roleAssignmentResult"`
			Groups []assigned `json:"groupAssignmentResult"`
		} `json:"results"`
	} `json:"data"`
}

// assigned is what became of one role or group (RoleAssignmentResult, GroupAssignmentResult).
type assigned struct {
	Resource string `json:"resource"`
	Group    string `json:"group"`
	Status   string `json:"status"` // INVITED or ERROR
	Reason   string `json:"statusReason"`
}

const assignError = "ERROR"

// readInvited takes what it can from an answer that was a yes; of what it does not tell nothing is
// known.
func readInvited(told answer, clean func(string) string) []Invited {
	var read inviteAnswer
	if json.Unmarshal(told.body, &read) != nil {
		return nil
	}
	var out []Invited
	for _, each := range read.Data {
		one := Invited{ID: each.ID, Email: each.Email}
		for _, r := range each.Results {
			for _, a := range append(r.Roles, r.Groups...) {
				why := clean(cmp.Or(a.Reason, a.Resource+a.Group))
				if a.Status == assignError && !slices.Contains(one.Refused, why) { // each product and group says it
					one.Refused = append(one.Refused, why)
				}
			}
		}
		if one.ID == "" && one.Refused == nil { // no account, and nothing says why
			continue
		}
		out = append(out, one)
	}
	return out
}
