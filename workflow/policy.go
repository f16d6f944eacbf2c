package workflow

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Policy is what the check and the engine ask of the settings' policy, which package policy has. It
// is pure.
type Policy interface {
	// Check returns what of the policy contradicts itself, nil when nothing does.
	Check() error
	// UserGroups are the Slack user groups that the policy has to know the members of;
	// RuleGroups are those of them that its rules name, and EmergencyGroup is the one whose batches
	// need one approval, "" when there is none.
	UserGroups() []string
	RuleGroups() []string
	EmergencyGroup() string
	// Demand returns how many people must approve a plan with these traits. recent are the
	// requester's other changes of the last 24 hours, which are needed only where NeedsRecent.
	Demand(t Traits, asker Asker, recent int) Demand
	NeedsRecent() bool
	// Guard is what the policy forbids in a batch that they asked for; people are those whose own
	// accounts count.
	Guard(asker Asker, people []Person) Guard
	// Bars returns why no batch may touch the account, whoever asks; the zero Reason when nothing
	// known of it says so.
	Bars(a Account) Reason
	// OverDay returns why so many accounts may not be touched today, the zero Reason when they may.
	// What was touched is needed only where DayLimits reports a limit.
	OverDay(accounts, byRequester, byAll []string) Reason
	DayLimits() (requester, all bool)
	// AccountOf returns the id of the account that the settings name for a person in Slack, "" when
	// they name none.
	AccountOf(person string) string
}

// Guard is what a policy forbids in one batch.
type Guard interface {
	// Groups are the groups of Atlassian whose members have to be known, as GroupKey folds their
	// names.
	Groups() []string
	// Row returns why the action must not be done to the account, the zero Reason when it may.
	// target is the address that the account would get, alone that the batch has no other row.
	Row(a Account, action ActionName, subject Subject, target string, alone bool) Reason
	// Plan returns why a plan with these traits must not run, as a *GuardError; nil when it may.
	Plan(t Traits) error
	// Protects reports whether one of the ids and addresses is protected.
	Protects(what ...string) bool
	// Owners returns the people whose own account it is, or whose address it would be given.
	Owners(id, address, target string) []string
}

// Window is when batches may run.
type Window interface {
	// Open reports whether they may at the moment.
	Open(t time.Time) bool
	// FirstOpen returns the first moment, from t on, at which they may; the zero time when they
	// never may.
	FirstOpen(t time.Time) time.Time
	// NextChange returns when the window next opens or closes after the moment; the zero time when
	// it never does.
	NextChange(t time.Time) time.Time
	// Reach returns the moment at which the window has been open for that long since t; the zero
	// time when it never is.
	Reach(t time.Time, long time.Duration) time.Time
}

// AlwaysOpen is the window where the settings name none.
type AlwaysOpen struct{}

// Open reports true.
func (AlwaysOpen) Open(time.Time) bool { return true }

// FirstOpen returns t.
func (AlwaysOpen) FirstOpen(t time.Time) time.Time { return t }

// NextChange returns the zero time.
func (AlwaysOpen) NextChange(time.Time) time.Time { return time.Time{} }

// Reach returns t and that long.
func (AlwaysOpen) Reach(t time.Time, long time.Duration) time.Time { return t.Add(long) }

// ReadAsker finds out in which of the policy's user groups requester and author ("" = the same)
// are. What is known of the groups is as fresh as is asked for. Errors are those of people, but for
// ErrGroupUnreadable.
func ReadAsker(
	ctx context.Context, people People, policy Policy, requester, author string, fresh Freshness,
) (Asker, error) {
	a := Asker{People: []string{requester}}
	if author != "" && author != requester {
		a.People = append(a.People, author)
	}
	for _, group := range policy.UserGroups() {
		members, err := people.Members(ctx, group, fresh)
		switch {
		case errors.Is(err, ErrGroupUnreadable):
			a.Unread = append(a.Unread, group)
		case err != nil:
			return a, err
		case slices.ContainsFunc(a.People, func(id string) bool { return slices.Contains(members, id) }):
			a.Groups = append(a.Groups, group)
			all := !slices.ContainsFunc(a.People, func(id string) bool { return !slices.Contains(members, id) })
			a.Emergency = a.Emergency || group == policy.EmergencyGroup() && all
		}
	}
	return a, nil
}
