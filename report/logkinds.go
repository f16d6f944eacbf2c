package report

import (
	"slices"
	"strings"
	"unicode"

	"github.com/countersign/countersign/workflow"
)

// meaning is what a kind of events can explain: the fields that such an event changes, and which way. Who
// did it, the event says and never its kind.
type meaning struct {
	fits   []workflow.Field
	toward workflow.Toward
}

// The words of the rules below. A word of a kind is compared by how it begins: "deactivat" is in
// "deactivated" and in "deactivation".
var (
	changing = []string{"chang", "updat", "edit", "set", "modif", "renam", "migrat", "replac"}
	lessOf   = []string{"deactivat", "disabl", "suspend", "remov", "revok", "delet", "unassign", "leave", "left", "unclaim", "lost", "block"}
	moreOf   = []string{"reactivat", "activat", "enabl", "restor", "add", "grant", "assign", "creat", "invit", "join", "claim", "cancel", "provision", "unsuspend", "unblock", "import"}
	people   = []string{"user", "account", "member", "person", "people"}
	// foreign are things that have names, statuses and members of their own: a kind that is about one
	// of them is about no field of an account.
	foreign = []string{
		"token", "key", "policy", "policies", "domain", "page", "project", "space", "site", "password", "setting", "login",
		"logged", "session", "verification", "verifi", "mfa", "factor", "avatar", "picture", "photo", "workflow", "issue", "webhook",
		"app", "integration", "notification", "allowlist", "ip", "sandbox", "backup", "export", "team", "workspace", "billing",
		"card", "invoice", "trial", "subscription", "timezone", "locale", "language", "rule", "encryption", "request", "link",
		"filter", "dashboard", "board", "attachment", "certificate", "saml", "sso",
	}
	// plain are the words of a kind that says no more than that an account is other than before.
	plain = []string{
		"user", "account", "managed", "member", "person", "people", "profile", "detail", "attribute", "information", "info", "sync",
		"provision", "scim", "identity", "provider", "idp", "external", "directory", "by", "from", "via", "the", "a", "an", "of", "in",
		"to", "with", "was", "has", "been", "s",
	}
)

// understand reads what a kind of events is about from its id and its name. What is not understood
// explains nothing.
func understand(kind workflow.LogKind) (m meaning, ok bool) {
	words := kindWords(kind.ID + " " + kind.Name)
	has := func(starts []string) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			return slices.ContainsFunc(starts, func(s string) bool { return strings.HasPrefix(w, s) })
		})
	}
	one := func(starts ...string) bool { return has(starts) }
	if less, more := has(lessOf), has(moreOf); one("cancel") && one("delet") {
		m.toward = workflow.TowardMore
	} else if less != more {
		m.toward = workflow.TowardLess
		if more {
			m.toward = workflow.TowardMore
		}
	}
	access := one("role") || one("access") || one("licen") || one("seat") || one("product") || one("billed", "billable")
	switch {
	case one("group"):
		// The group itself may be created, renamed or deleted, which is nobody's change.
		if one("add", "remov", "join", "left", "leave") && has(people) || one("membership") {
			m.fits = []workflow.Field{workflow.FieldGroups, workflow.FieldProducts, workflow.FieldBillable}
		}
	case access && !one("token", "key", "polic", "domain", "page", "project", "space", "login", "session", "request"):
		m.fits = []workflow.Field{workflow.FieldProducts, workflow.FieldBillable}
		if one("suspend", "restor", "unsuspend") {
			m.fits = append(m.fits, workflow.FieldStatus)
		}
		if one("billed", "billable", "licen", "seat") {
			m.toward = ""
		}
	case has(foreign):
	case one("email", "e-mail") || one("address") && !one("ip"):
		if has(changing) {
			m.fits, m.toward = []workflow.Field{workflow.FieldEmail}, ""
		}
	case one("name", "nickname", "username", "fullname", "displayname"):
		if has(changing) && !one("organi", "directory") {
			m.fits, m.toward = []workflow.Field{workflow.FieldName}, ""
		}
	case !has(people):
	case one("deactivat", "reactivat", "activat", "disabl", "enabl", "suspend", "restor", "block", "unblock", "unsuspend"):
		m.fits = []workflow.Field{workflow.FieldStatus, workflow.FieldBillable, workflow.FieldProducts}
	case one("delet", "deletion", "closed", "close"):
		m.fits = []workflow.Field{workflow.FieldStatus, workflow.FieldGone, workflow.FieldBillable, workflow.FieldProducts}
		if m.toward == workflow.TowardMore { // cancelled
			m.fits = append(m.fits, workflow.FieldNew)
		}
	case one("remov", "left", "leave", "unclaim"):
		m.fits = []workflow.Field{workflow.FieldGone, workflow.FieldProducts, workflow.FieldBillable}
	case one("creat", "invit", "add", "join", "claim", "import"):
		m.fits = []workflow.Field{workflow.FieldNew, workflow.FieldProducts, workflow.FieldBillable}
	case (has(changing) || one("sync", "provision")) && onlyPlain(words):
		m.fits, m.toward = []workflow.Field{workflow.FieldEmail, workflow.FieldName, workflow.FieldStatus}, ""
	}
	return m, len(m.fits) > 0
}

// onlyPlain reports whether the words say that an account is other, and nothing of what.
func onlyPlain(words []string) bool {
	for _, w := range words {
		begins := func(s string) bool { return strings.HasPrefix(w, s) && (len(s) > 3 || w == s || w == s+"s") }
		if !slices.ContainsFunc(plain, begins) && !slices.ContainsFunc(changing, func(s string) bool { return strings.HasPrefix(w, s) }) {
			return false
		}
	}
	return true
}

// kindWords are the words of a text or of a technical name, in lower case.
func kindWords(text string) []string {
	var spaced strings.Builder
	var before rune
	for _, r := range text {
		if unicode.IsUpper(r) && unicode.IsLower(before) { // userEmailChanged
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(r)
		before = r
	}
	return strings.FieldsFunc(strings.ToLower(spaced.String()), func(r rune) bool {
		return !unicode.IsLetter(r) && r != '-' || r == '_'
	})
}
