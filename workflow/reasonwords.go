package workflow

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// reasonEntry is what is said of a code.
type reasonEntry struct {
	facts  []string // their names, in order
	cause  string   // the few words under which a row is counted
	causes string   // and those under which several are, "" where they are the same
	// words are the reason in one plain sentence without a full stop, with facts by name:
	// "{address}". The first sentence whose facts marked "{name?}" are there is said, or else the
	// last one.
	words []string
	// say makes the words where a sentence with gaps does not; nil for most.
	say func(Reason) string
	// remedy is what to do about a group of failures, "" where each row tells more.
	remedy string
	// warns says that it is of a row that may run all the same; cause then says it of one row.
	warns bool
}

// reasons is everything that is said of each code.
var reasons = func() map[ReasonCode]reasonEntry {
	all := maps.Clone(checkReasons)
	maps.Copy(all, runReasons)
	return all
}()

// checkReasons are those of a check.
var checkReasons = map[ReasonCode]reasonEntry{
	ReasonUnreadable: {
		facts:  []string{"words"},
		cause:  "unreadable row",
		causes: "unreadable rows",
		words:  []string{"{words}"},
	},
	ReasonNoAccount: {
		// what was looked for; the account that has the new address, or ""; where any account would do: "this organisation", or ""
		facts:  []string{"what", "holder", "where"},
		cause:  "no such account",
		causes: "no such accounts",
		words: []string{
			"no managed account {what}; account {holder?} has the new address already, so it may already be done",
			"no account {what} in {where?}; check the spelling",
			"no managed account {what}; check the spelling, or whether the account belongs to this organisation",
		},
		remedy: "check the spelling, then send the rows again",
	},
	ReasonNotManaged: {
		facts:  []string{"what"},
		cause:  "not a managed account",
		causes: "unmanaged accounts",
		words:  []string{"{what} is not a managed account; claim its domain first (Atlassian admin, Settings, Domains)"},
		remedy: "claim the domain in Atlassian admin, then press Retry failed",
	},
	ReasonAmbiguous: {
		facts:  []string{"address", "ids"},
		cause:  "more than one account",
		words:  []string{"{address} belongs to more than one account ({ids}); give the account id"},
		remedy: "give the account id, then send the rows again",
	},
	ReasonMismatch: {
		facts: []string{"id", "has", "given", "holder"}, // holder: the account that has the address given, or ""
		cause: "id and address disagree",
		words: []string{
			"account {id} has the address {has}, not {given}, which belongs to account {holder?}; correct " +
				"one of the two",
			"account {id} has the address {has}, not {given}; correct one of the two",
		},
		remedy: "correct the id or the address, then send the rows again",
	},
	ReasonNotAllowed: {
		facts:  []string{"action", "key", "directory"}, // directory: the SCIM one that holds the account, or ""
		cause:  "locked by Atlassian",
		say:    notAllowedWords,
		remedy: "change it where the account is managed, for example in your identity provider",
	},
	ReasonNotSaid: {
		facts: []string{"what"},
		cause: "not told if it may be changed",
		words: []string{
			"Atlassian does not tell if this may be changed ({what}); change it in Atlassian admin (Directory, Managed " +
				"accounts), or send the row again",
		},
		remedy: "change these accounts in Atlassian admin",
	},
	ReasonUnverified: {
		facts:  []string{"domain", "like"}, // like: the verified one that it looks like, or ""
		cause:  "domain not verified",
		causes: "domains not verified",
		words: []string{
			"the domain {domain} is not verified in this organisation, and it looks like {like?}, which " +
				"is; correct it",
			"the domain {domain} is not verified in this organisation; verify it first (Atlassian admin, " +
				"Settings, Domains)",
		},
		remedy: "verify the domain in Atlassian admin, then press Retry failed",
	},
	ReasonOddAddress: {
		facts:  []string{"what"},
		cause:  "new address written oddly",
		causes: "new addresses written oddly",
		words:  []string{"look twice at the new address: {what}"},
		warns:  true,
	},
	ReasonNumbered: {
		facts:  []string{"wanted"},
		cause:  "new address has a number, because the plain one is not free",
		causes: "new addresses have a number, because the plain ones are not free",
		words:  []string{"{wanted} is held or wanted by somebody else, so this one has a number; check that it will do"},
		warns:  true,
	},
	ReasonStays: {
		facts: []string{"what"},
		cause: "something stays that cannot be taken away here",
		words: []string{"{what} cannot be taken away here; take it away in your identity provider or Atlassian admin"},
		warns: true,
	},
	ReasonGoneForGood: {
		facts: []string{"id"},
		cause: "deleted for good",
		words: []string{"account {id} has been deleted for good; nothing brings it back"},
	},
	ReasonEarlierUnknown: {
		cause:  "earlier status unknown, so the account ends deactivated",
		causes: "earlier status unknown, so the accounts end deactivated",
		words: []string{
			"nobody knows whether the account was active before its deletion, so it ends deactivated; activate it if that is wrong",
		},
		warns: true,
	},
	ReasonOverwritten: {
		cause:  "SAML sets the old name again at the next login",
		causes: "SAML sets the old names again at the next login",
		words:  []string{"the person logs in by SAML, which sets the old value again; change it in your identity provider, too"},
		warns:  true,
	},
	ReasonTaken: {
		facts:  []string{"address", "id", "name", "status"},
		cause:  "address taken",
		causes: "addresses taken",
		say:    takenWords,
		remedy: "free the address where it is held, then press Retry failed",
	},
	ReasonTakenDeleting: {
		facts:  []string{"address", "id", "name", "until"}, // until: in words, or ""
		cause:  "address taken by an account in deletion",
		causes: "addresses taken by accounts in deletion",
		words: []string{
			"{address} is held by account {id} ({name}), which is being deleted, until {until?}; wait, or cancel its deletion and " +
				"rename it",
			"{address} is held by account {id} ({name}), which is being deleted, for up to 14 days; wait, or cancel its deletion and " +
				"rename it",
		},
		remedy: "wait until the account is gone, or cancel its deletion and rename it",
	},
	ReasonHolderHidden: {
		facts:  []string{"address", "id"},
		cause:  "holder of the address not shown",
		causes: "holders of addresses not shown",
		words: []string{
			"Atlassian finds account {id} for {address} and does not show its address, so it may be taken; take another address, " +
				"or look at that account in Atlassian admin (Directory, Managed accounts)",
		},
		remedy: "take another address, or look at that account in Atlassian admin",
	},
	ReasonProtected: {
		facts: []string{"what", "group"}, // address or id; or "" and the group
		cause: "protected",
		words: []string{
			"is in the group {group?}, which is protected by countersign's settings (protect)",
			"{what} is protected by countersign's settings (protect)",
		},
	},
	ReasonOrgAdmin: {
		facts:  []string{"id"},
		cause:  "organisation admin",
		causes: "organisation admins",
		words:  []string{"account {id} is an organisation admin's; change it in Atlassian admin, or allow it in the settings (approval.rules, org_admins and allow)"},
	},
	ReasonDayLimit: {
		facts:  []string{"whose", "limit", "touched", "here"}, // whose: requester, all
		cause:  "over the daily limit",
		say:    dayLimitWords,
		remedy: "ask later, or for fewer accounts",
	},
	ReasonHeld: {
		facts:  []string{"batch"},
		cause:  "in another open batch",
		words:  []string{"held by open batch #{batch}; wait for it or withdraw it"},
		remedy: "wait for the other batch or withdraw it, then press Retry failed",
	},
	ReasonDuplicate: {
		facts:  []string{"line"},
		cause:  "duplicate row",
		causes: "duplicate rows",
		words:  []string{"the same account as in line {line}; keep one of the two"},
		remedy: "keep one of the two rows, then send the file again",
	},
	ReasonSameTarget: {
		facts:  []string{"address", "line"},
		cause:  "two rows want one address",
		words:  []string{"wants the address {address}, as line {line} does; keep one of the two"},
		remedy: "keep one of the two rows, then send the file again",
	},
	ReasonConflict: {
		facts:  []string{"action", "line", "other"},
		cause:  "conflicting actions",
		words:  []string{"{action} and, in line {line}, {other} on the same account; keep one of the two"},
		remedy: "keep one of the two rows, then send the file again",
	},
	ReasonParkTaken: {
		facts:  []string{"parking", "holder"},
		cause:  "parking address taken",
		causes: "parking addresses taken",
		words: []string{
			"exchanges its address by way of {parking}, which account {holder} holds; give that account " +
				"another address first",
		},
		remedy: "give the account at the parking address another one, then press Retry failed",
	},
	ReasonWaitsForBlocked: {
		facts:  []string{"line", "address"},
		cause:  "waits for a blocked row",
		causes: "wait for a blocked row",
		words:  []string{"needs the address {address}, which line {line} cannot free; correct line {line} first"},
		remedy: "correct the row it waits for, then send the file again",
	},
	ReasonClosed: {
		facts:  []string{"id"},
		cause:  "account deleted",
		causes: "accounts deleted",
		words:  []string{"account {id} is deleted or waiting for its deletion; cancel the deletion first"},
		remedy: "cancel the deletion first",
	},
	ReasonOwnAccount: {
		facts:  []string{"person"},
		cause:  "account of the requester or an admin",
		causes: "accounts of the requester or an admin",
		words:  []string{"account of the requester, the author or an admin; ask for this one alone, then another admin approves"},
	},
	ReasonOwnAlone: {
		facts:  []string{"person"},
		cause:  "own account",
		causes: "own accounts",
		words:  []string{"the requester's own account; another person must ask for it"},
		remedy: "let another person ask for it",
	},
	ReasonStalePolicy: {
		facts: []string{"groups"},
		cause: "settings changed since the check",
		words: []string{"the settings now name the group {groups}, which was not checked"},
	},
	ReasonCouldNotCheck: {
		facts:  []string{"why"},
		cause:  "could not be checked",
		words:  []string{"could not be checked ({why}); check again, or send the row again"},
		remedy: "send the rows again",
	},
	ReasonRolesHidden: {
		facts: []string{"id", "what"}, // what: roles, roles and groups
		cause: "roles not shown",
		words: []string{
			"Atlassian does not show which {what} account {id} has, so it may be an organisation admin's; change it in " +
				"Atlassian admin (Directory, Managed accounts)",
		},
		remedy: "change these accounts in Atlassian admin",
	},
	ReasonAddressHidden: {
		facts:  []string{"id", "given"}, // given: the address that the row gives for it, or ""
		cause:  "address not shown",
		causes: "addresses not shown",
		words: []string{
			"Atlassian does not show the address of account {id}, so it cannot be compared with {given?}; give the account id " +
				"alone",
			"Atlassian does not show the address of account {id}; change it in Atlassian admin (Directory, Managed " +
				"accounts); deactivate and activate by account id work without",
		},
		remedy: "change these accounts in Atlassian admin",
	},
	ReasonNotSupported: {
		facts: []string{"action"},
		cause: "not supported yet",
		words: []string{"{action} is not supported yet"},
	},
	ReasonNoReturn: {
		facts:  []string{"action"},
		cause:  "cannot be taken back at an end",
		words:  []string{"{action} cannot be taken back at an end; leave out until and for"},
		remedy: "leave out until and for, then send the rows again",
	},
	ReasonAlready: {
		facts: []string{"shows"},
		cause: "already done",
		words: []string{"already done: {shows}"},
	},
	ReasonLeftAsIs: {
		facts: []string{"shows", "batch"},
		cause: "stays as another batch left it for a while",
		warns: true,
		words: []string{"stays as #{batch} left it: {shows?}; the end of #{batch} no longer takes this back", "stays as #{batch} left it"},
	},
	ReasonCaseOnly: {
		facts: []string{"address"},
		cause: "only case differs",
		words: []string{"differs from {address} in upper and lower case only, which Atlassian does not tell apart"},
	},
	ReasonAccountType: {
		facts:  []string{"type", "what"}, // what: what to do instead, or ""
		cause:  "not a person's account",
		causes: "not people's accounts",
		words: []string{
			"account of type {type}, not a person's; {what?}",
			"account of type {type}, not a person's; change it where it was made (Atlassian admin, Apps)",
		},
	},
	ReasonNoGroup: {
		facts:  []string{"group"},
		cause:  "no such group",
		causes: "no such groups",
		words:  []string{"no group is called {group}; give its whole name, or its id"},
		remedy: "give the whole name of the group, or its id, then send the rows again",
	},
	ReasonAmbiguousGroup: {
		facts:  []string{"group", "ids"}, // each id with its directory
		cause:  "more than one group of that name",
		words:  []string{"several groups are called {group}: {ids}; give the id, or the directory"},
		remedy: "give the id of the group, then send the rows again",
	},
	ReasonGroupClosed: {
		facts:  []string{"group", "why"}, // why: one of the constants GroupSynced, GroupFixed, GroupHidden, GroupAdmins
		cause:  "group is locked",
		causes: "groups are locked",
		say:    groupClosedWords,
	},
	ReasonNotInDirectory: {
		facts: []string{"id", "directory"}, // the directory's name, or its id
		cause: "not in the directory",
		words: []string{
			"account {id} is not in the directory {directory?}; invite the person there first",
			"account {id} is not in the directory of the group; invite the person there first",
		},
		remedy: "invite the person to the directory, then press Retry failed",
	},
	ReasonWhichDirectory: {
		facts:  []string{"asked", "candidates"}, // asked: the directory that the row names, or ""
		cause:  "directory not clear",
		causes: "directories not clear",
		words: []string{
			"no directory is called {asked?}; choose one of: {candidates?}",
			"the organisation has several directories ({candidates?}); name one in the column directory, or in the settings " +
				"(atlassian.directory_id)",
			"the organisation lists no directory for this API key; run countersign doctor",
		},
	},
	ReasonWhichProduct: {
		facts:  []string{"product", "candidates"},
		cause:  "product not clear",
		causes: "products not clear",
		words: []string{
			"{product} does not name one product of the organisation; choose one of: {candidates?}",
			"{product} is not a product of the organisation",
		},
	},
	ReasonInvited: {
		facts: []string{"address", "id"},
		cause: "in the organisation already",
		words: []string{
			"{address} is in the organisation already (account {id}); ask for the missing groups with group add",
		},
		remedy: "ask for the missing groups with group add",
	},
	ReasonNoSite: {
		facts:  []string{"site", "sites"}, // the sites of the settings, or ""
		cause:  "no such site",
		causes: "no such sites",
		words: []string{
			"the settings (atlassian.sites) name no site {site}; choose one of: {sites?}",
			"the settings (atlassian.sites) name no site {site}",
		},
		remedy: "name a site of atlassian.sites, then send the rows again",
	},
	ReasonSiteForbidden: {
		facts: []string{"site"},
		cause: "not allowed at the site",
		words: []string{
			"the account that countersign uses at the site {site} is not allowed to do or see this; give it site administration and " +
				"Browse users and groups (and organisation admin, to create users)",
		},
		remedy: "give the account of atlassian.sites its permissions in Jira, then press Retry failed",
	},
	ReasonNotOnSite: {
		facts:  []string{"id", "site"},
		cause:  "not a user of the site",
		causes: "not users of the site",
		words:  []string{"account {id} is not a user of the site {site}; give the person access there first, or name another site"},
		remedy: "give the person access to the site, then press Retry failed",
	},
	ReasonOnSite: {
		facts:  []string{"address", "site", "but"}, // but: what speaks against leaving it at that
		cause:  "a user of the site already",
		causes: "users of the site already",
		words:  []string{"{address} is a user of the site {site} already, {but}; correct that there, or with site group add"},
	},
	ReasonNoLegacy: {
		facts:  []string{"name", "site"},
		cause:  "no such legacy name",
		causes: "no such legacy names",
		words:  []string{"nobody at the site {site} has the legacy username or user key {name}; check the spelling"},
		remedy: "check the spelling, then send the rows again",
	},
	ReasonWhichSCIM: {
		facts:  []string{"asked", "directories"}, // those of the settings, or ""
		cause:  "SCIM directory not clear",
		causes: "SCIM directories not clear",
		words: []string{
			"{asked?} is not one of the SCIM directories in the settings (atlassian.scim); choose one of: {directories?}",
			"the settings have several SCIM directories; name one in the column directory: {directories?}",
			"the settings (atlassian.scim) name no SCIM directory",
		},
		remedy: "name one of atlassian.scim in the column directory",
	},
	ReasonProvisioned: {
		facts: []string{"address", "directory", "but"}, // but: what speaks against leaving it at that
		cause: "in the SCIM directory already",
		words: []string{"{address} is in the SCIM directory {directory} already, {but}"},
	},
	ReasonNotInSCIM: {
		facts: []string{"id", "directory", "group"},
		cause: "not in the SCIM directory",
		words: []string{
			"the group {group} is kept in the SCIM directory {directory}, which does not hold account {id}; its groups are for " +
				"its own users alone",
		},
	},
	ReasonNoMessage: {
		facts:  []string{"directory"},
		cause:  "message not shown",
		causes: "messages not shown",
		warns:  true,
		words:  []string{"the message is not shown: the account is deactivated in the SCIM directory {directory}, which takes none"},
	},
	ReasonWholeName: {
		facts: []string{"directory", "whole"},
		cause: "undo does not put back the whole name",
		warns: true,
		words: []string{
			"the SCIM directory {directory} also keeps the whole name {whole}; it is replaced, and undo puts back the display name alone",
		},
	},
}

// cannot says of each action what cannot be done when it is not allowed; an action without an entry
// goes by its name.
var cannot = map[ActionName]string{
	Rename:       "the address cannot be changed here",
	SetName:      "the name cannot be changed here",
	Deactivate:   "the account cannot be deactivated here",
	Delete:       "the account cannot be deleted here",
	RevokeTokens: "its API tokens cannot be deleted here",
	Activate:     "the account cannot be activated here",
}

// notAllowedKeys puts the reason keys of GET /users/{id}/manage into words and says where to go
// (user management API, permission rules).
var notAllowedKeys = map[string]string{
	"externalDirectory.scim":   "it is synced from your identity provider (SCIM); change it there",
	"externalDirectory.google": "it is synced from Google Workspace; change it there",
	"authPolicy.saml":          "it logs in by SAML, which would overwrite it; change it in your identity provider",
	"administrative":           "it is reserved for administrative use",
	"administrative.notMyself": "nobody may do this to their own account; ask another organisation admin",
	"blocked.exportControl":    "it is blocked by export control; only Atlassian support can change that",
	"managedAccount":           "only the organisation that manages the account may do it",
	"myselfOnly":               "only the person may do it, in their own Atlassian profile",
	"":                         "Atlassian does not allow it and does not say why; look at the account in Atlassian admin (Directory, Managed accounts)",
}

// notAllowedWords: a key that is not known counts as a no, and is shown.
func notAllowedWords(r Reason) string {
	action, key := r.Fact(0), r.Fact(1)
	what, ok := cannot[ActionName(action)]
	if !ok {
		what = action + " is not allowed"
	}
	if directory := r.Fact(2); directory != "" {
		return what + ": " + WhyNotAllowed(key) + " (directory " + directory + ")"
	}
	return what + ": " + WhyNotAllowed(key)
}

// WhyNotAllowed returns why a privilege is refused, by its key, and where to go: a clause without a
// full stop.
func WhyNotAllowed(key string) string {
	if why, known := notAllowedKeys[key]; known {
		return why
	}
	return "Atlassian does not allow it (" + key + "); look at the account in Atlassian admin (Directory, Managed accounts)"
}

// Why the members of a group cannot be changed here.
const (
	GroupSynced = "synced"     // an identity provider owns it
	GroupFixed  = "fixed"      // Atlassian lets nobody modify it
	GroupAdmins = "org_admins" // its members are organisation admins
	GroupHidden = "hidden"     // it was found by its name, and Atlassian does not show that
)

func groupClosedWords(r Reason) string {
	return "the members of the group " + r.Fact(0) + " cannot be changed here: " + WhyGroupClosed(r.Fact(1))
}

// WhyGroupClosed returns why the members of a group cannot be changed here, a clause without a full
// stop.
func WhyGroupClosed(why string) string {
	words, known := map[string]string{
		GroupSynced: "it is synced from your identity provider; change its members there",
		GroupFixed:  "Atlassian does not let its members be changed (managementAccess.modifiable is false)",
		GroupHidden: "Atlassian finds it by that name and does not show its name; give the id instead",
		GroupAdmins: "its members are organisation admins; give or take that role in Atlassian admin",
	}[why]
	if !known {
		return why
	}
	return words
}

func takenWords(r Reason) string {
	return fmt.Sprintf("%s is held by account %s (%s, %s); rename it first, in the same file",
		r.Fact(0), r.Fact(1), r.Fact(2), StatusWord(AccountStatus(r.Fact(3))))
}

func invalidWords(r Reason) string {
	return fmt.Sprintf("Atlassian does not accept the value (%s); correct it and send the row again",
		strings.Join(r.Facts, ", "))
}

func refusedWords(r Reason) string {
	return fmt.Sprintf("Atlassian refused the call (%s)", strings.Join(r.Facts, " "))
}

func lifecycleWords(r Reason) string {
	words := "Atlassian asks to settle something first"
	if m := r.Fact(1); m != "" {
		words += ": " + m
	}
	if c := r.Fact(0); c != "" {
		words += " (" + c + ")"
	}
	if l := r.Fact(2); l != "" {
		words += "; see " + l
	}
	return words
}

// countFact is a count among the facts of a reason, as people read it.
func countFact(digits string) string {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return digits
	}
	return Number(n)
}

// dayLimitWords returns how a limit of limits.per_day is passed.
func dayLimitWords(r Reason) string {
	by, setting := "for one requester", "limits.per_day.requester"
	if r.Fact(0) == "all" {
		by, setting = "for all together", "limits.per_day.all"
	}
	return fmt.Sprintf("at most %s accounts may change in 24 hours %s (%s); %s already did or will, and this batch has %s; "+
		"ask later, or for fewer", countFact(r.Fact(1)), by, setting, countFact(r.Fact(2)), countFact(r.Fact(3)))
}

// StatusWord returns an account status in the words that people use for it.
func StatusWord(s AccountStatus) string {
	switch s {
	case StatusInactive:
		return "deactivated"
	case StatusDeleting:
		return "being deleted"
	case StatusClosed:
		return "deleted"
	default:
		return string(s)
	}
}
