package workflow

import (
	"strconv"
	"strings"
)

// ActionName is what is to happen to an account, in the words people write.
type ActionName string

// The actions. Those that this version carries out are in the catalogue (workflow/action); the
// others are read and answered "not supported yet".
const (
	Rename          ActionName = "rename"
	SetName         ActionName = "set-name"
	Deactivate      ActionName = "deactivate"
	Activate        ActionName = "activate"
	Suspend         ActionName = "suspend"
	Restore         ActionName = "restore"
	Remove          ActionName = "remove"
	Delete          ActionName = "delete"
	CancelDelete    ActionName = "cancel-delete"
	GroupAdd        ActionName = "group-add"
	GroupRemove     ActionName = "group-remove"
	Invite          ActionName = "invite"
	RevokeTokens    ActionName = "revoke-tokens"
	SiteGroupAdd    ActionName = "site-group-add"
	SiteGroupRemove ActionName = "site-group-remove"
	SiteCreate      ActionName = "site-create"
	SiteDelete      ActionName = "site-delete"
	SiteColumns     ActionName = "site-columns-reset"
	Provision       ActionName = "provision"
	Offboard        ActionName = "offboard"
)

// ActionNames lists every action there is, built or not, in the order people are shown them.
func ActionNames() []ActionName {
	return []ActionName{
		Rename, SetName, Deactivate, Activate, Suspend, Restore, Remove, Delete, CancelDelete, GroupAdd, GroupRemove,
		Invite, RevokeTokens, SiteGroupAdd, SiteGroupRemove, SiteCreate, SiteDelete, SiteColumns, Provision, Offboard,
	}
}

// Column is a column of a request, by the name that files and messages use for it.
type Column string

// The columns that carry a value (the account is named by account_id or by its current address).
const (
	ColumnAccountID Column = "account_id"
	ColumnEmail     Column = "email" // the current address
	ColumnNewEmail  Column = "new_email"
	// ColumnWanted is no column of files: the new address that a row would ask for if nobody else
	// held it or asked for it.
	ColumnWanted    Column = "wanted_email"
	ColumnNewName   Column = "new_name"
	ColumnGroup     Column = "group"
	ColumnMessage   Column = "message"
	ColumnAction    Column = "action"
	ColumnSite      Column = "site"
	ColumnOrgID     Column = "org_id"
	ColumnDirectory Column = "directory" // id or exact name
	ColumnProducts  Column = "products"  // names, separated by ";"
	ColumnUsername  Column = "username"  // a legacy name on a site
	ColumnUserKey   Column = "user_key"  // a legacy key on a site
)

// Effect is a side effect that people are told of before they approve; its words are the card's.
type Effect string

// The side effects. Sources: an address change ends every session of the account (user management
// API, PUT email); a deactivated account cannot log in anywhere and is no longer billed, an active
// one may be; an identity provider activates an account again that it holds (delete a managed
// account, ACCESS-2217).
const (
	EffectSignedOut      Effect = "signed_out"
	EffectSignedOutTwice Effect = "signed_out_twice" // by way of a parking address
	EffectLockedOut      Effect = "locked_out"
	EffectBilled         Effect = "billed"
	EffectMailed         Effect = "mailed"     // an invitation, with the message
	EffectSiteMail       Effect = "site_mail"  // Jira's own invitation, which cannot be kept back
	EffectOffSite        Effect = "off_site"   // no user of one site any more
	EffectNoMail         Effect = "no_mail"    // of somebody who is invited
	EffectNoProduct      Effect = "no_product" // a member of the organisation who can use nothing
	EffectNoAccess       Effect = "no_access"  // to products of one directory
	EffectAccess         Effect = "access"
	EffectGroupsLeft     Effect = "groups_left"    // so many, which undo gives back
	EffectGroupsLost     Effect = "groups_lost"    // membership in so many groups
	EffectDeleted        Effect = "deleted"        // for good, after the days of grace
	EffectLogInBriefly   Effect = "log_in_briefly" // between two steps
	EffectTokensLost     Effect = "tokens_lost"    // so many API tokens
	EffectFinal          Effect = "final"          // nothing undoes it
	EffectProvisioned    Effect = "provisioned"    // an account, which may be billed
	EffectComesBack      Effect = "comes_back"     // an identity provider may set it again
)

// Times returns the effect on so many things of one account, as of its tokens; "" for none.
func (e Effect) Times(n int) Effect {
	if n <= 0 {
		return ""
	}
	return e + Effect(":"+strconv.Itoa(n))
}

// Kind returns the effect without its number, and the number: 1 for one that has none.
func (e Effect) Kind() (kind Effect, n int) {
	word, digits, counted := strings.Cut(string(e), ":")
	if n, err := strconv.Atoi(digits); counted && err == nil {
		return Effect(word), n
	}
	return e, 1
}

// EffectGives returns the side effect of joining a group that gives access to products, named by
// their keys.
func EffectGives(products []string) Effect { return effectOf(effectGives, products) }

// EffectTakes returns the side effect of leaving such a group: who is removed may lose the access.
func EffectTakes(products []string) Effect { return effectOf(effectTakes, products) }

// EffectInSCIM returns the side effect of a change that is made in the SCIM directory of ours of that
// name, not at the account itself.
func EffectInSCIM(name string) Effect {
	return effectInSCIM + ":" + Effect(strings.ReplaceAll(name, ";", ","))
}

// SCIMOf returns the SCIM directory in which a change is made, ok false for an effect that does not
// say so.
func (e Effect) SCIMOf() (name string, ok bool) {
	kind, name, _ := strings.Cut(string(e), ":")
	return name, Effect(kind) == effectInSCIM
}

const (
	effectInSCIM Effect = "in_scim"

	effectGives Effect = "gives_access_to"
	effectTakes Effect = "takes_access_to"
)

// effectOf returns a side effect that names products. Effects are told apart by ";" where they are
// stored.
func effectOf(kind Effect, products []string) Effect {
	return kind + ":" + Effect(strings.ReplaceAll(strings.Join(products, ","), ";", ","))
}

// AccessOf returns the products that an effect gives or takes access to, ok false for one that does
// neither.
func (e Effect) AccessOf() (products []string, gives, ok bool) {
	kind, names, _ := strings.Cut(string(e), ":")
	if Effect(kind) != effectGives && Effect(kind) != effectTakes {
		return nil, false, false
	}
	return strings.Split(names, ","), Effect(kind) == effectGives, true
}

// Subject is who an action may happen to. The zero Subject is any account of the organisation that
// is open and whose address it shows.
type Subject struct {
	Managed bool // claimed by the organisation
	Absent  bool // nobody has the address yet: there is no account
	Closed  bool // also one that is deleted, or in its days of grace
	Hidden  bool // also one whose address is not shown
	Any     bool // also a customer's, which no search of the organisation tells of
}
