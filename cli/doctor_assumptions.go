package cli

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/atlassian"
)

// What doctor looks at to check assumptions: a sample, for the answers are alike.
const (
	sampleSize = 20
	skewBound  = 30 * time.Second // of this machine's clock beside Atlassian's
)

// answers notes what the headers of Atlassian's answers tell.
type answers struct {
	base http.RoundTripper

	mu     sync.Mutex
	limits bool          // an answer named its limit
	skew   time.Duration // of this machine's clock, by the last answer with a date
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limits = a.limits || res.Header.Get("X-RateLimit-Remaining") != ""
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		a.skew = time.Since(at)
	}
	return res, nil
}

// assumptions checks what docs/assumptions.md assumes, where reading alone can tell.
func (d *doctor) assumptions(ctx context.Context, client *atlassian.Client, seen *answers) {
	some, err := sample(ctx, client)
	if err != nil {
		d.warn("users/search: cannot be checked: %v", err)
		return
	}
	d.rolesAreTold(some)
	d.searchFoldsCase(ctx, client, some)
	d.statusIsTold(ctx, client, some)
	d.groupsAreNamed(ctx, client)
	d.productsAreNamed(ctx, client)
	d.headers(seen)
}

// sample is the first page of managed accounts, as the search shows them.
func sample(ctx context.Context, client *atlassian.Client) ([]atlassian.DirectoryUser, error) {
	var some []atlassian.DirectoryUser
	for u, err := range client.SearchUsers(ctx, atlassian.Find{Claim: atlassian.ClaimManaged}, sampleSize) {
		if err != nil {
			return nil, err
		}
		if some = append(some, u); len(some) == sampleSize {
			break
		}
	}
	return some, nil
}

// rolesAreTold: an organisation admin is known by platformRoles, a protected account by groups.
func (d *doctor) rolesAreTold(some []atlassian.DirectoryUser) {
	roles, groups := 0, 0
	for _, u := range some {
		if u.PlatformRoles != nil {
			roles++
		}
		if u.Groups != nil {
			groups++
		}
	}
	switch {
	case len(some) == 0:
		d.warn("users/search: shows no managed account, so nothing can be checked")
	case roles < len(some):
		d.warn("users/search: tells no platformRoles of %d of %d accounts, which counts as no role: organisation admins may not be "+
			"recognised; look for one with `find`", len(some)-roles, len(some))
	case len(d.cfg.Policy().Groups()) > 0 && groups < len(some):
		d.warn("users/search: tells no groups of %d of %d accounts; these rows are blocked as “could not be checked”",
			len(some)-groups, len(some))
	default:
		d.ok("users/search: tells roles of each of %d accounts", len(some))
	}
}

// searchFoldsCase: an address in another case finds the same account.
func (d *doctor) searchFoldsCase(ctx context.Context, client *atlassian.Client, some []atlassian.DirectoryUser) {
	for _, u := range some {
		other := strings.ToUpper(u.Email)
		if other == u.Email {
			continue
		}
		found := false
		for hit, err := range client.SearchUsers(ctx, atlassian.Find{Emails: []string{other}}, 1) {
			if err != nil {
				d.warn("users/search: cannot be asked in another case: %v", err)
				return
			}
			found = found || hit.ID == u.ID
		}
		if found {
			d.ok("users/search: finds an address in any case")
		} else {
			d.warn("users/search: tells upper and lower case apart; write addresses as Atlassian shows them, other rows are blocked")
		}
		return
	}
}

// statusIsTold: the directory's own entry of an account tells its status, by which a deletion is proved.
func (d *doctor) statusIsTold(ctx context.Context, client *atlassian.Client, some []atlassian.DirectoryUser) {
	if len(some) == 0 {
		return
	}
	entry, err := client.DirectoryUser(ctx, some[0].ID)
	switch {
	case err != nil:
		d.warn("GET user of the directory: cannot be read (%v); suspend, restore, remove, delete and cancel-delete cannot be proved", err)
	case entry.Status == "" || entry.MembershipStatus == "":
		d.warn("GET user of the directory: tells no status; suspend, restore, remove, delete and cancel-delete cannot be proved")
	default:
		d.ok("GET user of the directory: tells the status of an account")
	}
}

// groupsAreNamed: a group's id is a UUID; anything else is taken for a name.
func (d *doctor) groupsAreNamed(ctx context.Context, client *atlassian.Client) {
	looked, odd := 0, ""
	for g, err := range client.SearchGroups(ctx, atlassian.FindGroups{}) {
		if err != nil {
			d.warn("groups/search: cannot be read: %v", err)
			return
		}
		if !atlassian.IsGroupID(g.ID) {
			odd = g.Name
		}
		if looked++; looked == sampleSize {
			break
		}
	}
	switch {
	case odd != "":
		d.warn("groups/search: the id of the group %s is not a UUID; name groups by their names", odd)
	case looked > 0:
		d.ok("groups/search: the ids of %s are UUIDs", counted(looked, "group"))
	}
}

// productsAreNamed: an invitation finds a product by its type.
func (d *doctor) productsAreNamed(ctx context.Context, client *atlassian.Client) {
	all, err := client.Workspaces(ctx)
	if err != nil {
		d.warn("workspaces: cannot be read (%v); invite cannot name products", err)
		return
	}
	var types []string
	for _, w := range all {
		if w.Attributes.TypeKey == "" && w.Attributes.Type == "" {
			d.warn("workspaces: tells no type of %s; invite cannot name it as a product", w.ID)
			return
		}
		types = append(types, w.Attributes.TypeKey)
	}
	if len(all) > 0 {
		d.ok("workspaces: tells the type of %s", counted(len(types), "product"))
	}
}

// headers says what the answers of all these calls told.
func (d *doctor) headers(seen *answers) {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.limits {
		d.ok("rate limits: Atlassian announces them in headers")
	} else {
		d.ok("rate limits: Atlassian announces none; the pace is learned, and a run begins slower")
	}
	if skew := seen.skew.Abs().Truncate(time.Second); skew > skewBound {
		d.warn("clock: this machine's differs from Atlassian's by %s; set it, or times in cards and files are wrong", skew)
	} else {
		d.ok("clock: this machine's agrees with Atlassian's")
	}
}
