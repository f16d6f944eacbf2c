package atlassian

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/countersign/countersign/workflow"
)

// From manyIDs on it is tried to find accounts among all of them, and after each trialPages pages whether that is worth it.
const (
	manyIDs    = 200
	trialPages = 5
)

// mostSearches is how many searches ByAddress or ByID has under way at once.
const mostSearches = 4

// Directory is the organisation in the words of package workflow. Errors are the kinds of workflow, with the client's
// *Error underneath; a context that ended comes back as it is from a read.
type Directory struct{ client *Client }

var (
	_ workflow.Directory = (*Directory)(nil)
	_ workflow.Groups    = (*Directory)(nil)
	_ workflow.Members   = (*Directory)(nil)
	_ workflow.Pacer     = (*Directory)(nil)
)

// NewDirectory makes a directory of a client.
func NewDirectory(client *Client) *Directory { return &Directory{client: client} }

// Account reads a managed account now. Accounts that the organisation does not manage are not found.
func (d *Directory) Account(ctx context.Context, id string) (workflow.Account, error) {
	p, err := d.client.Profile(ctx, id)
	if err != nil {
		return workflow.Account{}, readError(err)
	}
	return workflow.Account{
		ID: p.ID, Name: p.Name, Email: p.Email, Type: p.Type, Status: workflow.AccountStatus(p.Status), Managed: true,
	}, nil
}

// Privileges asks what the key may do to an account.
func (d *Directory) Privileges(ctx context.Context, id string, keys ...string) (map[string]workflow.Privilege, error) {
	rules, err := d.client.Manage(ctx, id, keys...)
	if err != nil {
		return nil, readError(err)
	}
	privileges := make(map[string]workflow.Privilege, len(rules))
	for key, rule := range rules {
		privileges[key] = workflow.Privilege{Allowed: rule.Allowed, Key: rule.Reason}
	}
	return privileges, nil
}

// ByAddress finds the accounts that hold the addresses, 100 addresses a call. What cannot be an address is not found.
func (d *Directory) ByAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, error) {
	wanted, spellings := spell(addresses)
	found := map[string][]workflow.Account{}
	by := func(chunk []string) Find { return Find{Emails: chunk} }
	err := d.searchAll(ctx, spellings, MaxEmails, by, func(u DirectoryUser) {
		// The search is exact by the documents; a fuzzy answer must not pick the wrong account.
		key := workflow.AddressKey(u.Email)
		if !wanted[key] {
			return
		}
		if i := slices.IndexFunc(found[key], func(a workflow.Account) bool { return a.ID == u.ID }); i >= 0 {
			found[key][i] = merged(found[key][i], d.account(u))
			return
		}
		found[key] = append(found[key], d.account(u))
	})
	if err != nil {
		return nil, err
	}
	for _, accounts := range found {
		slices.SortFunc(accounts, func(a, b workflow.Account) int { return cmp.Compare(a.ID, b.ID) })
	}
	return found, nil
}

// ByID finds accounts by their ids, 10 ids a call; many of them first by going through all managed accounts, 100 a call, as
// long as that finds more. What cannot be an id is not found.
func (d *Directory) ByID(ctx context.Context, ids []string) (map[string]workflow.Account, error) {
	wanted := map[string]bool{}
	var sent []string
	for _, id := range ids {
		if accountID.MatchString(id) && !wanted[id] { // another could make the whole call fail
			wanted[id] = true
			sent = append(sent, id)
		}
	}
	found := map[string]workflow.Account{}
	// An account of several directories may come several times, each time with other groups: going through stops before.
	if len(sent) >= manyIDs && !d.client.groups {
		d.goThrough(ctx, wanted, found)
		sent = slices.DeleteFunc(sent, func(id string) bool { _, known := found[id]; return known })
	}
	err := d.searchAll(ctx, sent, MaxIDs, func(chunk []string) Find { return Find{IDs: chunk} }, func(u DirectoryUser) {
		if !wanted[u.ID] {
			return
		}
		a := d.account(u)
		if other, twice := found[u.ID]; twice {
			a = merged(other, a)
		}
		found[u.ID] = a
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// goThrough looks for accounts among all managed ones. It ends when few are left or lately as many could have been asked
// for by their ids; so it costs few calls more than that in a large organisation, and a tenth of them where most accounts
// are wanted. What goes wrong on the way is left to whoever asks for the rest.
func (d *Directory) goThrough(ctx context.Context, wanted map[string]bool, found map[string]workflow.Account) {
	seen, before := 0, 0
	for u, err := range d.client.SearchUsers(ctx, Find{Claim: ClaimManaged}, maxPage) {
		if err != nil {
			return
		}
		if wanted[u.ID] {
			found[u.ID] = d.account(u)
		}
		if seen++; seen%maxPage == 0 && len(wanted)-len(found) <= MaxIDs {
			return
		}
		if seen%(trialPages*maxPage) == 0 {
			if len(found)-before < trialPages*MaxIDs {
				return
			}
			before = len(found)
		}
	}
}

// searchAll searches for all values, so many a call and several calls at a time; take is given one account after the other.
func (d *Directory) searchAll(
	ctx context.Context, values []string, size int, find func([]string) Find, take func(DirectoryUser),
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu     sync.Mutex // guards failed and what take writes
		failed error      // the first error; it stops the others, whose errors say only that
		wg     sync.WaitGroup
		slots  = make(chan struct{}, min(mostSearches, d.client.workers))
	)
	for chunk := range slices.Chunk(values, size) {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			for u, err := range d.client.SearchUsers(ctx, find(chunk), maxPage) {
				if err != nil {
					mu.Lock()
					failed = cmp.Or(failed, readError(err))
					mu.Unlock()
					cancel()
					return
				}
				mu.Lock()
				take(u)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return cmp.Or(failed, ctx.Err())
}

// spell gives the keys of the addresses and how to send them: as they are and, as the documents do not say that the
// search overlooks case, in lower case too.
func spell(addresses []string) (wanted map[string]bool, spellings []string) {
	wanted = map[string]bool{}
	sent := map[string]bool{}
	for _, address := range addresses {
		address = strings.TrimSpace(address)
		unfit := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
		if !strings.Contains(address, "@") || strings.ContainsFunc(address, unfit) {
			continue // nobody's, and it could make the whole call fail
		}
		wanted[workflow.AddressKey(address)] = true
		for _, spelling := range []string{address, strings.ToLower(address)} {
			if !sent[spelling] {
				sent[spelling] = true
				spellings = append(spellings, spelling)
			}
		}
	}
	return wanted, spellings
}

// Search finds accounts by a piece of name or address, at most limit.
func (d *Directory) Search(ctx context.Context, text string, limit int) ([]workflow.Account, error) {
	text = strings.TrimSpace(text)
	if text == "" || limit <= 0 {
		return nil, nil
	}
	var accounts []workflow.Account
	for u, err := range d.client.SearchUsers(ctx, Find{Term: text}, limit) {
		if err != nil {
			return nil, readError(err)
		}
		a := d.account(u)
		a.OrgAdmin, a.Groups, a.Ranked = false, nil, false // a search by words does not ask
		if accounts = append(accounts, a); len(accounts) == limit {
			break
		}
	}
	return accounts, nil
}

// GroupsNamed says which names are those of groups, 100 names a call.
func (d *Directory) GroupsNamed(ctx context.Context, names []string) (map[string]bool, error) {
	there := map[string]bool{}
	var sent []string
	for _, name := range names {
		key := workflow.AddressKey(name)
		if _, twice := there[key]; key != "" && !twice {
			there[key] = false
			sent = append(sent, strings.TrimSpace(name))
		}
	}
	for chunk := range slices.Chunk(sent, MaxGroupNames) {
		for g, err := range d.client.GroupsNamed(ctx, chunk) {
			if err != nil {
				return nil, readError(err)
			}
			// The search is exact by the documents; a fuzzy answer must not pass for the group.
			if _, wanted := there[workflow.AddressKey(g.Name)]; wanted {
				there[workflow.AddressKey(g.Name)] = true
			}
		}
	}
	return there, nil
}

// account is an account of a search. Roles that are left out are none, as JSON's lists often are; groups that are left out,
// or of which one has no name, are not known.
func (d *Directory) account(u DirectoryUser) workflow.Account {
	status := workflow.AccountStatus(u.AccountStatus)
	if u.Status == StatusForDeletion {
		status = workflow.StatusClosed
	}
	a := workflow.Account{
		ID: u.ID, Name: cmp.Or(u.Name, u.Nickname), Email: u.Email, Type: u.Type, Status: status,
		Managed: u.ClaimStatus == ClaimManaged, Ranked: true,
		OrgAdmin: u.PlatformRoles != nil && slices.Contains(*u.PlatformRoles, RoleOrgAdmin),
	}
	if !d.client.groups {
		return a
	}
	if u.Groups == nil {
		a.Ranked = false
		return a
	}
	for _, g := range *u.Groups {
		if g.Name == "" {
			a.Ranked = false
			continue
		}
		a.Groups = append(a.Groups, g.Name)
	}
	slices.Sort(a.Groups)
	return a
}

// merged is an account that two directories, or two pages, told of: what either says of its rank counts.
func merged(a, b workflow.Account) workflow.Account {
	a.OrgAdmin, a.Ranked = a.OrgAdmin || b.OrgAdmin, a.Ranked && b.Ranked
	a.Groups = slices.Concat(a.Groups, b.Groups)
	slices.Sort(a.Groups)
	a.Groups = slices.Compact(a.Groups)
	return a
}

// Domains lists the organisation's domains.
func (d *Directory) Domains(ctx context.Context) ([]workflow.DomainClaim, error) {
	domains, err := d.client.Domains(ctx)
	if err != nil {
		return nil, readError(err)
	}
	claims := make([]workflow.DomainClaim, 0, len(domains))
	for _, domain := range domains {
		claims = append(claims, workflow.DomainClaim{
			Name: workflow.AddressKey(domain.Name), Verified: domain.Status == DomainVerified, Status: domain.Status,
		})
	}
	return claims, nil
}

// Members lists every managed account.
func (d *Directory) Members(ctx context.Context) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for a, err := range d.client.ManagedAccounts(ctx) {
			if err != nil {
				yield(workflow.Member{}, readError(err))
				return
			}
			m := workflow.Member{
				Account: workflow.Account{
					ID: a.ID, Name: a.Name, Email: a.Email, Type: a.Type, Status: workflow.AccountStatus(a.Status), Managed: true,
				},
				Billable: a.Billable, LastActive: a.LastActive,
			}
			for _, p := range a.Products {
				m.Products = append(m.Products, workflow.Product(p))
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// SetEmail gives the account another address.
func (d *Directory) SetEmail(ctx context.Context, id, address string) error {
	return writeError(workflow.Rename, address, d.client.SetEmail(ctx, id, address))
}

// Deactivate locks the account out, with a message to its owner.
func (d *Directory) Deactivate(ctx context.Context, id, message string) error {
	return writeError(workflow.Deactivate, "", d.client.Disable(ctx, id, message))
}

// Activate lets the account in again.
func (d *Directory) Activate(ctx context.Context, id string) error {
	return writeError(workflow.Activate, "", d.client.Enable(ctx, id))
}

// changing is the call that carries an action out; "" when there is none yet.
func changing(action workflow.ActionName) string {
	switch action {
	case workflow.Rename:
		return opSetEmail
	case workflow.Deactivate:
		return opDisable
	case workflow.Activate:
		return opEnable
	default:
		return ""
	}
}

// Outlook says how long the changes will take as the limits look now. Each is read before and after.
func (d *Directory) Outlook(left map[workflow.ActionName]int) workflow.Outlook {
	calls, n := map[string]int{}, 0
	for action, count := range left {
		if call := changing(action); call != "" && count > 0 {
			calls[opProfile] += 2 * count
			calls[call] += count
			n += count
		}
	}
	if n == 0 {
		return workflow.Outlook{}
	}
	out := workflow.Outlook{ToGo: d.client.TimeFor(calls)}
	if out.ToGo > 0 {
		out.PerMinute = float64(n) / out.ToGo.Minutes()
	}
	return out
}

// kindError is a client's error as one of the kinds of workflow.
type kindError struct {
	kind error
	err  error
}

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// throttledError is a kindError that knows when to come back.
type throttledError struct {
	kindError
	after time.Duration
}

func (e *throttledError) RetryAfter() time.Duration { return e.after }

// readError puts the error of a read into the words of workflow.
func readError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case KindNotFound:
		if e.Operation == opProfile || e.Operation == opManage {
			return &kindError{workflow.ErrNotFound, err}
		}
		return refusal(workflow.ReasonRefused, err, statusWord(e), e.Key) // the organisation or directory, not an account
	case KindThrottled:
		unavailable := &kindError{workflow.ErrUnavailable, err}
		return &throttledError{kindError{workflow.ErrThrottled, unavailable}, e.RetryAfter}
	case KindNotAllowed:
		return refusal(workflow.ReasonRefused, err, statusWord(e), cmp.Or(e.ReasonKey, e.Key))
	default:
		return kindOf("", "", e, err)
	}
}

// writeError puts the error of a call that changes something into the words of workflow.
func writeError(action workflow.ActionName, address string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &kindError{workflow.ErrUnknownOutcome, err}
	}
	switch e.Kind {
	case KindNotFound:
		return &kindError{workflow.ErrNotFound, err}
	case KindThrottled:
		return &throttledError{kindError{workflow.ErrThrottled, err}, e.RetryAfter}
	case KindNotSent:
		if e.RetryAfter > 0 { // our own gate kept it
			return &throttledError{kindError{workflow.ErrThrottled, err}, e.RetryAfter}
		}
		return &kindError{workflow.ErrNotSent, err}
	case KindUnavailable, KindUnexpected:
		return &kindError{workflow.ErrUnknownOutcome, err}
	default:
		return kindOf(action, address, e, err)
	}
}

func kindOf(action workflow.ActionName, address string, e *Error, err error) error {
	switch e.Kind {
	case KindNotAllowed:
		return refusal(workflow.ReasonNotAllowed, err, string(action), e.ReasonKey)
	case KindUnverifiedDomain:
		return refusal(workflow.ReasonUnverified, err, cmp.Or(e.Domain, workflow.Domain(address)))
	case KindProbableCollision:
		return refusal(workflow.ReasonCollision, err, address)
	case KindInvalid:
		return refusal(workflow.ReasonInvalid, err, e.Violations...)
	case KindLifecycle:
		code, message, link := settle(e)
		return refusal(workflow.ReasonLifecycle, err, code, message, link)
	case KindKeyRefused:
		return &kindError{workflow.ErrKeyRefused, err}
	case KindKeyScoped:
		return &kindError{workflow.ErrKeyScoped, err}
	case KindNotSent:
		return &kindError{workflow.ErrNotSent, err}
	case KindUnknownOutcome:
		return &kindError{workflow.ErrUnknownOutcome, err}
	case KindTargetUnverified, KindForbidden, KindRefused:
		return refusal(workflow.ReasonRefused, err, statusWord(e), e.Key)
	default:
		return &kindError{workflow.ErrUnavailable, err}
	}
}

func refusal(code workflow.ReasonCode, err error, facts ...string) error {
	return &workflow.Refusal{Reason: workflow.NewReason(code, facts...), Err: err}
}

func statusWord(e *Error) string { return strconv.Itoa(e.Status) }

// settle joins what must be settled into the three facts of a lifecycle reason.
func settle(e *Error) (code, message, link string) {
	var codes, messages []string
	for _, l := range e.Lifecycle {
		if l.Code != "" {
			codes = append(codes, l.Code)
		}
		if l.Message != "" {
			messages = append(messages, l.Message)
		}
		link = cmp.Or(link, l.Link)
	}
	return strings.Join(codes, ", "), cmp.Or(strings.Join(messages, "; "), e.Message), link
}
