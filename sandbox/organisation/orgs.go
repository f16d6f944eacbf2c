package organisation

import (
	"net/http"
	"net/url"
	"slices"
	"sort"
)

// linksJSON is the schemas LinkPageModel (v1: absolute URLs) and LinkPageCursor (v2: cursors).
type linksJSON struct {
	Self string `json:"self,omitempty"`
	Next string `json:"next,omitempty"`
}

type selfJSON struct {
	Self string `json:"self"`
}

type relatedJSON struct {
	Links struct {
		Related string `json:"related"`
	} `json:"links"`
}

// orgJSON is the schema OrgModel.
type orgJSON struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		Name string `json:"name"`
	} `json:"attributes"`
	Relationships struct {
		Domains relatedJSON `json:"domains"`
		Users   relatedJSON `json:"users"`
	} `json:"relationships"`
	Links selfJSON `json:"links"`
}

// domainJSON is the schema DomainModel.
type domainJSON struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		Name  string    `json:"name"`
		Claim claimJSON `json:"claim"`
	} `json:"attributes"`
	Links selfJSON `json:"links"`
}

type claimJSON struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

// userJSON is the schema User of the organizations API (v1: snake_case).
type userJSON struct {
	AccountID     string              `json:"account_id"`
	AccountType   string              `json:"account_type"`
	AccountStatus string              `json:"account_status"`
	Name          string              `json:"name"`
	Picture       string              `json:"picture"`
	Email         string              `json:"email,omitempty"`
	Billable      bool                `json:"access_billable"`
	LastActive    string              `json:"last_active,omitempty"`
	ProductAccess []productAccessJSON `json:"product_access"`
	Links         selfJSON            `json:"links"`
}

type productAccessJSON struct {
	Key        string `json:"key"`
	Name       string `json:"name"`
	URL        string `json:"url,omitempty"`
	LastActive string `json:"last_active,omitempty"`
}

// forbiddenJSON is the schema NoPermsError.
type forbiddenJSON struct {
	Timestamp string `json:"timestamp"`
	Path      string `json:"path"`
	Status    int    `json:"status"`
	Error     string `json:"error"`
	Message   string `json:"message"`
	RequestID string `json:"requestId"`
}

// after is the position of a v1 cursor: behind this sequence or index.
type after struct {
	Position int `json:"p"`
	Turn     int `json:"t,omitempty"` // of endless pages, so that each has a cursor of its own
}

// getOrgs is GET /admin/v1/orgs. A key with scopes sees no organisation (measured by jira.js).
func (o *Organisation) getOrgs(x *exchange) answer {
	if x.query.Get("cursor") != "" { // one page is all there is
		return o.badCursor()
	}
	orgs := []orgJSON{}
	if !x.scoped {
		orgs = append(orgs, o.org(x))
	}
	return success(struct {
		Data  []orgJSON `json:"data"`
		Links linksJSON `json:"links"`
	}{orgs, linksJSON{Self: o.link(x.request, "/admin/v1/orgs", nil)}})
}

// getOrg is GET /admin/v1/orgs/{orgId}.
func (o *Organisation) getOrg(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	return success(map[string]orgJSON{"data": o.org(x)})
}

func (o *Organisation) org(x *exchange) orgJSON {
	path := "/admin/v1/orgs/" + o.orgID
	org := orgJSON{ID: o.orgID, Type: "orgs", Links: selfJSON{Self: o.link(x.request, path, nil)}}
	org.Attributes.Name = o.name
	org.Relationships.Domains.Links.Related = o.link(x.request, path+"/domains", nil)
	org.Relationships.Users.Links.Related = o.link(x.request, path+"/users", nil)
	return org
}

// getUsers is GET /admin/v1/orgs/{orgId}/users: the managed accounts, whatever their status.
func (o *Organisation) getUsers(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	start, valid := o.position(x, "users")
	if !valid {
		return o.badCursor()
	}
	page := struct {
		Data []userJSON `json:"data"`
		Meta struct {
			Total int `json:"total"`
		} `json:"meta"`
		Links linksJSON `json:"links"`
	}{Data: []userJSON{}}
	var listed []*record
	for _, each := range o.order {
		if each.listed() {
			listed = append(listed, each)
		}
	}
	if page.Meta.Total = len(listed); o.faults.Total != nil {
		page.Meta.Total = o.faults.Total(page.Meta.Total)
	}
	first := sort.Search(len(listed), func(i int) bool { return listed[i].sequence > start.Position })
	if start != (after{}) {
		first = min(max(first+o.pageShift(x), 0), len(listed))
	}
	last := start.Position
	end := min(first+o.pageSize, len(listed))
	for _, each := range listed[first:end] {
		page.Data = append(page.Data, o.user(x, each.Account))
		last = each.sequence
	}
	more := end < len(listed)
	page.Links = o.pageLinks(x, "users", after{Position: last}, more)
	if o.endless(x) {
		page.Data = page.Data[:0]
		page.Links = o.pageLinks(x, "users", after{start.Position, start.Turn + 1}, true)
	}
	return success(page)
}

// listed reports whether GET /admin/v1/orgs/{orgId}/users shows the account.
func (r *record) listed() bool { return r.Managed && !r.Hidden }

func (o *Organisation) user(x *exchange, a Account) userJSON {
	products := make([]productAccessJSON, 0, len(a.Products))
	for _, each := range a.Products {
		products = append(products, productAccessJSON(each))
	}
	return userJSON{
		AccountID:     a.ID,
		AccountType:   a.Type,
		AccountStatus: a.Status,
		Name:          a.Name,
		Picture:       picture(a),
		Email:         a.Email,
		Billable:      a.Billable,
		LastActive:    a.LastActive,
		ProductAccess: products,
		Links:         selfJSON{Self: o.link(x.request, "/users/"+url.PathEscape(a.ID)+"/manage/profile", nil)},
	}
}

// domain returns a domain as both of its calls show it.
func (o *Organisation) domain(x *exchange, each domain) domainJSON {
	shown := domainJSON{ID: each.id, Type: "domains"}
	shown.Attributes.Name = each.Name
	shown.Attributes.Claim = claimJSON{Type: "dns", Status: each.Status}
	shown.Links.Self = o.link(x.request, "/admin/v1/orgs/"+o.orgID+"/domains/"+each.id, nil)
	return shown
}

// getDomain is GET /admin/v1/orgs/{orgId}/domains/{domainId}, where links.self of the list leads.
func (o *Organisation) getDomain(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.notManaged(x)
	}
	for _, each := range o.domains {
		if each.id == x.path[1] {
			return success(map[string]domainJSON{"data": o.domain(x, each)})
		}
	}
	return o.adminErrors(http.StatusNotFound, "ADMIN-404-3", "Domain not found", "")
}

// notManaged is 403 for another organisation, where the documents know no 404 for it.
func (o *Organisation) notManaged(x *exchange) answer {
	return answer{status: http.StatusForbidden, body: forbiddenJSON{
		Timestamp: now().Format("2006-01-02T15:04:05.000Z"),
		Path:      x.call.Path,
		Status:    http.StatusForbidden,
		Error:     "Forbidden",
		Message:   "Not allowed to manage the org",
		RequestID: o.newID(),
	}}
}

// getDomains is GET /admin/v1/orgs/{orgId}/domains. The documents know no 404 here: another
// organisation is 403.
func (o *Organisation) getDomains(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.notManaged(x)
	}
	start, valid := o.position(x, "domains")
	if !valid || start.Position > len(o.domains) {
		return o.badCursor()
	}
	end := min(start.Position+o.pageSize, len(o.domains))
	page := struct {
		Data  []domainJSON `json:"data"`
		Links linksJSON    `json:"links"`
	}{Data: []domainJSON{}, Links: o.pageLinks(x, "domains", after{Position: end}, end < len(o.domains))}
	for _, each := range slices.Clone(o.domains[start.Position:end]) {
		page.Data = append(page.Data, o.domain(x, each))
	}
	if o.endless(x) {
		page.Data = page.Data[:0]
		page.Links = o.pageLinks(x, "domains", after{start.Position, start.Turn + 1}, true)
	}
	return success(page)
}

// position returns where a v1 page starts, and whether its cursor is one of ours.
func (o *Organisation) position(x *exchange, kind string) (after, bool) {
	cursor := x.query.Get("cursor")
	if cursor == "" {
		return after{}, true
	}
	var start after
	valid := o.readCursor(kind, cursor, &start)
	return start, valid
}

// endless reports whether the page is to be empty, with another after it.
func (o *Organisation) endless(x *exchange) bool {
	return o.faults.Endless != nil && o.faults.Endless(x.copy())
}

// pageShift returns how far the list has moved since the page before.
func (o *Organisation) pageShift(x *exchange) int {
	if o.faults.PageShift == nil {
		return 0
	}
	return o.faults.PageShift(x.copy())
}

// pageLinks returns the links of a v1 page. Unlike those of v2 they are absolute URLs.
func (o *Organisation) pageLinks(x *exchange, kind string, next after, more bool) linksJSON {
	path := "/admin/v1/orgs/" + o.orgID + "/" + kind
	own := url.Values{}
	if cursor := x.query.Get("cursor"); cursor != "" {
		own.Set("cursor", cursor)
	}
	links := linksJSON{Self: o.link(x.request, path, own)}
	if more {
		links.Next = o.link(x.request, path, url.Values{"cursor": {o.makeCursor(kind, next)}})
	}
	return links
}

func (o *Organisation) badCursor() answer {
	return o.adminErrors(http.StatusBadRequest, "ADMIN-400-1", "Invalid page cursor", "")
}

func (o *Organisation) noOrg() answer {
	return o.adminErrors(http.StatusNotFound, "ADMIN-404-2", "Organization not found", "")
}
