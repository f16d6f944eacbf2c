package workflow

import (
	"context"
	"slices"
	"strings"
)

// Endpoint is where reads and calls go. Each has its own key, pace and limits; what is refused at
// one says nothing of another.
type Endpoint struct {
	Place     Place
	Directory string // id, for PlaceDirectory and PlaceSCIM
	Site      string // name in the settings, for PlaceSite
}

// FactKind says what is read. The kinds that every check knows are here; an action that needs
// another one declares it in its own file, and the directory answers it by an entry in its table.
type FactKind string

// The kinds that every check reads.
const (
	// KindProfile is an account as it is now: FieldEmail, FieldStatus, FieldName and FieldType.
	KindProfile FactKind = "profile"
	// KindManage is what may be done to an account, for the privilege Arg: one answer with
	// FieldAllowed, or, for a privilege that is a map of fields, one for each field with FieldName
	// as well.
	KindManage FactKind = "manage"
	// KindMembership is how an account stands in one directory, with what that shows of it:
	// FieldMembership, FieldEmail, FieldStatus and FieldName. FieldMembership is missing where
	// nothing tells; MemberNone with FieldReason is an absence: nobody shows the account there.
	KindMembership FactKind = "membership"
	// KindEarlier is what is known here of an account that is being deleted: FieldStatus, what it was
	// before, where that is known. No vendor is asked.
	KindEarlier FactKind = "earlier"
	// KindHolders are the accounts that hold the address Arg, and KindDomains the domains of the
	// organisation. A check reads both in bulk, and knows them as Holders and Domains.
	KindHolders FactKind = "holders"
	KindDomains FactKind = "domains"
)

// Fact is a question that a read answers: what about whom, and where.
type Fact struct {
	Kind      FactKind
	AccountID string // "" where the question is not about one account
	Arg       string
	Endpoint
}

// Profile asks for an account as it is now.
func Profile(id string) Fact {
	return Fact{Kind: KindProfile, AccountID: id, Endpoint: Endpoint{Place: PlaceAccount}}
}

// MembershipOf asks how an account stands in a directory.
func MembershipOf(id, directory string) Fact {
	return Fact{Kind: KindMembership, AccountID: id, Endpoint: Endpoint{Place: PlaceDirectory, Directory: directory}}
}

// EarlierStatus asks what an account was before its deletion.
func EarlierStatus(id string) Fact { return Fact{Kind: KindEarlier, AccountID: id} }

// Manage asks whether the privilege is ours for the account.
func Manage(id, privilege string) Fact {
	return Fact{Kind: KindManage, AccountID: id, Arg: privilege, Endpoint: Endpoint{Place: PlaceAccount}}
}

// Holders asks who holds an address.
func Holders(address string) Fact { return Fact{Kind: KindHolders, Arg: AddressKey(address)} }

// DomainsFact asks for the organisation's domains.
func DomainsFact() Fact { return Fact{Kind: KindDomains} }

// Answers are the results of reads: for each fact a list of records, none where there is nothing of
// the kind.
type Answers map[Fact][]Values

// Allowed returns the answer to a Manage fact: whether the privilege is ours, and if not, why, in
// the vendor's words. What was not answered is not allowed. field is "" for a privilege that is one
// rule, else the field of a map of fields.
func (a Answers) Allowed(fact Fact, field Field) Privilege {
	for _, v := range a[fact] {
		if v.Get(FieldName) == string(field) {
			return Privilege{Allowed: v.Get(FieldAllowed) == yes, Key: v.Get(FieldReason)}
		}
	}
	return Privilege{}
}

const yes = "true"

// PrivilegeValues returns the answer to a Manage fact.
func PrivilegeValues(field Field, p Privilege) Values {
	v := Of(FieldName, string(field)).With(FieldReason, p.Key)
	if p.Allowed {
		v.Set(FieldAllowed, yes)
	}
	return v
}

// ProfileValues returns the answer to a Profile fact.
func ProfileValues(a Account) Values {
	return Of(FieldEmail, a.Email).With(FieldStatus, string(a.Status)).With(FieldName, a.Name).With(FieldType, a.Type)
}

// ReadAccount reads a managed account as it is now.
func ReadAccount(ctx context.Context, reader Reader, id string) (Account, error) {
	fact := Profile(id)
	answers, err := reader.Read(ctx, fact)
	if err != nil {
		return Account{}, err
	}
	if len(answers[fact]) == 0 {
		return Account{}, ErrNotFound
	}
	v := answers[fact][0]
	return Account{
		ID: id, Name: v.Get(FieldName), Email: v.Get(FieldEmail), Type: v.Get(FieldType), Status: AccountStatus(v.Get(FieldStatus)), Managed: true,
	}, nil
}

// FactOf returns the fact that shows a field of the step's account; ok is false for a field that
// nothing shows, as a message. A field of the profile is shown by that, for a step in a directory by
// the account's membership there, as not every account has a profile that we may read; any other by
// a fact of its own name: group:<id> by the kind "group" with the argument <id>.
func (s *Step) FactOf(field Field) (fact Fact, ok bool) {
	switch field {
	case FieldEmail, FieldStatus, FieldName:
		if s.Place == PlaceDirectory {
			return MembershipOf(s.AccountID, s.Directory), true
		}
		return Profile(s.AccountID), true
	case FieldMessage, FieldProducts, FieldGroups:
		return Fact{}, false
	}
	kind, arg, _ := strings.Cut(string(field), ":")
	return Fact{Kind: FactKind(kind), AccountID: s.AccountID, Arg: arg, Endpoint: s.Endpoint()}, true
}

// Shown returns the facts that show whether the step may be made and whether it was: those of the
// fields that it expects and sets, each once, in a fixed order.
func (s *Step) Shown() []Fact {
	return s.factsOf(slices.AppendSeq(slices.Collect(s.Expect.Keys()), s.Set.Keys()))
}

// Proof returns the facts that show whether the step was made: those of the fields that it sets,
// each once, in a fixed order.
func (s *Step) Proof() []Fact { return s.factsOf(slices.Collect(s.Set.Keys())) }

func (s *Step) factsOf(fields []Field) []Fact {
	var out []Fact
	for _, field := range fields {
		if fact, ok := s.FactOf(field); ok && !slices.Contains(out, fact) {
			out = append(out, fact)
		}
	}
	return out
}

// SameField compares two values of a field; addresses are the same in any case.
func SameField(field Field, a, b string) bool {
	if field == FieldEmail {
		return SameAddress(a, b)
	}
	return a == b
}

// ShownBy reports whether the values that were read are those which the step sets.
func (s *Step) ShownBy(now Values) bool {
	for field, value := range s.Set.All() {
		if _, ok := s.FactOf(field); ok && !SameField(field, now.Get(field), value) {
			return false
		}
	}
	return true
}

// Stays reports whether the step keeps what is so already: it expects what it sets.
func (s *Step) Stays() bool {
	for field, value := range s.Set.All() {
		if from, expects := s.Expect.Lookup(field); !expects || !SameField(field, from, value) {
			return false
		}
	}
	return len(s.Set) > 0
}

// Differs names the first field, in a fixed order, that is not as the step expects it. only, where
// it is not nil, are the fields that count.
func (s *Step) Differs(now Values, only Values) (field Field, differs bool) {
	if from, expects := s.Expect.Lookup(FieldMembership); expects && only == nil && from != now.Get(FieldMembership) {
		return FieldMembership, true // of who is not there nothing else is shown
	}
	for field := range s.Expect.Keys() {
		if _, counts := only.Lookup(field); only != nil && !counts {
			continue
		}
		if _, ok := s.FactOf(field); ok && !SameField(field, now.Get(field), s.Expect.Get(field)) {
			return field, true
		}
	}
	return "", false
}

// Operation names a call that changes something. An action's file declares those that it makes.
type Operation string

// Call is one call that changes something, as an action asks for it.
type Call struct {
	Endpoint
	Operation Operation
	Action    ActionName // for which it is made, for the words of a refusal
	AccountID string
	Args      Values
	// Keep is what the call takes away for good: it is written down before the call, and stays with
	// the step.
	Keep Values
}

// Caller makes the calls that change something, one each, never repeated by itself. A nil error
// means that the vendor said yes, not that it is so; the values are what the answer tells, as the
// id of what was made. Errors: *Refusal (surely not done, for a reason), ErrThrottled (surely not
// done, try later), ErrNotSent (surely not done: the request did not leave), ErrKeyRefused,
// ErrKeyScoped, ErrNotFound; anything else means that the call may or may not have taken effect,
// ErrUnknownOutcome among them. A call that cannot leave within seconds, because of a rate limit,
// is not made: what was read before it would be stale.
type Caller interface {
	// Read is that of Reader: an action may have to look again between two calls.
	Read(ctx context.Context, facts ...Fact) (Answers, error)
	Call(ctx context.Context, call Call) (Values, error)
}
