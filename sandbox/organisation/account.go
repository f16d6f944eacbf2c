package organisation

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Account is one Atlassian account, as a test or the demo sets it up. The zero values are healthy:
// type atlassian, status active, unmanaged, visible, no locks.
type Account struct {
	ID       string // [a-zA-Z0-9_|:-]{1,128}; real ones look like 712020:…, not like a UUID
	Name     string
	Nickname string // at most 30 letters; default: the name, cut
	Email    string // sent as written, compared with case folded; no two accounts may hold one
	Type     string // atlassian (default), app or customer; the v2 directory shows only the first
	Status   string // active (default), inactive or closed

	Managed bool // claimed by the organisation; user management answers 404 for the others
	// DeleteOn is when the account is closed for good; until then it looks deactivated, holds its
	// address, and the deletion can be cancelled. Zero: no deletion is scheduled.
	DeleteOn time.Time

	Hidden     bool // holds its address, but no list, search or read shows it (an unclaimed or foreign account)
	Unverified bool // has not verified its address: user management answers 403 forbidden.targetUnverified
	OrgAdmin   bool // has the platform role atlassian/org-admin
	Billable   bool
	Membership string   // active (default), suspended or no_membership; see "status" of v2 users/search
	Groups     []string // ids of the groups that it is in; they have to be there, see AddGroup

	// Memberships is Membership for single directories, by id; Membership stands for all others.
	Memberships map[string]string
	Roles       []Grant    // that it has directly, besides those that its groups give
	Tokens      []Token    // API tokens of its own
	SCIM        []SCIMLink // records in SCIM directories; see LinkSCIM

	LastActive string // as v1 users writes it (RFC 3339); empty: never, and the field is absent
	AddedToOrg string // RFC 3339; empty: absent
	Products   []Product
	Profile    ExtendedProfile
	TimeZone   string // zoneinfo, such as Europe/Berlin
	Locale     string // BCP 47

	// Locks refuses privileges: privilege → reason key, such as "email.set":
	// "externalDirectory.scim". Privileges are email.set, lifecycle.enablement, lifecycle.delete,
	// apiToken.read, apiToken.delete, profile.read, profile.write for every field, and
	// "profile.write/name" for one.
	Locks map[string]string
	// LifecycleErrors make deactivation and deletion answer 409 conflict.lifecycleErrors.
	LifecycleErrors []LifecycleError
	// BlockMessage is what the person is shown when deactivated; empty unless the last deactivation
	// gave one.
	BlockMessage string
}

// Product is one entry of product_access in GET /admin/v1/orgs/{o}/users.
type Product struct {
	Key        string // jira-software, confluence, …; the list is in the OpenAPI file, schema Product
	Name       string
	URL        string // empty: absent
	LastActive string // RFC 3339; empty: absent
}

// ExtendedProfile is the extended_profile of user management; v2 users/search shows the same
// values.
type ExtendedProfile struct {
	JobTitle     string
	Organization string
	Department   string
	Location     string
}

// LifecycleError is one entry of errorCodes in 409 conflict.lifecycleErrors. Atlassian documents no
// code values.
type LifecycleError struct {
	Code    string
	Message string   // empty: absent
	Link    string   // empty: absent
	Calls   []string // that it stands in the way of: disable, enable, delete; empty: disable and delete
}

// accountID is the form of account ids in both OpenAPI files (there with a stray line feed, and as
// prose).
var accountID = regexp.MustCompile(`^[a-zA-Z0-9_|:-]{1,128}$`)

// record is an account with what the organisation remembers about it.
type record struct {
	Account
	sequence      int
	deactivatedOn time.Time
	earlier       []version // oldest first
}

// version is what an account looked like until a moment.
type version struct {
	until   time.Time
	account Account
}

// maxVersions bounds what is remembered for late reads; more changes of one account within a lag
// are not expected.
const maxVersions = 16

// Put adds an account, or replaces the one with the same id: what somebody else did in the
// meantime. An account that cannot exist (bad id, unknown status, an address that another holds) is
// refused, with an error and a violation, so that a mistake in a test's people is seen even where
// the error is not looked at.
func (o *Organisation) Put(account Account) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	account = account.clone()
	if !account.DeleteOn.IsZero() {
		account.Status = "inactive"
	}
	account.Type = cmp.Or(account.Type, "atlassian")
	account.Status = cmp.Or(account.Status, "active")
	account.Membership = cmp.Or(account.Membership, "active")
	account.Nickname = cmp.Or(account.Nickname, cut(account.Name, maxNickname))
	if err := o.possible(account); err != nil {
		o.violate("put account %s: %v", account.ID, err)
		return fmt.Errorf("put account %s: %w", account.ID, err)
	}
	if old, ok := o.accounts[account.ID]; ok {
		o.change(old, func(a *Account) { *a = account })
		return nil
	}
	o.sequence++
	added := &record{Account: account, sequence: o.sequence}
	if account.Status == "inactive" {
		added.deactivatedOn = now()
	}
	o.accounts[account.ID] = added
	o.order = append(o.order, added)
	if !account.DeleteOn.IsZero() {
		o.planDeletions()
	}
	if account.Email != "" {
		o.holders[addressKey(account.Email)] = account.ID
	}
	o.pulse()
	return nil
}

// possible returns an error when there can be no such account. The caller holds o.mu.
func (o *Organisation) possible(account Account) error {
	if !accountID.MatchString(account.ID) {
		return fmt.Errorf("id %q is not of the form %s", account.ID, accountID)
	}
	for _, field := range []struct {
		name, value string
		known       []string
	}{
		{"type", account.Type, []string{"atlassian", "app", "customer"}},
		{"status", account.Status, accountStatuses},
		{"membership", account.Membership, membershipStatuses},
	} {
		if !slices.Contains(field.known, field.value) {
			return fmt.Errorf("%s %q is none of %s", field.name, field.value, strings.Join(field.known, ", "))
		}
	}
	for id, status := range account.Memberships {
		if id == "-" || !o.directory(id) || !slices.Contains(membershipStatuses, status) {
			return fmt.Errorf("membership %q in directory %s cannot be", status, id)
		}
	}
	for _, id := range account.Groups {
		if !o.knows(id) {
			return fmt.Errorf("group %s is not there", id)
		}
	}
	if !distinct(account.Groups) {
		return errors.New("a group is named twice")
	}
	if holder, taken := o.holders[addressKey(account.Email)]; taken && account.Email != "" && holder != account.ID {
		return fmt.Errorf("address %s is held by account %s", account.Email, holder)
	}
	return nil
}

// Account returns the account with this id as it is now, whatever a lagging read may still show.
func (o *Organisation) Account(id string) (Account, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	found, ok := o.accounts[id]
	if !ok {
		return Account{}, false
	}
	return found.clone(), true
}

// Accounts returns all accounts in the order in which they were first put, hidden ones included.
func (o *Organisation) Accounts() []Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	all := make([]Account, 0, len(o.order))
	for _, each := range o.order {
		all = append(all, each.clone())
	}
	return all
}

// Remove takes an account away as if it had never been; its address is free. Removing nobody does
// nothing.
func (o *Organisation) Remove(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, ok := o.accounts[id]
	if !ok {
		return
	}
	delete(o.accounts, id)
	delete(o.holders, addressKey(found.Email))
	o.order = slices.DeleteFunc(o.order, func(each *record) bool { return each == found })
	o.pulse()
}

// change is the only way in which an account that exists changes: the old version is kept for late
// reads and the holder of the address moves in the same step. The caller holds o.mu.
func (o *Organisation) change(which *record, edit func(*Account)) {
	moment := now()
	which.earlier = append(which.earlier, version{until: moment, account: which.Account})
	if len(which.earlier) > maxVersions {
		which.earlier = which.earlier[len(which.earlier)-maxVersions:]
	}
	next := which.clone()
	edit(&next)
	if next.Status == "inactive" && which.Status != "inactive" {
		which.deactivatedOn = moment
	}
	delete(o.holders, addressKey(which.Email))
	rescheduled := !next.DeleteOn.Equal(which.DeleteOn)
	which.Account = next
	if rescheduled {
		o.planDeletions()
	}
	if next.Email != "" {
		o.holders[addressKey(next.Email)] = next.ID
	}
	o.pulse()
}

// seen returns the account as a read shows it that lags behind by this much.
func (r *record) seen(lag time.Duration) Account {
	if lag > 0 {
		moment := now().Add(-lag)
		for _, old := range r.earlier {
			if old.until.After(moment) {
				return old.account
			}
		}
	}
	return r.Account
}

// changedWithin reports whether the account has changed that recently.
func (r *record) changedWithin(duration time.Duration) bool {
	last := len(r.earlier) - 1
	return last >= 0 && now().Sub(r.earlier[last].until) < duration
}

func (a Account) clone() Account {
	a.Products = slices.Clone(a.Products)
	a.Groups = slices.Clone(a.Groups)
	a.Memberships = maps.Clone(a.Memberships)
	a.Roles = slices.Clone(a.Roles)
	a.Tokens = slices.Clone(a.Tokens)
	a.SCIM = slices.Clone(a.SCIM)
	a.Locks = maps.Clone(a.Locks)
	a.LifecycleErrors = slices.Clone(a.LifecycleErrors)
	return a
}

// addressKey returns what two spellings of one address have in common.
func addressKey(address string) string { return strings.ToLower(address) }

// domainOf returns the part behind the last @, in lower case.
func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// cut shortens a text to a number of letters.
func cut(text string, letters int) string {
	runes := []rune(text)
	if len(runes) <= letters {
		return text
	}
	return string(runes[:letters])
}
