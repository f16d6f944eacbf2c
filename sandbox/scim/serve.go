package scim

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

const (
	mediaType   = "application/scim+json"
	errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"
	listSchema  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
	extension   = "urn:scim:schemas:extension:atlassian-external:"

	defaultCount = 100 // of a list; the document names no figure
)

// call is one request to one directory.
type call struct {
	request *http.Request
	in      *directory
	id      string // of the user or group, where the path has one
	body    []byte
}

// errorJSON is the schema ScimError.
type errorJSON struct {
	Schemas []string `json:"schemas"`
	Status  string   `json:"status"`
	Type    string   `json:"scimType,omitempty"`
	Detail  string   `json:"detail"`
}

// failureJSON is the schema Failure, of the gateway in front.
type failureJSON struct {
	Error   string `json:"error"`
	TraceID string `json:"traceId"`
}

func refuse(status int, kind, detail string) wire.Answer {
	return jsonOf(status, errorJSON{[]string{errorSchema}, strconv.Itoa(status), kind, detail})
}

func notFound(what, id string) wire.Answer {
	return refuse(http.StatusNotFound, "", what+" "+id+" is not found.")
}

func jsonOf(status int, body any) wire.Answer {
	text, err := json.Marshal(body)
	if err != nil {
		panic("encode an answer of plain values: " + err.Error())
	}
	return wire.Answer{Status: status, Header: http.Header{"Content-Type": {mediaType}}, Body: text}
}

// failure returns the directories' own answer with a status that any call can end in.
func (s *Server) failure(_ *http.Request, status int) wire.Answer {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return jsonOf(status, failureJSON{http.StatusText(status), "trace"})
	}
	return refuse(status, "", http.StatusText(status))
}

// answer does what the call asks for, in one step.
func (s *Server) answer(r *http.Request, body []byte) wire.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left, limited := s.limited(); limited {
		answered := refuse(http.StatusTooManyRequests, "", "Rate limit exceeded.")
		answered.Header.Set("Retry-After", strconv.Itoa(left))
		return answered
	}
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, "/scim/directory/"), "/")
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	owner := slices.IndexFunc(s.directories, func(each *directory) bool { return key != "" && each.Key == key })
	if owner < 0 {
		return s.failure(r, http.StatusUnauthorized)
	}
	in := s.directory(segments[0])
	switch {
	case in == nil:
		return notFound("Directory", segments[0])
	case s.directories[owner] != in:
		return s.failure(r, http.StatusForbidden)
	}
	c := &call{request: r, in: in, body: body}
	kind := ""
	if len(segments) > 1 {
		kind = segments[1]
	}
	if len(segments) > 2 {
		c.id = segments[2]
	}
	if len(body) > 0 && !isJSON(r) {
		s.Violate("%s %s: content type %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		return refuse(http.StatusUnsupportedMediaType, "", "The content type must be "+mediaType+".")
	}
	return s.route(c, kind, len(segments))
}

func (s *Server) route(c *call, kind string, depth int) wire.Answer {
	table := map[string]func(*call) wire.Answer{
		"GET Users 2": s.listUsers, "POST Users 2": s.createUser,
		"GET Users 3": s.getUser, "PATCH Users 3": s.patchUser, "DELETE Users 3": s.deleteUser,
		"GET Groups 2": s.listGroups, "POST Groups 2": s.createGroup,
		"GET Groups 3": s.getGroup, "PATCH Groups 3": s.patchGroup,
		"GET ServiceProviderConfig 2": s.serviceProvider,
	}
	serve, known := table[c.request.Method+" "+kind+" "+strconv.Itoa(depth)]
	if !known {
		s.Violate("%s %s: no such call in this directory", c.request.Method, c.request.URL.Path)
		return refuse(http.StatusNotFound, "", "No such resource.")
	}
	declared := map[string][]string{
		"Users":  {"attributes", "excludedAttributes", "filter", "startIndex", "count"},
		"Groups": {"filter", "startIndex", "count", "excludedAttributes"},
	}[kind]
	for name := range c.request.URL.Query() {
		if !slices.Contains(declared, name) {
			s.Violate("%s %s: unknown query parameter %q", c.request.Method, c.request.URL.Path, name)
		}
	}
	return serve(c)
}

// limited counts a call and reports whether it is over the limit, and how many seconds are left of
// the minute.
func (s *Server) limited() (left int, limited bool) {
	if s.limit == 0 {
		return 0, false
	}
	moment := time.Now().UTC()
	if minute := moment.Truncate(time.Minute); !minute.Equal(s.minute) {
		s.minute, s.calls = minute, 0
	}
	if s.calls >= s.limit {
		return int((s.minute.Add(time.Minute).Sub(moment) + time.Second - 1) / time.Second), true
	}
	s.calls++
	return 0, false
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return slices.Contains([]string{mediaType, "application/json"}, strings.TrimSpace(kind))
}

// list returns one page of what a filter lets through. The filter is one exact match of one of the
// attributes; anything else is refused.
func list[T any](c *call, all []T, attributes map[string]func(T) string, shown func(T) map[string]any) wire.Answer {
	query := c.request.URL.Query()
	if filter := query.Get("filter"); filter != "" {
		parts := strings.SplitN(filter, " ", 3)
		var value string
		if len(parts) != 3 || !strings.EqualFold(parts[1], "eq") || json.Unmarshal([]byte(parts[2]), &value) != nil {
			return refuse(http.StatusBadRequest, "invalidFilter", "The filter must be one exact match: "+filter)
		}
		read, known := attributes[parts[0]]
		if !known {
			return refuse(http.StatusBadRequest, "invalidFilter", "No filter for "+parts[0]+".")
		}
		all = slices.DeleteFunc(slices.Clone(all), func(each T) bool { return !strings.EqualFold(read(each), value) })
	}
	start, count := 1, defaultCount
	for name, into := range map[string]*int{"startIndex": &start, "count": &count} {
		if text := query.Get(name); text != "" {
			number, err := strconv.Atoi(text)
			if err != nil {
				return refuse(http.StatusBadRequest, "invalidValue", name+" must be a number.")
			}
			*into = number
		}
	}
	start, count = max(start, 1), max(count, 0)
	from := min(start-1, len(all))
	resources := []map[string]any{}
	for _, each := range all[from:min(from+count, len(all))] {
		resources = append(resources, chosen(c, shown(each)))
	}
	return jsonOf(http.StatusOK, map[string]any{
		"schemas": []string{listSchema}, "totalResults": len(all), "startIndex": start, "itemsPerPage": len(resources),
		"Resources": resources,
	})
}

// chosen leaves out the attributes that the call does not want.
func chosen(c *call, resource map[string]any) map[string]any {
	query := c.request.URL.Query()
	if only := query.Get("attributes"); only != "" {
		wanted := strings.Split(only, ",")
		maps.DeleteFunc(resource, func(name string, _ any) bool {
			return name != "schemas" && name != "id" && !slices.Contains(wanted, name)
		})
	}
	for name := range strings.SplitSeq(query.Get("excludedAttributes"), ",") {
		delete(resource, name)
	}
	return resource
}

// conflict returns the answer to an error of an account or a name.
func conflict(err error) wire.Answer {
	if errors.Is(err, errUnverified) {
		return refuse(http.StatusBadRequest, "invalidValue", err.Error())
	}
	return refuse(http.StatusConflict, "uniqueness", err.Error())
}

func (s *Server) serviceProvider(*call) wire.Answer {
	supported := func(is bool) map[string]any { return map[string]any{"supported": is} }
	return jsonOf(http.StatusOK, map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":   supported(true), "bulk": supported(false), "changePassword": supported(false), "sort": supported(false),
		"etag": supported(false), "filter": map[string]any{"supported": true, "maxResults": defaultCount},
	})
}
