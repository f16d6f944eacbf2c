package workflow

import (
	"fmt"
	"strings"
)

// Reason is why a change is in its state: a code for programs and the facts its words are made of. Words are what a
// person reads in a card, a thread and a file, so they stand here once.
type Reason struct {
	Code  ReasonCode `json:"code,omitempty"`
	Facts []string   `json:"facts,omitempty"` // in the order that the code's entry names
}

// ReasonCode is the kind of a reason; failures and blocked rows are grouped by it.
type ReasonCode string

// The codes, by where they come from. Behind each, the facts.
const (
	// Reading a row.
	ReasonUnreadable ReasonCode = "unreadable" // words

	// Checking.
	ReasonNoAccount       ReasonCode = "no_account"      // what was looked for, the account that has the new address or ""
	ReasonNotManaged      ReasonCode = "not_managed"     // address or id
	ReasonAmbiguous       ReasonCode = "ambiguous"       // address, ids
	ReasonMismatch        ReasonCode = "mismatch"        // id, its address, address given, the id that has it or ""
	ReasonNotAllowed      ReasonCode = "not_allowed"     // action, key
	ReasonUnverified      ReasonCode = "unverified"      // domain, the verified one that it looks like or ""
	ReasonOddAddress      ReasonCode = "odd_address"     // what is odd; of a row that may run all the same
	ReasonTaken           ReasonCode = "taken"           // address, holder id, name, status
	ReasonProtected       ReasonCode = "protected"       // address or id, or "" and the group
	ReasonOrgAdmin        ReasonCode = "org_admin"       // id
	ReasonDayLimit        ReasonCode = "day_limit"       // whose ("requester", "all"), limit, touched, in this batch
	ReasonHeld            ReasonCode = "held"            // batch
	ReasonDuplicate       ReasonCode = "duplicate"       // other line
	ReasonSameTarget      ReasonCode = "same_target"     // address, other line
	ReasonConflict        ReasonCode = "conflict"        // action, other line, its action
	ReasonParkTaken       ReasonCode = "park_taken"      // parking address, holder id
	ReasonWaitsForBlocked ReasonCode = "waits_blocked"   // other line, address
	ReasonClosed          ReasonCode = "closed"          // id
	ReasonOwnAccount      ReasonCode = "own_account"     // person
	ReasonOwnAlone        ReasonCode = "own_alone"       // person
	ReasonStalePolicy     ReasonCode = "stale_policy"    // groups; of a decision only
	ReasonCouldNotCheck   ReasonCode = "could_not_check" // why
	ReasonNotSupported    ReasonCode = "not_supported"   // action
	ReasonAlready         ReasonCode = "already"         // what it shows
	ReasonCaseOnly        ReasonCode = "case_only"       // address
	ReasonOtherAccountTyp ReasonCode = "account_type"    // type

	// Running.
	ReasonDrifted     ReasonCode = "drifted"     // what differs, planned, now
	ReasonGone        ReasonCode = "gone"        // id
	ReasonOvertaken   ReasonCode = "overtaken"   // what differs, planned, now
	ReasonLost        ReasonCode = "lost"        // how many calls
	ReasonCollision   ReasonCode = "collision"   // address
	ReasonInvalid     ReasonCode = "invalid"     // field: violation, …
	ReasonLifecycle   ReasonCode = "lifecycle"   // code, message, link
	ReasonRefused     ReasonCode = "refused"     // status, key
	ReasonNotProved   ReasonCode = "not_proved"  // what it shows
	ReasonUnavailable ReasonCode = "unavailable" // why
	ReasonUnknown     ReasonCode = "unknown"     // why
	ReasonPredecessor ReasonCode = "predecessor" // other line
	ReasonNotRun      ReasonCode = "not_run"     // what became of the batch, by whom
	ReasonInterrupted ReasonCode = "interrupted" // the program ended during the call
	ReasonPutBack     ReasonCode = "put_back"    // other line, or ""; why it could not be finished, in words
	ReasonStuck       ReasonCode = "stuck"       // address it shows, address it had, why, in words
	ReasonKept        ReasonCode = "kept"        // why, in words
)

// NewReason makes a reason of a code and its facts.
func NewReason(code ReasonCode, facts ...string) Reason { return Reason{Code: code, Facts: facts} }

func (r Reason) fact(i int) string {
	if i < len(r.Facts) {
		return r.Facts[i]
	}
	return ""
}

// Words is the reason in one plain sentence without a full stop: what is so, and what to do about it.
func (r Reason) Words() string {
	f := r.fact
	switch r.Code {
	case "":
		return ""
	case ReasonUnreadable:
		return f(0)
	case ReasonNoAccount:
		if f(1) != "" {
			return fmt.Sprintf("no managed account %s; account %s has the new address already, so this may be done", f(0), f(1))
		}
		return fmt.Sprintf("no managed account %s; check the spelling, or whether the account belongs to this organisation", f(0))
	case ReasonNotManaged:
		return fmt.Sprintf("%s is not a managed account; claim its domain first (Atlassian admin, Settings, Domains)", f(0))
	case ReasonAmbiguous:
		return fmt.Sprintf("%s belongs to more than one account (%s); give the account id", f(0), f(1))
	case ReasonMismatch:
		if f(3) != "" {
			return fmt.Sprintf("account %s has the address %s, not %s, which belongs to account %s; correct one of the two",
				f(0), f(1), f(2), f(3))
		}
		return fmt.Sprintf("account %s has the address %s, not %s; correct one of the two", f(0), f(1), f(2))
	case ReasonNotAllowed:
		return notAllowedWords(ActionName(f(0)), f(1))
	case ReasonUnverified:
		if f(1) != "" {
			return fmt.Sprintf("the domain %s is not verified in this organisation, and it looks like %s, which is; correct it",
				f(0), f(1))
		}
		return fmt.Sprintf("the domain %s is not verified in this organisation; "+
			"verify it first (Atlassian admin, Settings, Domains)", f(0))
	case ReasonOddAddress:
		return "look twice at the new address: " + f(0)
	case ReasonTaken:
		return fmt.Sprintf("%s is held by account %s (%s, %s); rename it first, in the same file",
			f(0), f(1), f(2), statusWord(AccountStatus(f(3))))
	case ReasonProtected:
		if f(1) != "" {
			return fmt.Sprintf("is in the group %s, which is protected by countersign's settings (protect)", f(1))
		}
		return fmt.Sprintf("%s is protected by countersign's settings (protect)", f(0))
	case ReasonOrgAdmin:
		return fmt.Sprintf("account %s is an organisation admin's; only a rule with org_admins and allow lets it be changed", f(0))
	case ReasonDayLimit:
		return dayLimitWords(f(0), f(1), f(2), f(3))
	case ReasonHeld:
		return fmt.Sprintf("belongs to batch #%s, which is still open; wait for it or withdraw it", f(0))
	case ReasonDuplicate:
		return fmt.Sprintf("the same account as in line %s; keep one of the two", f(0))
	case ReasonSameTarget:
		return fmt.Sprintf("wants the address %s, as line %s does; keep one of the two", f(0), f(1))
	case ReasonConflict:
		return fmt.Sprintf("%s and, in line %s, %s on the same account; keep one of the two", f(0), f(1), f(2))
	case ReasonParkTaken:
		return fmt.Sprintf("exchanges its address by way of %s, which account %s holds; give that account another address first",
			f(0), f(1))
	case ReasonWaitsForBlocked:
		return fmt.Sprintf("needs the address %s, which line %s was to free and cannot", f(1), f(0))
	case ReasonClosed:
		return fmt.Sprintf("account %s is deleted or waiting for its deletion; cancel the deletion first", f(0))
	case ReasonOwnAlone:
		return "is the own account of who asked; another person has to ask for it"
	case ReasonStalePolicy:
		return fmt.Sprintf("the settings now name the group %s, which the check did not ask about", f(0))
	case ReasonOwnAccount:
		return "an account of the requester, the author or an admin; ask for it alone, another admin approves"
	case ReasonCouldNotCheck:
		return fmt.Sprintf("could not be checked (%s); check again, or send the row again", f(0))
	case ReasonNotSupported:
		return fmt.Sprintf("%s is not supported yet", f(0))
	case ReasonAlready:
		return fmt.Sprintf("already so: %s", f(0))
	case ReasonCaseOnly:
		return fmt.Sprintf("differs from %s in upper and lower case only, which Atlassian does not tell apart", f(0))
	case ReasonOtherAccountTyp:
		return fmt.Sprintf("is an account of type %s, not a person's", f(0))
	case ReasonDrifted:
		return fmt.Sprintf("drifted: the %s was %s when planned and is %s now; nothing was sent; ask again", f(0), f(1), f(2))
	case ReasonGone:
		return fmt.Sprintf("drifted: account %s is no longer there or no longer managed; nothing was changed", f(0))
	case ReasonOvertaken:
		return fmt.Sprintf("a call went out and its answer got lost; the %s was %s before and is %s now; "+
			"look at it in Atlassian admin", f(0), f(1), f(2))
	case ReasonLost:
		return fmt.Sprintf("%s calls got lost on the way and the account shows the old value; send the row again later", f(0))
	case ReasonCollision:
		return fmt.Sprintf("Atlassian would not give out %s; probably an account holds it that no search shows: "+
			"an unclaimed one, one in another organisation, or one being deleted; free it there, then ask again", f(0))
	case ReasonInvalid:
		return fmt.Sprintf("Atlassian does not accept the value (%s); correct it and send the row again",
			strings.Join(r.Facts, ", "))
	case ReasonLifecycle:
		return lifecycleWords(r)
	case ReasonRefused:
		return fmt.Sprintf("Atlassian refused the call (%s)", strings.Join(r.Facts, " "))
	case ReasonNotProved:
		return fmt.Sprintf("Atlassian accepted the call, but the account still shows %s; look at it in Atlassian admin", f(0))
	case ReasonUnavailable:
		return fmt.Sprintf("Atlassian could not be reached (%s); nothing was changed; ask again later", f(0))
	case ReasonUnknown:
		return fmt.Sprintf("the outcome is not known yet (%s); the account is being read back", f(0))
	case ReasonPredecessor:
		return fmt.Sprintf("not sent: it waited for line %s, which did not succeed", f(0))
	case ReasonNotRun:
		if f(1) == "" {
			return "not sent: the batch " + f(0)
		}
		return fmt.Sprintf("not sent: the batch was %s by %s", f(0), f(1))
	case ReasonPutBack:
		if f(0) == "" {
			return "has its old address again, as the exchange could not be finished: " + f(1)
		}
		return fmt.Sprintf("has its old address again, as the exchange could not be finished: line %s did not succeed", f(0))
	case ReasonStuck:
		return fmt.Sprintf("shows %s and could be given neither its new address nor %s again (%s); "+
			"give it one by hand in Atlassian admin", f(0), f(1), f(2))
	case ReasonKept:
		return fmt.Sprintf("has its new address, although the exchange it belongs to was put back: "+
			"it could not be given the old one again (%s)", f(0))
	case ReasonInterrupted:
		return "the program ended during the call; the account is being read back"
	default:
		return strings.TrimSpace(string(r.Code) + " " + strings.Join(r.Facts, " "))
	}
}

// Cause is the few words under which rows with this reason are counted.
func (r Reason) Cause() string { return r.Code.Cause() }

// Cause is the few words under which rows with this code are counted.
func (c ReasonCode) Cause() string {
	if words, ok := causes[c]; ok {
		return words
	}
	return strings.ReplaceAll(string(c), "_", " ")
}

var causes = map[ReasonCode]string{
	ReasonUnreadable:      "cannot be used as sent",
	ReasonNoAccount:       "no such account",
	ReasonNotManaged:      "not a managed account",
	ReasonAmbiguous:       "more than one account",
	ReasonMismatch:        "id and address disagree",
	ReasonNotAllowed:      "not allowed by Atlassian",
	ReasonUnverified:      "domain not verified",
	ReasonOddAddress:      "new address written oddly",
	ReasonTaken:           "address taken",
	ReasonProtected:       "protected",
	ReasonHeld:            "in another open batch",
	ReasonDuplicate:       "twice in the request",
	ReasonSameTarget:      "two rows want one address",
	ReasonConflict:        "conflicting actions",
	ReasonParkTaken:       "parking address taken",
	ReasonWaitsForBlocked: "waits for a blocked row",
	ReasonClosed:          "account deleted",
	ReasonOwnAccount:      "own or admin's account",
	ReasonOwnAlone:        "own account",
	ReasonOrgAdmin:        "organisation admin",
	ReasonDayLimit:        "over the limit of a day",
	ReasonStalePolicy:     "settings changed since the check",
	ReasonCouldNotCheck:   "could not be checked",
	ReasonNotSupported:    "not supported yet",
	ReasonAlready:         "already so",
	ReasonCaseOnly:        "only case differs",
	ReasonOtherAccountTyp: "not a person's account",
	ReasonDrifted:         "drifted",
	ReasonGone:            "account gone",
	ReasonCollision:       "address probably taken",
	ReasonInvalid:         "value not accepted",
	ReasonLifecycle:       "Atlassian needs something settled first",
	ReasonRefused:         "refused by Atlassian",
	ReasonNotProved:       "accepted, but not to be seen",
	ReasonOvertaken:       "changed by somebody else meanwhile",
	ReasonLost:            "calls got lost",
	ReasonUnavailable:     "Atlassian could not be reached",
	ReasonUnknown:         "outcome not known yet",
	ReasonPredecessor:     "waited for another line",
	ReasonNotRun:          "the batch ended first",
	ReasonInterrupted:     "interrupted",
	ReasonPutBack:         "exchange of addresses put back",
	ReasonStuck:           "left at a parking address",
	ReasonKept:            "kept its new address",
}

// Remedy is what to do about a group of failures with this code, a sentence without a full stop.
func (c ReasonCode) Remedy() string {
	switch c {
	case ReasonDrifted, ReasonGone:
		return "the account moved after the plan was made; look at it and ask again"
	case ReasonCollision, ReasonTaken:
		return "free the address where it is held, then ask again"
	case ReasonNotAllowed:
		return "change it where the account is managed, or ask an organisation admin"
	case ReasonUnverified:
		return "verify the domain in Atlassian admin, then ask again"
	case ReasonLifecycle:
		return "settle what Atlassian names (billing, site ownership), then ask again"
	case ReasonInvalid:
		return "correct the value and send the rows again"
	case ReasonNotProved:
		return "look at the accounts in Atlassian admin before you ask again"
	case ReasonOvertaken:
		return "look at the accounts in Atlassian admin before you ask again"
	case ReasonLost, ReasonUnavailable:
		return "nothing was changed; ask again later"
	case ReasonStuck:
		return "give each of these accounts an address by hand in Atlassian admin"
	case ReasonPutBack:
		return "put right the line that did not succeed, then ask again"
	case ReasonPredecessor:
		return "put right the line it waited for, then ask again"
	default:
		return "look at the reason in the results file"
	}
}

// notAllowedWords puts the reason keys of GET /users/{id}/manage into words and says where to go (user management API,
// permission rules). A key that is not known counts as a no, and is shown.
func notAllowedWords(action ActionName, key string) string {
	what := map[ActionName]string{
		Rename: "the address cannot be changed here", Deactivate: "the account cannot be deactivated here",
		Activate: "the account cannot be activated here",
	}[action]
	if what == "" {
		what = string(action) + " is not allowed"
	}
	switch key {
	case "externalDirectory.scim":
		return what + ": it is synced from your identity provider (SCIM); change it there"
	case "externalDirectory.google":
		return what + ": it is synced from Google Workspace; change it there"
	case "authPolicy.saml":
		return what + ": it logs in by SAML, which would overwrite it; change it in your identity provider"
	case "administrative":
		return what + ": it is reserved for administrative use"
	case "administrative.notMyself":
		return what + ": nobody may do this to their own account; ask another organisation admin"
	case "blocked.exportControl":
		return what + ": it is blocked by export control; only Atlassian support can change that"
	case "managedAccount":
		return what + ": only the organisation that manages the account may do it"
	case "myselfOnly":
		return what + ": only the person may do it, in their own Atlassian profile"
	case "":
		return what + ": Atlassian does not allow it and gives no reason"
	default:
		return fmt.Sprintf("%s: Atlassian does not allow it (%s)", what, key)
	}
}

func lifecycleWords(r Reason) string {
	words := "Atlassian needs something settled first"
	if m := r.fact(1); m != "" {
		words += ": " + m
	}
	if c := r.fact(0); c != "" {
		words += " (" + c + ")"
	}
	if l := r.fact(2); l != "" {
		words += "; see " + l
	}
	return words
}

// dayLimitWords says how a limit of limits.per_day is passed.
func dayLimitWords(whose, limit, touched, here string) string {
	by, setting := "by one requester", "limits.per_day.requester"
	if whose == "all" {
		by, setting = "by all together", "limits.per_day.all"
	}
	return fmt.Sprintf("%s accounts may be touched in 24 hours %s (%s); %s were or are about to be, and this batch has %s; "+
		"ask again later, or for fewer", limit, by, setting, touched, here)
}

func statusWord(s AccountStatus) string {
	switch s {
	case StatusInactive:
		return "deactivated"
	case StatusClosed:
		return "deleted or being deleted"
	default:
		return string(s)
	}
}
