package organisation

import (
	"net/http"
	"slices"
	"strings"
)

// profileFields are the fields of profile.write, as the OpenAPI file's example of ObjectMutability
// names them.
var profileFields = []string{
	"name", "nickname", "zoneinfo", "locale",
	"extended_profile.job_title", "extended_profile.organization",
	"extended_profile.department", "extended_profile.location",
}

// simplePrivileges are the privileges whose rule is not a map of fields.
var simplePrivileges = []string{
	"profile.read", "email.set", "lifecycle.enablement", "lifecycle.delete", "apiToken.read", "apiToken.delete",
}

// target returns the account that a user-management call is about, or the answer that refuses.
// Accounts that the organisation does not manage are answered like ones that do not exist. The
// caller holds o.mu.
func (o *Organisation) target(x *exchange) (*record, answer) {
	found, known := o.accounts[x.path[0]]
	if !known || !found.Managed || found.Hidden {
		return nil, keyed(http.StatusNotFound, "accountNotFound")
	}
	if found.Unverified {
		return nil, keyed(http.StatusForbidden, "forbidden.targetUnverified")
	}
	return found, answer{}
}

// getManage is GET /users/{account_id}/manage: what may be done with the account.
func (o *Organisation) getManage(x *exchange) answer {
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	asked := x.query["privileges"]
	for _, each := range asked {
		if each != "profile" && each != "profile.write" && !slices.Contains(simplePrivileges, each) {
			o.violate("%s %s: unknown privilege %q", x.call.Method, x.call.Path, each)
		}
	}
	wanted := func(privilege string) bool { return len(asked) == 0 || slices.Contains(asked, privilege) }
	rules := make(map[string]any)
	for _, privilege := range simplePrivileges {
		if wanted(privilege) {
			rules[privilege] = found.rule(privilege)
		}
	}
	fields := make(map[string]ruleJSON, len(profileFields))
	for _, field := range profileFields {
		fields[field] = found.fieldRule(field)
	}
	if wanted("profile.write") {
		rules["profile.write"] = fields
	}
	if slices.Contains(asked, "profile") { // the deprecated name, only for who asks for it
		rules["profile"] = fields
	}
	return success(rules)
}

// rule reports whether a privilege is given. Nothing can be done with a closed account.
func (a *Account) rule(privilege string) ruleJSON {
	if reason, locked := a.Locks[privilege]; locked {
		return ruleJSON{Reason: &reasonJSON{Key: reason}}
	}
	if (a.Status == "closed" || a.deleting(privilege)) && !strings.HasSuffix(privilege, ".read") {
		return ruleJSON{Reason: &reasonJSON{Key: "administrative"}}
	}
	return ruleJSON{Allowed: true}
}

// deleting reports whether a scheduled deletion stands in the way: only cancel-delete ends it.
func (a *Account) deleting(privilege string) bool {
	return !a.DeleteOn.IsZero() && strings.HasPrefix(privilege, "lifecycle.")
}

// fieldRule returns the rule of one field of profile.write.
func (a *Account) fieldRule(field string) ruleJSON {
	if reason, locked := a.Locks["profile.write/"+field]; locked {
		return ruleJSON{Reason: &reasonJSON{Key: reason}}
	}
	return a.rule("profile.write")
}

// mayNot answers 403 forbidden.action, when the privilege is not given.
func (a *Account) mayNot(privilege string) (answer, bool) {
	rule := a.rule(privilege)
	if rule.Allowed {
		return answer{}, false
	}
	return answer{status: http.StatusForbidden, body: keyError{Key: "forbidden.action", Context: rule}}, true
}
