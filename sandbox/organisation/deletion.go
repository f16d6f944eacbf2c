package organisation

import (
	"fmt"
	"net/http"
	"time"
)

// Grace is how long a deletion can be cancelled; no call shortens it (JAC-ID-7244).
const Grace = 14 * 24 * time.Hour

// scheduleDeletion is POST /users/{account_id}/manage/lifecycle/delete. For the time of grace the
// account looks deactivated and keeps its address; then it is closed, and the address is free. What
// a second call answers is not documented: 403 forbidden.action here.
func (o *Organisation) scheduleDeletion(x *exchange) answer {
	found, refused := o.lifecycleTarget(x, "lifecycle.delete")
	if found == nil {
		return refused
	}
	if refused, no := found.conflicts("delete"); no {
		return refused
	}
	on := now().Add(Grace)
	done := Effect{AccountID: found.ID, Kind: "delete", From: o.composite(&found.Account), To: "for_deletion"}
	o.change(found, func(a *Account) { a.Status, a.DeleteOn = "inactive", on })
	o.effect(done)
	return success(map[string]string{
		"message": fmt.Sprintf("The account will be deleted on %s.", on.Format(time.DateOnly)),
	})
}

// cancelDeletion is POST /users/{account_id}/manage/lifecycle/cancel-delete: the account comes back
// active, whatever it was before. An account that is not in deletion is 404 here, which is one of
// the two that the documents leave open.
func (o *Organisation) cancelDeletion(x *exchange) answer {
	if refused, no := o.emptyBody(x); no {
		return refused
	}
	found, refused := o.target(x)
	switch {
	case found == nil:
		return refused
	case found.Locks["lifecycle.delete"] != "":
		refused, _ := found.mayNot("lifecycle.delete")
		return refused
	case found.DeleteOn.IsZero():
		return keyed(http.StatusNotFound, "notFound")
	}
	done := Effect{AccountID: found.ID, Kind: "cancel-delete", From: "for_deletion", To: "active"}
	o.change(found, func(a *Account) { a.Status, a.DeleteOn, a.BlockMessage = "active", time.Time{}, "" })
	o.effect(done)
	return success(map[string]string{"message": "The deletion was cancelled."})
}

// expire closes the accounts whose time of grace is over: nobody manages them, their addresses are
// free and what was personal in them is gone. The caller holds o.mu.
func (o *Organisation) expire() {
	moment := now()
	if o.nextDeletion.IsZero() || moment.Before(o.nextDeletion) {
		return
	}
	for _, each := range o.order {
		if each.DeleteOn.IsZero() || moment.Before(each.DeleteOn) {
			continue
		}
		o.change(each, func(a *Account) {
			*a = Account{
				ID: a.ID, Type: a.Type, Status: "closed", Name: "Former user", Nickname: "Former user",
				Membership: "no_membership", Hidden: true,
			}
		})
	}
	o.planDeletions()
}

// planDeletions finds out when the next account is to be closed. The caller holds o.mu.
func (o *Organisation) planDeletions() {
	o.nextDeletion = time.Time{}
	for _, each := range o.order {
		if on := each.DeleteOn; !on.IsZero() && (o.nextDeletion.IsZero() || on.Before(o.nextDeletion)) {
			o.nextDeletion = on
		}
	}
}
