package workflow

import "strings"

// runReasons are what is said of the codes of a run.
var runReasons = map[ReasonCode]reasonEntry{
	ReasonDrifted: {
		facts:  []string{"what", "planned", "now"},
		cause:  "changed since the plan",
		words:  []string{"the {what} was {planned} in the plan and is {now} now; nothing was sent; press Retry failed to plan it again"},
		remedy: "look at the account, then press Retry failed",
	},
	ReasonRecord: {
		facts: []string{"why"},
		cause: "not done in the SCIM directory",
		words: []string{"the SCIM directory was left as it is: {why}"},
	},
	ReasonNotOurs: {
		facts: []string{"batch"},
		cause: "nothing to take back",
		words: []string{"#{batch} did not make this change, so there is nothing to take back"},
	},
	ReasonLaterBatch: {
		facts: []string{"batch"},
		cause: "changed by a later batch",
		words: []string{"#{batch} changed this later, so it stays as #{batch} left it"},
	},
	ReasonGone: {
		facts:  []string{"id"},
		cause:  "account is gone",
		causes: "accounts are gone",
		words:  []string{"account {id} is no longer there or no longer managed; nothing was changed"},
		remedy: "look at the account, then press Retry failed",
	},
	ReasonVanished: {
		facts:  []string{"id"},
		cause:  "not found after the call",
		words:  []string{"account {id} was not found after the call; look at it in Atlassian admin"},
		remedy: "look at the account in Atlassian admin, then press Retry failed",
	},
	ReasonSeenLate: {
		cause: "confirmed late",
		words: []string{"seen late: the account shows the wanted value, after a call of this batch"},
	},
	ReasonNotLookedAt: {
		facts: []string{"why", "before"}, // before: why it had failed, in words
		cause: "could not be checked again",
		words: []string{
			"could not be checked again ({why}); press Retry failed later; it failed before: {before?}",
			"could not be checked again ({why}); press Retry failed later",
		},
		remedy: "press Retry failed when Atlassian answers again",
	},
	ReasonBeforeRestore: {
		facts: []string{"shows"},
		cause: "done before the restore",
		words: []string{
			"done before the restore of the database: the account already shows {shows}",
		},
	},
	ReasonOvertaken: {
		facts: []string{"what", "planned", "now"}, // what differs
		cause: "changed by somebody else",
		words: []string{
			"Atlassian did not answer; the {what} was {planned} before and is {now} now, which this batch did not set; look at it " +
				"in Atlassian admin",
		},
		remedy: "look at the account in Atlassian admin, then press Retry failed",
	},
	ReasonLost: {
		facts:  []string{"calls"},
		cause:  "no answer from Atlassian",
		words:  []string{"Atlassian did not answer ({calls} tries) and the account is unchanged; press Retry failed"},
		remedy: "nothing was changed; press Retry failed",
	},
	ReasonCollision: {
		facts:  []string{"address"},
		cause:  "address probably taken",
		causes: "addresses probably taken",
		words: []string{
			"Atlassian refused {address}; probably an account holds it that no search shows: an unclaimed one, one in another " +
				"organisation, or one being deleted; free it there, then ask again",
		},
		remedy: "free the address where it is held, then press Retry failed",
	},
	ReasonInvalid: {
		facts:  []string{"violation"}, // field: violation; any number of them
		cause:  "value not accepted",
		causes: "values not accepted",
		say:    invalidWords,
		remedy: "correct the value and send the rows again",
	},
	ReasonLifecycle: {
		facts:  []string{"code", "message", "link"},
		cause:  "Atlassian asks to settle something first",
		say:    lifecycleWords,
		remedy: "settle what Atlassian names (billing, site ownership), then press Retry failed",
	},
	ReasonRefused: {
		facts:  []string{"status", "key"},
		cause:  "refused by Atlassian",
		say:    refusedWords,
		remedy: "look at the account in Atlassian admin, then press Retry failed",
	},
	ReasonLicenceFull: {
		facts: []string{"what"}, // the products or the group, or ""
		cause: "licence full",
		words: []string{
			"the licence of {what?} has no free seat; raise it or free a seat, then press Retry failed",
			"a licence has no free seat; raise it or free a seat, then press Retry failed",
		},
		remedy: "raise the licence or free seats in Atlassian admin, then press Retry failed",
	},
	ReasonInactive: {
		facts:  []string{"action"},
		cause:  "account deactivated",
		causes: "accounts deactivated",
		words:  []string{"Atlassian does not allow {action} for a deactivated account; activate it first"},
		remedy: "activate the account first, if that is wanted",
	},
	ReasonNotInvited: {
		facts: []string{"why"}, // in the vendor's words
		cause: "not invited",
		words: []string{"Atlassian did not invite this address: {why?}", "Atlassian did not invite this address and gave no reason"},
	},
	ReasonNoPlan: {
		cause:  "no paid subscription",
		words:  []string{"Atlassian invites people only for organisations with a paid subscription"},
		remedy: "invite them in Atlassian admin",
	},
	ReasonSiteRefused: {
		facts: []string{"why"}, // in Jira's words, or ""
		cause: "refused by Jira",
		words: []string{"Jira refused the call: {why?}", "Jira refused the call and gave no reason"},
	},
	ReasonNotProved: {
		facts:  []string{"shows"},
		cause:  "accepted, but not visible yet",
		words:  []string{"Atlassian accepted the call, but the account still shows {shows}; look at it in Atlassian admin"},
		remedy: "look at the account in Atlassian admin, then press Retry failed",
	},
	ReasonNotFollowed: {
		facts:  []string{"shows"},
		cause:  "set already, but not visible",
		words:  []string{"nothing was sent: it is set already, but the account still shows {shows}; look at it in Atlassian admin"},
		remedy: "look at the account in Atlassian admin, then press Retry failed",
	},
	ReasonUnavailable: {
		facts:  []string{"why"},
		cause:  "Atlassian did not answer",
		words:  []string{"Atlassian did not answer ({why}); nothing was changed; press Retry failed"},
		remedy: "nothing was changed; press Retry failed",
	},
	ReasonUnknown: {
		facts: []string{"why"},
		cause: "being confirmed",
		words: []string{"being confirmed ({why}): the account is read again"},
	},
	ReasonPredecessor: {
		facts:  []string{"line"},
		cause:  "waited for another row",
		words:  []string{"not sent: it waited for line {line}, which failed"},
		remedy: "correct the row it waited for, then press Retry failed",
	},
	ReasonNotRun: {
		facts: []string{"became", "by"}, // by: the person, "" when nobody did it
		cause: "batch ended first",
		words: []string{
			"not sent: the batch was {became} by {by?}",
			"not sent: the batch {became}",
		},
	},
	ReasonInterrupted: {
		cause: "interrupted",
		words: []string{"countersign stopped during the call; the account is read again"},
	},
	ReasonPutBack: {
		facts:  []string{"line", "why"}, // the other line, or "" and why, in words
		cause:  "exchange of addresses undone",
		causes: "exchanges of addresses undone",
		words: []string{
			"has its old address again: the exchange could not be finished, because line {line?} failed",
			"has its old address again: the exchange could not be finished ({why})",
		},
		remedy: "correct the row that failed, then press Retry failed",
	},
	ReasonStuck: {
		facts: []string{"shows", "had", "why"},
		cause: "left at a parking address",
		words: []string{
			"shows {shows}, because neither its new address nor {had} could be set ({why}); set the address in Atlassian admin",
		},
		remedy: "set the address in Atlassian admin",
	},
	ReasonSteps: {
		facts: []string{"steps"},
		cause: "not every step is done",
		say:   func(r Reason) string { return strings.Join(r.Facts, "; ") },
	},
	ReasonPartly: {
		facts:  []string{"steps"}, // that were not made; the others were
		cause:  "partly done",
		say:    func(r Reason) string { return "done except " + strings.Join(r.Facts, "; ") },
		remedy: "press Retry failed: it runs the open steps only",
	},
	ReasonKept: {
		facts:  []string{"why"},
		cause:  "kept its new address",
		causes: "kept their new addresses",
		words: []string{
			"has its new address, although the exchange was undone: the old one could not be set again ({why}); set it in Atlassian admin",
		},
	},
}
