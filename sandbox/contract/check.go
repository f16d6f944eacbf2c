package contract

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// undocumented are answers that any call may get though few list them: the media type is checked
// before the call is looked at, and limits and outages are the gateway's.
var undocumented = []int{
	http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// Check compares one exchange with the documents and returns what does not fit, or nothing. sent is
// the request's body, which is not read from the request. A status of 0 means that there was no
// answer; then only the request is checked.
func (s *Spec) Check(r *http.Request, sent []byte, status int, header http.Header, body []byte) []string {
	call := r.Method + " " + r.URL.EscapedPath()
	found, values, known := s.find(r.Method, r.URL.EscapedPath())
	if !known {
		return []string{call + ": no such call"}
	}
	c := &checker{schemas: found.schemas}
	if found.deprecated {
		c.report("call", "is deprecated")
	}
	c.checkParameters(found, values, r, s.scheme)
	c.checkRequest(found, r.Header, sent)
	if status != 0 {
		c.checkAnswer(found, status, header, body)
	}
	for i, each := range c.problems {
		c.problems[i] = call + ": " + each
	}
	return c.problems
}

// CheckRequest is Check for the request alone, for requests that are meant to be refused.
func (s *Spec) CheckRequest(r *http.Request, sent []byte) []string {
	return s.Check(r, sent, 0, nil, nil)
}

// CheckAnswer is Check for the answer alone, for answers to requests that break the rules on
// purpose.
func (s *Spec) CheckAnswer(r *http.Request, status int, header http.Header, body []byte) []string {
	found, _, known := s.find(r.Method, r.URL.EscapedPath())
	if !known {
		return []string{r.Method + " " + r.URL.EscapedPath() + ": no such call"}
	}
	c := &checker{schemas: found.schemas}
	c.checkAnswer(found, status, header, body)
	for i, each := range c.problems {
		c.problems[i] = r.Method + " " + r.URL.EscapedPath() + ": " + each
	}
	return c.problems
}

func (c *checker) checkParameters(found operation, values map[string]string, r *http.Request, wanted string) {
	if scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " "); scheme != wanted || key == "" {
		c.report("header Authorization", "is no %s key", wanted)
	}
	query := r.URL.Query()
	for _, each := range found.parameters {
		at := each.in + " parameter " + each.name
		switch each.in {
		case "path":
			c.check(each.schema, values[each.name], at, true)
		case "query":
			if given := query[each.name]; len(given) > 0 {
				c.checkQuery(each, given, at)
			}
			query.Del(each.name)
		}
	}
	for name := range query {
		c.report("query parameter "+name, "is not declared")
	}
}

// checkQuery compares the values of one parameter with its schema; lists repeat the parameter
// (style form, explode).
func (c *checker) checkQuery(declared parameter, given []string, at string) {
	schema, err := c.resolve(declared.schema)
	if err != nil {
		c.report(at, "%v", err)
		return
	}
	if schema["type"] == "array" {
		list := make([]any, 0, len(given))
		for _, each := range given {
			list = append(list, each)
		}
		c.check(schema, list, at, true)
		return
	}
	if len(given) > 1 {
		c.report(at, "is given %d times", len(given))
	}
	var value any = given[0]
	if kind := schema["type"]; kind == "integer" || kind == "boolean" {
		if decoded, err := decode([]byte(given[0])); err == nil {
			value = decoded
		}
	}
	c.check(schema, value, at, true)
}

func (c *checker) checkRequest(found operation, header http.Header, sent []byte) {
	if found.body == nil {
		// No body is declared; {} is needed by some calls all the same, and harmless.
		if trimmed := strings.TrimSpace(string(sent)); trimmed != "" && trimmed != "{}" {
			c.report("request", "has a body, and none is declared")
		}
		return
	}
	if len(sent) == 0 {
		if found.required {
			c.report("request", "has no body")
		}
		return
	}
	if !isJSON(header) {
		c.report("request", "content type is %q", header.Get("Content-Type"))
	}
	value, err := decode(sent)
	if err != nil {
		c.report("request", "%v", err)
		return
	}
	inner := &checker{schemas: c.schemas, partial: found.partial}
	inner.check(found.body, value, "request", true)
	c.problems = append(c.problems, inner.problems...)
}

func (c *checker) checkAnswer(found operation, status int, header http.Header, body []byte) {
	at := fmt.Sprintf("answer %d", status)
	declared, listed := found.responses[strconv.Itoa(status)]
	switch {
	case !listed && slices.Contains(undocumented, status):
	case !listed:
		c.report(at, "is not listed")
	case declared.schema == nil && status < 300 && len(body) > 0:
		c.report(at, "has a body, and none is declared")
	case declared.schema != nil && !isJSON(header):
		c.report(at, "content type is %q", header.Get("Content-Type"))
	case declared.schema != nil:
		value, err := decode(body)
		if err != nil {
			c.report(at, "%v", err)
			return
		}
		c.check(declared.schema, value, at, true)
	}
}

func isJSON(header http.Header) bool {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return slices.Contains([]string{"application/json", "application/scim+json"}, strings.TrimSpace(kind))
}
