package site

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/sandbox/wire"
)

// call is one request on its way through the site.
type call struct {
	request *http.Request
	query   url.Values
	body    []byte
	known   bool // the credentials are right; else nobody calls
}

// route is one call that the site knows.
type route struct {
	method, path string
	query        []string // the parameters that the document declares
	anonymous    bool     // answered without credentials, too
	serve        func(*Site, *call) wire.Answer
}

const base = "/rest/api/3/"

// routes are the calls that are answered here; another one is a violation.
var routes = []route{
	{http.MethodGet, "myself", []string{"expand"}, false, (*Site).myself},
	{http.MethodGet, "user", []string{"accountId", "username", "key", "expand"}, false, (*Site).getUser},
	{http.MethodPost, "user", nil, false, (*Site).createUser},
	{http.MethodDelete, "user", []string{"accountId", "username", "key"}, false, (*Site).deleteUser},
	{http.MethodGet, "user/groups", []string{"accountId", "username", "key"}, false, (*Site).userGroups},
	{http.MethodGet, "user/bulk", []string{"startAt", "maxResults", "username", "key", "accountId"}, false, (*Site).bulkUsers},
	{http.MethodGet, "user/bulk/migration", []string{"startAt", "maxResults", "username", "key"}, false, (*Site).migrate},
	{
		http.MethodGet, "user/search",
		[]string{"query", "username", "accountId", "startAt", "maxResults", "property"},
		true,
		(*Site).searchUsers,
	},
	{http.MethodGet, "users/search", []string{"startAt", "maxResults"}, true, (*Site).allUsers},
	{http.MethodGet, "users", []string{"startAt", "maxResults"}, true, (*Site).allUsers},
	{http.MethodGet, "user/columns", []string{"accountId", "username"}, false, (*Site).userColumns},
	{http.MethodDelete, "user/columns", []string{"accountId", "username"}, false, (*Site).resetColumns},
	{http.MethodGet, "settings/columns", nil, false, (*Site).siteColumns},
	{http.MethodPost, "group/user", []string{"groupname", "groupId"}, false, (*Site).joinGroup},
	{http.MethodDelete, "group/user", []string{"groupname", "groupId", "username", "accountId"}, false, (*Site).leaveGroup},
	{
		http.MethodGet, "group/bulk",
		[]string{"startAt", "maxResults", "groupId", "groupName", "accessType", "applicationKey"},
		false, (*Site).bulkGroups,
	},
	{
		http.MethodGet, "group/member",
		[]string{"groupname", "groupId", "includeInactiveUsers", "startAt", "maxResults"},
		false,
		(*Site).groupMembers,
	},
}

// answer does what the call asks for, in one step.
func (s *Site) answer(r *http.Request, body []byte) wire.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow()
	c := &call{request: r, query: r.URL.Query(), body: body}
	email, token, given := r.BasicAuth()
	c.known = given && strings.EqualFold(email, s.config.Email) && token == s.config.Token
	i := slices.IndexFunc(routes, func(each route) bool {
		return each.method == r.Method && base+each.path == r.URL.Path
	})
	pattern := "unknown"
	if i >= 0 {
		pattern = routes[i].path
	}
	header, within := s.count(r.Method, pattern)
	var answered wire.Answer
	switch {
	case !within:
		answered = errorOf(http.StatusTooManyRequests, "Rate limit exceeded.")
	case given && !c.known && !s.failsAnonymous:
		answered = unauthorized()
		answered.Header.Set("X-Seraph-Loginreason", "AUTHENTICATED_FAILED")
	case i < 0:
		s.Violate("%s %s: no such call on this site", r.Method, r.URL.Path)
		answered = errorOf(http.StatusNotFound, "null for uri: "+s.config.URL+r.URL.Path)
	case !c.known && !routes[i].anonymous:
		answered = unauthorized()
	default:
		answered = s.serve(c, routes[i])
	}
	maps.Copy(answered.Header, header)
	return answered
}

func (s *Site) serve(c *call, found route) wire.Answer {
	for name := range c.query {
		if !slices.Contains(found.query, name) {
			s.Violate("%s %s: unknown query parameter %q", c.request.Method, c.request.URL.Path, name)
		}
		if name == "username" || name == "key" {
			if found.path != "user/bulk/migration" {
				s.Violate("%s %s: %s is no longer available", c.request.Method, c.request.URL.Path, name)
				return errorOf(http.StatusBadRequest, "The query parameter '"+name+"' is not supported in strict GDPR mode.")
			}
		}
	}
	if c.request.Method == http.MethodPost {
		kind, _, _ := strings.Cut(c.request.Header.Get("Content-Type"), ";")
		if strings.TrimSpace(kind) != "application/json" {
			s.Violate("%s %s: content type %q", c.request.Method, c.request.URL.Path, kind)
			return errorOf(http.StatusUnsupportedMediaType, "Unsupported media type")
		}
	}
	return found.serve(s, c)
}

// errorJSON is the schema ErrorCollection.
type errorJSON struct {
	Messages []string          `json:"errorMessages"`
	Errors   map[string]string `json:"errors"`
}

// errorOf returns an error with one sentence.
func errorOf(status int, message string) wire.Answer {
	return jsonOf(status, errorJSON{Messages: []string{message}, Errors: map[string]string{}})
}

func unauthorized() wire.Answer {
	answered := errorOf(http.StatusUnauthorized, "Client must be authenticated to access this resource.")
	answered.Header.Set("WWW-Authenticate", `OAuth realm="https%3A%2F%2Fexample.atlassian.net"`)
	return answered
}

func forbidden() wire.Answer {
	return errorOf(http.StatusForbidden, "You do not have permission to perform this operation.")
}

func jsonOf(status int, body any) wire.Answer {
	text, err := json.Marshal(body)
	if err != nil {
		panic("encode an answer of plain structs: " + err.Error())
	}
	return wire.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, Body: text}
}

func empty(status int) wire.Answer { return wire.Answer{Status: status, Header: http.Header{}} }

// failure returns Jira's own answer with a status that any call can end in.
func failure(_ *http.Request, status int) wire.Answer {
	switch status {
	case http.StatusUnauthorized:
		return unauthorized()
	case http.StatusForbidden:
		return forbidden()
	}
	return errorOf(status, http.StatusText(status))
}

// number reads a parameter that counts; most 0 is no bound.
func (c *call) number(name string, otherwise, most int) (int, bool) {
	text := c.query.Get(name)
	if text == "" {
		return otherwise, true
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 {
		return 0, false
	}
	if most > 0 {
		value = min(value, most)
	}
	return value, true
}

// cut returns the part of a list that startAt and maxResults ask for, and where it starts.
func cut[T any](c *call, all []T, size, most int) (part []T, start int, answered *wire.Answer) {
	start, ok := c.number("startAt", 0, 0)
	count, ok2 := c.number("maxResults", size, most)
	if !ok || !ok2 {
		bad := errorOf(http.StatusBadRequest, "startAt and maxResults must be numbers of at least 0.")
		return nil, 0, &bad
	}
	end := min(start+count, len(all))
	return append([]T{}, all[min(start, end):end]...), start, nil
}

// pageOf returns one page as the schema PageBean.
func pageOf[T any](s *Site, c *call, all []T, size, most int) wire.Answer {
	part, start, bad := cut(c, all, size, most)
	if bad != nil {
		return *bad
	}
	count, _ := c.number("maxResults", size, most)
	page := struct {
		Self       string `json:"self"`
		NextPage   string `json:"nextPage,omitempty"`
		MaxResults int    `json:"maxResults"`
		StartAt    int    `json:"startAt"`
		Total      int    `json:"total"`
		IsLast     bool   `json:"isLast"`
		Values     []T    `json:"values"`
	}{
		Self: s.config.URL + c.request.URL.RequestURI(), MaxResults: count, StartAt: start, Total: len(all),
		IsLast: start+len(part) >= len(all), Values: part,
	}
	if !page.IsLast {
		next := maps.Clone(c.query)
		next.Set("startAt", strconv.Itoa(start+len(part)))
		page.NextPage = s.config.URL + c.request.URL.Path + "?" + next.Encode()
	}
	return jsonOf(http.StatusOK, page)
}
