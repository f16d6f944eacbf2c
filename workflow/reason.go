package workflow

import (
	"cmp"
	"slices"
	"strings"
)

// Reason is why a change is in its state: a code for programs and the facts its words are made of.
// Words are what a person reads in a card, a thread and a file, so they stand here once.
type Reason struct {
	Code  ReasonCode `json:"code,omitempty"`
	Facts []string   `json:"facts,omitempty"` // in the order of the code's entry in reasons
}

// ReasonCode is the kind of a reason; failures and blocked rows are grouped by it.
type ReasonCode string

// The codes, by where they come from. Their facts and words are in the table reasons.
const (
	// Reading a row.
	ReasonUnreadable ReasonCode = "unreadable"

	// Checking.
	ReasonNoAccount       ReasonCode = "no_account"
	ReasonNotManaged      ReasonCode = "not_managed"
	ReasonAmbiguous       ReasonCode = "ambiguous"
	ReasonMismatch        ReasonCode = "mismatch"
	ReasonNotAllowed      ReasonCode = "not_allowed"
	ReasonNotSaid         ReasonCode = "not_said"
	ReasonUnverified      ReasonCode = "unverified"
	ReasonOddAddress      ReasonCode = "odd_address" // of a row that may run all the same, as Warns says
	ReasonNumbered        ReasonCode = "numbered"    // likewise
	ReasonTaken           ReasonCode = "taken"
	ReasonTakenDeleting   ReasonCode = "taken_deleting"
	ReasonHolderHidden    ReasonCode = "holder_hidden"
	ReasonProtected       ReasonCode = "protected"
	ReasonOrgAdmin        ReasonCode = "org_admin"
	ReasonDayLimit        ReasonCode = "day_limit"
	ReasonHeld            ReasonCode = "held"
	ReasonDuplicate       ReasonCode = "duplicate"
	ReasonSameTarget      ReasonCode = "same_target"
	ReasonConflict        ReasonCode = "conflict"
	ReasonParkTaken       ReasonCode = "park_taken"
	ReasonWaitsForBlocked ReasonCode = "waits_blocked"
	ReasonClosed          ReasonCode = "closed"
	ReasonOwnAccount      ReasonCode = "own_account"
	ReasonOwnAlone        ReasonCode = "own_alone"
	ReasonStalePolicy     ReasonCode = "stale_policy"    // of a decision only
	ReasonCouldNotCheck   ReasonCode = "could_not_check" // for a cause that passes
	ReasonRolesHidden     ReasonCode = "roles_hidden"
	ReasonAddressHidden   ReasonCode = "address_hidden"
	ReasonNotSupported    ReasonCode = "not_supported"
	ReasonAlready         ReasonCode = "already"
	ReasonLeftAsIs        ReasonCode = "left_as_is" // which a return would take back
	ReasonCaseOnly        ReasonCode = "case_only"
	ReasonAccountType     ReasonCode = "account_type"
	ReasonStays           ReasonCode = "stays" // of a row that may run all the same
	ReasonGoneForGood     ReasonCode = "gone_for_good"
	ReasonEarlierUnknown  ReasonCode = "earlier_unknown" // of a row that may run all the same
	ReasonOverwritten     ReasonCode = "overwritten"     // of a row that may run all the same
	ReasonNoGroup         ReasonCode = "no_group"
	ReasonAmbiguousGroup  ReasonCode = "ambiguous_group"
	ReasonGroupClosed     ReasonCode = "group_closed"
	ReasonNotInDirectory  ReasonCode = "not_in_directory"
	ReasonWhichDirectory  ReasonCode = "which_directory"
	ReasonWhichProduct    ReasonCode = "which_product"
	ReasonInvited         ReasonCode = "invited"
	ReasonNoReturn        ReasonCode = "no_return"
	ReasonNoSite          ReasonCode = "no_site"
	ReasonSiteForbidden   ReasonCode = "site_forbidden"
	ReasonNotOnSite       ReasonCode = "not_on_site"
	ReasonOnSite          ReasonCode = "on_site"
	ReasonNoLegacy        ReasonCode = "no_legacy"
	ReasonWhichSCIM       ReasonCode = "which_scim"
	ReasonProvisioned     ReasonCode = "provisioned"
	ReasonNotInSCIM       ReasonCode = "not_in_scim"
	ReasonNoMessage       ReasonCode = "no_message" // of a row that may run all the same
	ReasonWholeName       ReasonCode = "whole_name" // the same

	// Running.
	ReasonDrifted     ReasonCode = "drifted"
	ReasonGone        ReasonCode = "gone"
	ReasonVanished    ReasonCode = "vanished"
	ReasonOvertaken   ReasonCode = "overtaken"
	ReasonLost        ReasonCode = "lost"
	ReasonCollision   ReasonCode = "collision"
	ReasonInvalid     ReasonCode = "invalid"
	ReasonLifecycle   ReasonCode = "lifecycle"
	ReasonRefused     ReasonCode = "refused"
	ReasonLicenceFull ReasonCode = "licence_full"
	ReasonInactive    ReasonCode = "inactive"
	ReasonNotInvited  ReasonCode = "not_invited"
	ReasonNoPlan      ReasonCode = "no_plan"
	ReasonSiteRefused ReasonCode = "site_refused"
	ReasonRecord      ReasonCode = "scim_record"
	ReasonNotProved   ReasonCode = "not_proved"
	ReasonNotFollowed ReasonCode = "not_followed"
	ReasonUnavailable ReasonCode = "unavailable"
	ReasonUnknown     ReasonCode = "unknown"
	ReasonPredecessor ReasonCode = "predecessor"
	ReasonNotRun      ReasonCode = "not_run"
	ReasonInterrupted ReasonCode = "interrupted"
	ReasonPutBack     ReasonCode = "put_back"
	ReasonStuck       ReasonCode = "stuck"
	ReasonKept        ReasonCode = "kept"
	ReasonSteps       ReasonCode = "steps"
	ReasonNotOurs     ReasonCode = "not_ours"  // of a row of a return that has nothing to take back
	ReasonLaterBatch  ReasonCode = "later_one" // the same, as another batch has changed it since
	ReasonPartly      ReasonCode = "partly"

	// Looking again.
	ReasonSeenLate      ReasonCode = "seen_late"      // of a row that is done
	ReasonNotLookedAt   ReasonCode = "not_looked_at"  // of a row that stays as it was
	ReasonBeforeRestore ReasonCode = "before_restore" // of a row that is unchanged
)

// NewReason returns a reason with its code and its facts.
func NewReason(code ReasonCode, facts ...string) Reason { return Reason{Code: code, Facts: facts} }

// Fact returns the fact at that place, "" when there are fewer.
func (r Reason) Fact(i int) string {
	if i >= 0 && i < len(r.Facts) {
		return r.Facts[i]
	}
	return ""
}

// Words returns the reason in one plain sentence without a full stop: what is so, and what to do
// about it. A code that is not in the table, of a later version, is shown with its facts.
func (r Reason) Words() string {
	entry, ok := reasons[r.Code]
	switch {
	case r.Code == "":
		return ""
	case !ok:
		return strings.TrimSpace(string(r.Code) + " " + strings.Join(r.Facts, " "))
	case entry.say != nil:
		return entry.say(r)
	}
	for _, sentence := range entry.words {
		if words, all := r.fill(sentence, entry.facts); all {
			return words
		}
	}
	words, _ := r.fill(entry.words[len(entry.words)-1], entry.facts)
	return words
}

// fill puts facts into a sentence by their names. all is false when one that is marked with a
// question mark is missing.
func (r Reason) fill(sentence string, names []string) (words string, all bool) {
	var out strings.Builder
	all = true
	for {
		before, rest, found := strings.Cut(sentence, "{")
		out.WriteString(before)
		if !found {
			return out.String(), all
		}
		name, behind, _ := strings.Cut(rest, "}")
		name, must := strings.CutSuffix(name, "?")
		fact := r.Fact(slices.Index(names, name))
		all = all && (fact != "" || !must)
		out.WriteString(fact)
		sentence = behind
	}
}

// Cause returns the few words under which rows with this reason are counted.
func (r Reason) Cause() string { return r.Code.Cause() }

// Cause returns the few words under which rows with this code are counted.
func (c ReasonCode) Cause() string {
	if entry, ok := reasons[c]; ok {
		return entry.cause
	}
	return strings.ReplaceAll(string(c), "_", " ")
}

// Causes returns the few words under which so many rows are counted: "unreadable rows".
func (c ReasonCode) Causes(n int) string {
	if entry := reasons[c]; n != 1 && entry.causes != "" {
		return entry.causes
	}
	return c.Cause()
}

// Warns reports whether the code is of a row that may run all the same, and that people should look
// at.
func (c ReasonCode) Warns() bool { return reasons[c].warns }

// Warnings returns the codes that warn, in a fixed order.
func Warnings() []ReasonCode {
	var out []ReasonCode
	for code, entry := range reasons {
		if entry.warns {
			out = append(out, code)
		}
	}
	slices.Sort(out)
	return out
}

// Remedy returns what to do about a group of failures with this code, a sentence without a full
// stop.
func (c ReasonCode) Remedy() string {
	return cmp.Or(reasons[c].remedy, "press Details to see why")
}
