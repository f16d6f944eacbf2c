package workflow

import (
	"context"
	"slices"
)

// ActionName is what is to happen to an account, in the words people write.
type ActionName string

// The actions. Those that this version carries out are in the table below; the others are read and answered
// "not supported yet".
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
	Offboard        ActionName = "offboard"
)

// Column is a column of a request, by the name that files and messages use for it.
type Column string

// The columns that carry a value (the account is named by account_id or by its current address).
const (
	ColumnAccountID Column = "account_id"
	ColumnEmail     Column = "email" // the current address
	ColumnNewEmail  Column = "new_email"
	ColumnNewName   Column = "new_name"
	ColumnGroup     Column = "group"
	ColumnMessage   Column = "message"
	ColumnAction    Column = "action"
	ColumnSite      Column = "site"
	ColumnOrgID     Column = "org_id"
)

// ActionNames lists every action there is, built or not, in the order people are shown them.
func ActionNames() []ActionName {
	return []ActionName{
		Rename, SetName, Deactivate, Activate, Suspend, Restore, Remove, Delete, CancelDelete, GroupAdd, GroupRemove,
		Invite, RevokeTokens, SiteGroupAdd, SiteGroupRemove, SiteCreate, SiteDelete, Offboard,
	}
}

// Action is the one place where everything about an action stands: what a row must bring, what must be allowed, what is
// checked, what people are warned of, which call it is, how it proves itself and what undoes it.
type Action struct {
	Name ActionName

	// Needs are the columns a row must fill besides the account.
	Needs []Column

	// Privilege is the key of GET /users/{id}/manage that must be allowed.
	Privilege string

	// Locks says that the action locks somebody out, so that no other batch may hold it up.
	Locks bool

	// Target is the address that the change takes, "" when it takes none. It must be free, and on a verified domain. It
	// is what the step's To says.
	Target func(Row) string

	// Shows says whether the account already shows what the step is to bring about.
	Shows func(Account, Step) bool

	// Warn is the side effect that one change of this action has, "" when there is none.
	Warn func(Account) Effect

	// Call makes the one call that the step is.
	Call func(context.Context, Writer, Step) error

	// Undo is the action and the value that put a finished step back, ok false when nothing can.
	Undo func(Step) (inverse Step, ok bool)
}

// The actions that are carried out. Adding an action is adding an entry here, its call to Writer and its words to
// reason.go.
var actions = []Action{
	{
		Name:      Rename,
		Needs:     []Column{ColumnNewEmail},
		Privilege: "email.set",
		Target:    func(r Row) string { return r.NewEmail },
		Shows:     func(a Account, s Step) bool { return SameAddress(a.Email, s.To) },
		Warn: func(a Account) Effect {
			if a.Status == StatusActive {
				return EffectSignedOut
			}
			return ""
		},
		Call: func(ctx context.Context, w Writer, s Step) error { return w.SetEmail(ctx, s.AccountID, s.To) },
		Undo: func(s Step) (Step, bool) {
			s.From, s.To = s.To, s.From
			return s, true
		},
	},
	{
		Name:      Deactivate,
		Privilege: "lifecycle.enablement",
		Target:    func(Row) string { return "" },
		Locks:     true,
		Shows:     func(a Account, _ Step) bool { return a.Status == StatusInactive },
		Warn:      func(Account) Effect { return EffectLockedOut },
		Call:      func(ctx context.Context, w Writer, s Step) error { return w.Deactivate(ctx, s.AccountID, s.Message) },
		Undo: func(s Step) (Step, bool) {
			s.Action, s.ExpectedStatus, s.Message = Activate, StatusInactive, ""
			return s, true
		},
	},
	{
		Name:      Activate,
		Privilege: "lifecycle.enablement",
		Target:    func(Row) string { return "" },
		Shows:     func(a Account, _ Step) bool { return a.Status == StatusActive },
		Warn:      func(Account) Effect { return EffectBilled },
		Call:      func(ctx context.Context, w Writer, s Step) error { return w.Activate(ctx, s.AccountID) },
		Undo: func(s Step) (Step, bool) {
			s.Action, s.ExpectedStatus = Deactivate, StatusActive
			return s, true
		},
	},
}

// ActionFor gives the action of that name; ok is false when this version does not carry it out.
func ActionFor(name ActionName) (action Action, ok bool) {
	i := slices.IndexFunc(actions, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return Action{}, false
	}
	return actions[i], true
}

// Built says whether this version carries the action out.
func Built(name ActionName) bool {
	_, ok := ActionFor(name)
	return ok
}

// BuiltActions lists the actions that this version carries out, in the order of the table.
func BuiltActions() []ActionName {
	names := make([]ActionName, len(actions))
	for i, a := range actions {
		names[i] = a.Name
	}
	return names
}

// Effect is a side effect that people are told of before they approve; its words are the card's.
type Effect string

// The side effects. Sources: an address change ends every session of the account (user management API, PUT email); a
// deactivated account cannot log in anywhere and is no longer billed, an active one may be.
const (
	EffectSignedOut      Effect = "signed_out"
	EffectSignedOutTwice Effect = "signed_out_twice" // by way of a parking address
	EffectLockedOut      Effect = "locked_out"
	EffectBilled         Effect = "billed"
)
