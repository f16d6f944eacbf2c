package workflow

import (
	"slices"
	"strings"
)

// Field names one value of an account, or of a call about it. What a step expects and what it sets
// are values by field; an action that needs another value adds a field here and nothing else to the
// stored form.
type Field string

// The fields. A group's own field is GroupField.
const (
	FieldEmail      Field = "email"
	FieldStatus     Field = "status" // an AccountStatus
	FieldName       Field = "name"   // the display name
	FieldMessage    Field = "message"
	FieldProducts   Field = "products"   // names, sorted, separated by ";"
	FieldGroups     Field = "groups"     // names, sorted, separated by ";"
	FieldMembership Field = "membership" // of a directory: active, suspended, none
	FieldTokens     Field = "tokens"     // how many API tokens
	FieldColumns    Field = "columns"    // of a Jira site's issue navigator
)

// Fields of answers alone, that no step expects or sets.
const (
	FieldID      Field = "id"
	FieldType    Field = "type"    // of an account
	FieldAllowed Field = "allowed" // "true" where a privilege is ours
	FieldReason  Field = "reason"  // why it is not, in the vendor's words

	FieldDirectory Field = "directory" // id of the one that a group is in
	FieldURL       Field = "url"
	FieldRoles     Field = "roles" // with their resources, sorted, separated by ";"
)

// The values of FieldMembership.
const (
	MemberActive    = "active"
	MemberSuspended = "suspended"
	MemberNone      = "none"
)

// The values of GroupField.
const (
	GroupIn  = "in"
	GroupOut = "out"
)

// GroupField returns the field that reports whether an account is in the group of that id: "in" or
// "out".
func GroupField(id string) Field { return "group:" + Field(id) }

// Values are what a step expects of an account, or what it sets. An absent field is a value that
// the step does not depend on.
type Values = ValuesBy[Field]

// Place is where a step's call goes. Each has its own key, pace and limits.
type Place string

// The places.
const (
	PlaceAccount   Place = "account"   // user management
	PlaceDirectory Place = "directory" // one directory of the organisation (organisation API v2)
	PlaceSite      Place = "site"      // one Jira site
	PlaceSCIM      Place = "scim"      // one SCIM directory
)

// Step is one call that changes something, and the condition under which it may be made: the
// account must show what Expect says. After the call it must show what Set says. The hash of a
// step, over all fields but Seq, After and Bundle, is what people approve.
type Step struct {
	Seq   int `json:"seq"`             // running order within the batch, from 1
	After int `json:"after,omitempty"` // the step that must be proved first; 0 = none
	// Bundle is the first step of those that belong together: once that is made, all of them are,
	// or what was made is taken back, before the batch stops for anything. 0 = it stands alone.
	Bundle    int        `json:"bundle,omitempty"`
	Row       int        `json:"row"`
	Action    ActionName `json:"action"`
	Place     Place      `json:"place"`
	Directory string     `json:"directory,omitempty"` // id, for PlaceDirectory and PlaceSCIM
	Site      string     `json:"site,omitempty"`      // name in the settings, for PlaceSite
	AccountID string     `json:"account_id"`          // "" for somebody who has no account yet

	// At is when the step may be made at the earliest: RFC 3339, UTC, whole seconds; "" = at once.
	// Until is when its effect ends: the same, or "+<seconds>" counted from the start of the run;
	// "" = never.
	At    string `json:"at,omitempty"`
	Until string `json:"until,omitempty"`

	Expect Values `json:"expect,omitempty"`
	Set    Values `json:"set,omitempty"`
}

// AboutGroup reports whether the step changes who is in a group.
func (s Step) AboutGroup() bool {
	for field := range s.Set.Keys() {
		if strings.HasPrefix(string(field), string(GroupField(""))) {
			return true
		}
	}
	return false
}

// Endpoint returns the endpoint to which the step's call goes.
func (s *Step) Endpoint() Endpoint {
	return Endpoint{Place: s.Place, Directory: s.Directory, Site: s.Site}
}

// What a key begins with whose rest is an address as AddressKey spells it, and what one of a
// membership begins with.
const (
	addressHold    = "address:"
	membershipHold = "membership:"
)

// Keys returns what the step changes, as keys that belong to one open batch at a time: email:<id>,
// status:<id>, name:<id>, tokens:<id> of an account, membership:<id>/<group, directory or site>,
// and address:<key> for each address that it leaves or takes. In a fixed order.
func (s *Step) Keys() []string {
	var out []string
	add := func(keys ...string) {
		for _, k := range keys {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	for field := range s.Set.Keys() {
		switch name, arg, _ := strings.Cut(string(field), ":"); {
		case field == FieldMessage, field == FieldProducts, field == FieldGroups:
		case s.AccountID == "" && field == FieldEmail: // there is nothing else yet that could belong to anybody
			add(addressHold + AddressKey(s.Set.Get(field)))
		case s.AccountID == "":
		case field == FieldEmail:
			add("email:"+s.AccountID, addressHold+AddressKey(s.Set.Get(field)))
			if from := s.Expect.Get(field); from != "" {
				add(addressHold + AddressKey(from))
			}
		case name == "group" && s.Place == PlaceSite:
			add(membershipHold + s.AccountID + "/" + s.Site + "/" + arg)
		case name == "group":
			add(membershipHold + s.AccountID + "/" + arg)
		case field == FieldColumns:
			add(membershipHold + s.AccountID + "/" + s.Site + "/" + string(field))
		case field == FieldMembership:
			add(membershipHold + s.AccountID + "/" + s.Directory + s.Site)
		default:
			add(string(field) + ":" + s.AccountID)
		}
	}
	return out
}

// KeyAccount returns the account that a key of Keys is about, ok false for the key of an address.
func KeyAccount(key string) (id string, ok bool) {
	kind, rest, _ := strings.Cut(key, ":")
	switch kind + ":" {
	case addressHold:
		return "", false
	case membershipHold:
		rest, _, _ = strings.Cut(rest, "/")
	}
	return rest, true
}

// Equal reports whether the two steps are the same in everything, their place in the running order
// included.
func (s Step) Equal(o Step) bool {
	return s.Seq == o.Seq && s.After == o.After && s.Bundle == o.Bundle && s.Row == o.Row && s.Action == o.Action && s.Place == o.Place &&
		s.Directory == o.Directory && s.Site == o.Site && s.AccountID == o.AccountID && s.At == o.At && s.Until == o.Until &&
		s.Expect.Equal(o.Expect) && s.Set.Equal(o.Set)
}
