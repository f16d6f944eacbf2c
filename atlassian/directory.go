package atlassian

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/countersign/countersign/workflow"
)

// Directory is the organisation in the words of package workflow. Its errors are the kinds of
// workflow, with the client's *Error underneath; a read whose context ended returns the context's
// error as it is.
type Directory struct {
	client   *Client
	sites    []*Site
	scim     scimPlaces
	readings map[workflow.FactKind]reading
	changes  map[workflow.Operation]changing
}

var (
	_ workflow.Directory = (*Directory)(nil)
	_ workflow.Members   = (*Directory)(nil)
	_ workflow.Estimator = (*Directory)(nil)
)

// NewDirectory returns a directory of the client's organisation, with the sites whose key we hold.
// What is asked of a place goes to the one that the endpoint names, each with its own key and pace.
func NewDirectory(client *Client, sites ...*Site) *Directory {
	return &Directory{client: client, sites: sites, scim: newSCIMPlaces(nil), readings: readings(), changes: changes()}
}

// For returns the directory for work on the batch of that number: the batches take turns at the rate
// limits.
func (d *Directory) For(batch int64) workflow.Directory {
	own := *d
	own.client, own.scim = d.client.For(batch), d.scim.forParty(batch)
	own.sites = make([]*Site, len(d.sites))
	for i, site := range d.sites {
		own.sites[i] = site.For(batch)
	}
	return &own
}

// ByAddress finds the accounts that hold the addresses, 100 addresses a call. What cannot be an
// address is not found. A hit that the search shows without its address is the holder of one of them:
// it is found out of which, and where that does not show either, the error is a *workflow.Unshown
// beside all that was found.
func (d *Directory) ByAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, error) {
	ctx, end := d.client.admin.bound(ctx, opSearch, ListTimeout)
	found, unshown, err := d.byAddress(ctx, addresses)
	if err = end(err); err != nil {
		return nil, readError(err)
	}
	for _, accounts := range found {
		slices.SortFunc(accounts, func(a, b workflow.Account) int { return cmp.Compare(a.ID, b.ID) })
	}
	if len(unshown) > 0 {
		return found, &workflow.Unshown{Holders: unshown}
	}
	return found, nil
}

// byAddress is ByAddress, with the holders that do not show by the key of their address.
func (d *Directory) byAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, map[string]string, error) {
	wanted, spellings := spell(addresses)
	found := map[string][]workflow.Account{}
	unshown, err := d.client.searchHolders(ctx, wanted, spellings, d.client.byEmails, func(key string, u DirectoryUser) {
		a := d.account(u)
		if i := slices.IndexFunc(found[key], func(o workflow.Account) bool { return o.ID == a.ID }); i >= 0 {
			found[key][i] = merged(found[key][i], a)
			return
		}
		found[key] = append(found[key], a)
	})
	if err != nil {
		return nil, nil, err
	}
	return found, unshown, nil
}

// ByID finds accounts by their ids, 10 ids a call; many of them first by going through all managed
// accounts, 100 a call, as long as that finds more. What cannot be an id is not found.
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
	ctx, end := d.client.admin.bound(ctx, opSearch, ListTimeout)
	// An account of several directories may come several times, each time with other groups: going
	// through stops before.
	if len(sent) >= manyIDs && !d.client.groups {
		d.client.goThrough(ctx, wanted, func(u DirectoryUser) { found[u.ID] = d.account(u) })
		sent = slices.DeleteFunc(sent, func(id string) bool { _, known := found[id]; return known })
	}
	err := d.client.searchAll(ctx, sent, MaxIDs, d.client.searchBy(func(chunk []string) Find { return Find{IDs: chunk} }), func(u DirectoryUser) {
		if !wanted[u.ID] {
			return
		}
		a := d.account(u)
		if other, twice := found[u.ID]; twice {
			a = merged(other, a)
		}
		found[u.ID] = a
	})
	if err = end(err); err != nil {
		return nil, readError(err)
	}
	return found, nil
}

// spell returns the keys of the addresses and how to send them: in every spelling that
// the directory may have, as the documents say neither that the search ignores case nor which
// forms of a letter it takes for one.
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
		for _, spelling := range workflow.AddressSpellings(address) {
			if !sent[spelling] {
				sent[spelling] = true
				spellings = append(spellings, spelling)
			}
		}
	}
	return wanted, spellings
}

// Search finds accounts by a piece of a name or address, at most limit.
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
		a.OrgAdmin, a.Groups, a.RolesKnown = false, nil, false // a search by words does not ask
		if accounts = append(accounts, a); len(accounts) == limit {
			break
		}
	}
	return accounts, nil
}

// GroupsNamed reports which names are those of groups, 100 names a call.
func (d *Directory) GroupsNamed(ctx context.Context, names []string) (map[string]bool, error) {
	there := map[string]bool{}
	for _, name := range names {
		if key := workflow.GroupKey(name); key != "" {
			there[key] = false
		}
	}
	err := d.eachGroup(ctx, names, func(g Group) { there[workflow.GroupKey(g.Name)] = true })
	if err != nil {
		return nil, err
	}
	return there, nil
}

// eachGroup calls take with every group that has one of the names.
func (d *Directory) eachGroup(ctx context.Context, names []string, take func(Group)) error {
	wanted := map[string]bool{}
	var sent []string
	for _, name := range names {
		if key := workflow.GroupKey(name); key != "" && !wanted[key] {
			wanted[key] = true
			sent = append(sent, workflow.GroupSpellings(name)...)
		}
	}
	ctx, end := d.client.admin.bound(ctx, opGroups, ListTimeout)
	for chunk := range slices.Chunk(sent, MaxGroupNames) {
		for g, err := range d.client.GroupsNamed(ctx, chunk) {
			if err != nil {
				return readError(end(err))
			}
			// The search is exact by the documents; a fuzzy answer must not pass for the group.
			if wanted[workflow.GroupKey(g.Name)] {
				take(g)
			}
		}
	}
	return end(nil)
}

// account converts an account of a search. Roles that are left out are none, as JSON's lists often
// are; groups that are left out, or of which one has no name, are unknown.
func (d *Directory) account(u DirectoryUser) workflow.Account {
	a := workflow.Account{
		ID: u.ID, Name: cmp.Or(u.Name, u.Nickname), Email: u.Email, Type: u.Type, Status: statusOf(u),
		Managed: u.ClaimStatus == ClaimManaged, Synced: u.ManagementSource == SourceSynced, RolesKnown: true,
		OrgAdmin: u.PlatformRoles != nil && slices.Contains(*u.PlatformRoles, RoleOrgAdmin),
	}
	if !d.client.groups {
		return a
	}
	if u.Groups == nil {
		a.RolesKnown = false
		return a
	}
	for _, g := range *u.Groups {
		if g.Name == "" {
			a.RolesKnown = false
			continue
		}
		a.Groups = append(a.Groups, g.Name)
	}
	slices.Sort(a.Groups)
	return a
}

// statusOf returns the status of an account of the directory.
func statusOf(u DirectoryUser) workflow.AccountStatus {
	if u.Status == StatusForDeletion {
		return workflow.StatusDeleting
	}
	return workflow.AccountStatus(u.AccountStatus)
}

// merged joins what two directories, or two pages, say of an account: what either says of its roles
// and groups counts.
func merged(a, b workflow.Account) workflow.Account {
	a.OrgAdmin, a.RolesKnown, a.Synced = a.OrgAdmin || b.OrgAdmin, a.RolesKnown && b.RolesKnown, a.Synced || b.Synced
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

// Members lists every managed account, page by page as they come, so that a large organisation is
// never in memory as a whole. Where the list moves while it is read, it begins again once:
// workflow.ErrListedAgain. What still differs from its announced total after that ends with a
// *workflow.TotalError, which has both numbers.
func (d *Directory) Members(ctx context.Context) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		stopped := errors.New("nobody reads on")
		listed := 0
		announced, err := d.client.EachPageOfAccounts(ctx, func(p AccountPage) error {
			if p.Again && !yield(workflow.Member{}, workflow.ErrListedAgain) {
				return stopped
			}
			for i := range p.Accounts {
				if !yield(memberOf(p.Accounts[i]), nil) {
					return stopped
				}
			}
			listed = p.Listed
			return nil
		})
		switch {
		case errors.Is(err, stopped):
		case err != nil:
			yield(workflow.Member{}, readError(err))
		case announced != NotAnnounced && announced != listed:
			yield(workflow.Member{}, &workflow.TotalError{Listed: listed, Announced: announced})
		}
	}
}

func memberOf(a ManagedAccount) workflow.Member {
	m := workflow.Member{Account: managed(a), Billable: a.Billable, LastActive: a.LastActive}
	for _, p := range a.Products {
		m.Products = append(m.Products, workflow.Product(p))
	}
	return m
}

// Owners lists who decides about each managed account, a hundred a call. An account that two
// directories show comes twice.
func (d *Directory) Owners(ctx context.Context) iter.Seq2[workflow.Owned, error] {
	return func(yield func(workflow.Owned, error) bool) {
		for u, err := range d.client.SearchUsers(ctx, Find{Claim: ClaimManaged}, maxPage) {
			if err != nil {
				yield(workflow.Owned{}, readError(err))
				return
			}
			if !yield(workflow.Owned{AccountID: u.ID, Owner: cmp.Or(u.ManagementSource, workflow.OwnerNone)}, nil) {
				return
			}
		}
	}
}
