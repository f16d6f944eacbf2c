package organisation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
)

var (
	accountStatuses    = []string{"active", "inactive", "closed"}
	membershipStatuses = []string{"active", "suspended", "no_membership"}
	compositeStatuses  = []string{"active", "suspended", "not_invited", "deactivated", "for_deletion"}
	claimStatuses      = []string{"managed", "unmanaged"}
	expansions         = []string{"platformRoles", "counts.resources", "productAccess", "groups"}
	canonicalRoles     = []string{
		"atlassian/user", "atlassian/admin", "atlassian/guest", "atlassian/customer", "atlassian/user-access-admin",
		"atlassian/contributor", "atlassian/basic", "atlassian/stakeholder", "atlassian/org-admin", "atlassian/site-admin",
		"atlassian/ai-access",
	}
)

// searchRequest is the schema MultiDirectoryUserSearchRequest.
type searchRequest struct {
	AccountIDs       []string   `json:"accountIds,omitempty"`
	AccountStatus    []string   `json:"accountStatus,omitempty"`
	ClaimStatus      string     `json:"claimStatus,omitempty"`
	Cursor           string     `json:"cursor,omitempty"`
	DirectoryIDs     []string   `json:"directoryIds,omitempty"`
	EmailDomains     []string   `json:"emailDomains,omitempty"`
	Emails           []string   `json:"emails,omitempty"`
	Expand           []string   `json:"expand,omitempty"`
	GroupIDs         []string   `json:"groupIds,omitempty"`
	Limit            *int       `json:"limit,omitempty"`
	MembershipStatus []string   `json:"membershipStatus,omitempty"`
	MFAEnabled       *bool      `json:"mfaEnabled,omitempty"`
	ResourceIDs      []string   `json:"resourceIds,omitempty"`
	RoleIDs          []string   `json:"roleIds,omitempty"`
	SearchTerm       string     `json:"searchTerm,omitempty"`
	SortBy           []sortJSON `json:"sortBy,omitempty"`
	Status           []string   `json:"status,omitempty"`
}

type sortJSON struct {
	Field     string `json:"field"`
	Direction string `json:"direction"`
}

// searchFields are the names that the schema declares, compared exactly.
var searchFields = []string{
	"accountIds", "accountStatus", "claimStatus", "cursor", "directoryIds", "emailDomains", "emails", "expand", "groupIds",
	"limit", "membershipStatus", "mfaEnabled", "resourceIds", "roleIds", "searchTerm", "sortBy", "status",
}

// searchPosition is what a cursor of users/search carries: the whole request, as the others are
// ignored beside a cursor, and where to go on.
type searchPosition struct {
	Request   searchRequest `json:"r"`
	Directory string        `json:"d"`
	Turn      int           `json:"t,omitempty"` // of endless pages
	From      int           `json:"f"`           // sequence of the last account shown, or with sortBy how many were shown
}

// searchUsers is POST /admin/v2/orgs/{orgId}/directories/{directoryId}/users/search.
func (o *Organisation) searchUsers(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	if !o.directory(x.path[1]) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "directory not found")
	}
	var request searchRequest
	problem := o.readSearch(x, searchFields, &request)
	if problem == "" {
		problem = request.problem()
	}
	if problem != "" {
		return o.badRequest(problem)
	}
	at := searchPosition{Request: request, Directory: x.path[1]}
	if request.Cursor != "" {
		at = searchPosition{} // nothing of what stands beside the cursor counts
		if !o.readCursor("search", request.Cursor, &at) || at.Directory != x.path[1] {
			return o.badCursor()
		}
		request = at.Request
	}
	limit := defaultUsersLimit
	if request.Limit != nil {
		limit = *request.Limit
	}
	page := struct {
		Data  []memberJSON `json:"data"`
		Links linksJSON    `json:"links"`
	}{Data: []memberJSON{}, Links: linksJSON{Self: o.makeCursor("search", at)}}
	shift := 0
	if at.From > 0 {
		shift = o.pageShift(x)
	}
	found, more := o.search(request, at.Directory, at.From, limit, shift)
	if o.endless(x) {
		found, more = nil, false
		at.Turn++
		page.Links.Next = o.makeCursor("search", at)
	}
	for _, each := range found {
		page.Data = append(page.Data, o.member(each, at.Directory, request.Expand))
	}
	if more {
		if at.From += limit; len(request.SortBy) == 0 {
			at.From = found[len(found)-1].sequence
		}
		page.Links.Next = o.makeCursor("search", at)
	}
	return success(page)
}

// readSearch reads the body of a search into request; the result says what is wrong with it, or
// nothing. Fields that the schema does not declare are violations. No body asks for everything.
func (o *Organisation) readSearch(x *exchange, declared []string, request any) string {
	if len(bytes.TrimSpace(x.body)) == 0 {
		return ""
	}
	fields, err := object(x.body)
	if err != nil {
		return err.Error()
	}
	for name := range fields {
		if !slices.Contains(declared, name) {
			o.violate("%s %s: unknown field %q", x.call.Method, x.call.Path, name)
			delete(fields, name)
		}
	}
	known, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(known, request)
	}
	if err != nil {
		return "a field has the wrong type"
	}
	return ""
}

// problem returns what breaks the schema's bounds, or nothing.
func (s *searchRequest) problem() string {
	if s.Emails != nil && s.SearchTerm != "" {
		return "emails and searchTerm are mutually exclusive"
	}
	if problem := outOfBounds([]bounds{
		{"accountIds", s.AccountIDs, maxFilter, nil},
		{"accountStatus", s.AccountStatus, 3, accountStatuses},
		{"directoryIds", s.DirectoryIDs, maxFilter, nil},
		{"emailDomains", s.EmailDomains, maxFilter, nil},
		{"emails", s.Emails, maxEmails, nil},
		{"groupIds", s.GroupIDs, maxFilter, nil},
		{"membershipStatus", s.MembershipStatus, 3, membershipStatuses},
		{"resourceIds", s.ResourceIDs, maxResources, nil},
		{"roleIds", s.RoleIDs, maxFilter, canonicalRoles},
		{"status", s.Status, 4, compositeStatuses},
	}); problem != "" {
		return problem
	}
	switch {
	case !distinct(s.Emails):
		return "emails must be unique"
	case !distinct(s.Expand) || !subset(s.Expand, expansions):
		return "expand has an unknown or repeated value"
	case s.ClaimStatus != "" && !slices.Contains(claimStatuses, s.ClaimStatus):
		return "claimStatus has an unknown value"
	case s.Limit != nil && (*s.Limit < 1 || *s.Limit > maxLimit):
		return "limit must be from 1 to 100"
	case s.SortBy != nil && (len(s.SortBy) != 1 || s.SortBy[0].Field != "nick_name" ||
		!slices.Contains([]string{"asc", "desc"}, s.SortBy[0].Direction)):
		return "sortBy must be one entry with field nick_name and direction asc or desc"
	}
	return ""
}

// bounds is what a schema asks of one list of a search.
type bounds struct {
	name   string
	values []string
	most   int
	known  []string // nil: any value
}

// outOfBounds returns the first of the lists that breaks its bounds, in words, or nothing.
func outOfBounds(lists []bounds) string {
	for _, list := range lists {
		if list.values != nil && (len(list.values) == 0 || len(list.values) > list.most) {
			return fmt.Sprintf("%s must have 1 to %d entries", list.name, list.most)
		}
		if list.known != nil && !subset(list.values, list.known) {
			return list.name + " has an unknown value"
		}
	}
	return ""
}

func subset(values, known []string) bool {
	return !slices.ContainsFunc(values, func(each string) bool { return !slices.Contains(known, each) })
}

func distinct(values []string) bool {
	sorted := slices.Sorted(slices.Values(values))
	return len(slices.Compact(sorted)) == len(values)
}

// search returns up to limit matching accounts behind from, moved by shift, and whether there are
// more.
func (o *Organisation) search(
	request searchRequest, directory string, from, limit, shift int,
) ([]*record, bool) {
	candidates := o.candidates(request)
	wanted := func(each *record) bool {
		if o.faults.Omit != nil && o.faults.Omit(each.ID) {
			return false
		}
		return each.shown() && o.listedIn(each, directory) && o.matches(&request, each)
	}
	var found []*record
	if len(request.SortBy) > 0 {
		for _, each := range candidates {
			if wanted(each) {
				found = append(found, each)
			}
		}
		slices.SortStableFunc(found, func(a, b *record) int {
			if request.SortBy[0].Direction == "desc" {
				a, b = b, a
			}
			return strings.Compare(strings.ToLower(a.Nickname), strings.ToLower(b.Nickname))
		})
		found = found[min(max(from+shift, 0), len(found)):]
		return found[:min(limit, len(found))], len(found) > limit
	}
	first := sort.Search(len(candidates), func(i int) bool { return candidates[i].sequence > from })
	for ; shift < 0 && first > 0; first-- {
		if wanted(candidates[first-1]) {
			shift++
		}
	}
	for _, each := range candidates[first:] {
		if !wanted(each) {
			continue
		}
		if shift > 0 {
			shift--
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, each)
	}
	return found, false
}

// candidates returns the accounts in question, by sequence: the holders of the addresses asked for,
// else everybody. Addresses match exactly, in any case.
func (o *Organisation) candidates(request searchRequest) []*record {
	var found []*record
	if lag := o.faults.SearchLag; lag != nil {
		for _, each := range o.order {
			seen := &record{Account: each.seen(lag(each.ID)), sequence: each.sequence}
			if request.Emails == nil || slices.ContainsFunc(request.Emails, func(address string) bool {
				return seen.Email != "" && addressKey(address) == addressKey(seen.Email)
			}) {
				found = append(found, seen)
			}
		}
		return found
	}
	if request.Emails == nil {
		return o.order
	}
	for _, each := range request.Emails {
		if holder, taken := o.holders[addressKey(each)]; taken {
			found = append(found, o.accounts[holder])
		}
	}
	slices.SortFunc(found, func(a, b *record) int { return a.sequence - b.sequence })
	return slices.Compact(found) // one address in two cases is one holder
}

// shown reports whether the v2 directory shows the account; its schema knows the type atlassian
// alone.
func (r *record) shown() bool { return !r.Hidden && r.Type == "atlassian" }

// listedIn reports whether a search in the directory ("-" for all) finds the account: whoever is in
// it, and every managed account that is in no directory at all. The caller holds o.mu.
func (o *Organisation) listedIn(r *record, directory string) bool {
	return directory == "-" || r.membershipIn(directory) != "no_membership" || o.membership(&r.Account) == "no_membership"
}

// matches compares an account with every filter but emails. There are no resources in this
// organisation, and nobody has two-step verification.
func (o *Organisation) matches(s *searchRequest, each *record) bool {
	among := func(values []string, value string) bool { return len(values) == 0 || slices.Contains(values, value) }
	term := strings.ToLower(s.SearchTerm)
	switch {
	case !among(s.AccountIDs, each.ID),
		!among(s.AccountStatus, each.Status),
		!among(s.MembershipStatus, o.membership(&each.Account)),
		!among(s.Status, o.composite(&each.Account)),
		len(s.DirectoryIDs) > 0 && !slices.ContainsFunc(s.DirectoryIDs, func(id string) bool { return o.listedIn(each, id) }),
		s.ClaimStatus != "" && s.ClaimStatus != each.claim(),
		len(s.GroupIDs) > 0 && !slices.ContainsFunc(s.GroupIDs, each.in),
		len(s.ResourceIDs) > 0,
		s.MFAEnabled != nil && *s.MFAEnabled,
		len(s.RoleIDs) > 0 && (!each.OrgAdmin || !slices.Contains(s.RoleIDs, "atlassian/org-admin")):
		return false
	case len(s.EmailDomains) > 0 && !slices.ContainsFunc(s.EmailDomains, func(domain string) bool {
		return each.Email != "" && addressKey(strings.TrimPrefix(domain, "@")) == domainOf(each.Email)
	}):
		return false
	}
	return strings.Contains(strings.ToLower(each.Name), term) || strings.Contains(strings.ToLower(each.Email), term)
}
