package atlassian

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxPage is the largest page of the v2 calls.
const maxPage = 100

// entry is an entry of a list. missing returns what it lacks of what it must hold, "" if nothing.
type entry interface{ missing() string }

// page is one page of a list.
type page[T entry] struct {
	need func(T) string // as that of the list

	Data []T `json:"data"`
	Meta struct {
		Total *int `json:"total"` // of the whole list; v1 alone
	} `json:"meta"`
	Links struct {
		Next string `json:"next"` // "" on the last page
	} `json:"links"`
}

// announced returns how many entries the page says that the list has, NotAnnounced if it does not.
func (p *page[T]) announced() int {
	if p.Meta.Total == nil || *p.Meta.Total < 0 {
		return NotAnnounced
	}
	return *p.Meta.Total
}

func (p *page[T]) missing() string {
	if p.Data == nil {
		return "there is no list in it"
	}
	for i, each := range p.Data {
		what := each.missing()
		if what == "" && p.need != nil {
			what = p.need(each)
		}
		if what != "" {
			return fmt.Sprintf("entry %d of %d: %s", i+1, len(p.Data), what)
		}
	}
	return ""
}

// lacks returns the words for a field that is empty.
func lacks(field, value string) string {
	if value == "" {
		return "there is no " + field
	}
	return ""
}

// list is how a list is read.
type list[T entry] struct {
	first  request
	next   func(link string) (request, error) // the request of the page that links.next names
	budget time.Duration                      // of each page
	within time.Duration                      // the whole list
	// need returns what an entry lacks of what this question is about, "" if nothing; nil where it is
	// about no more than what every entry must hold.
	need func(T) string
}

// pages reads a list page by page. The sequence ends with an error or after the last page.
func pages[T entry](ctx context.Context, c *caller, l list[T]) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		bounded, end := c.bound(ctx, l.first.operation, l.within)
		var stopped bool
		err := walk(bounded, c, l, func(p page[T]) bool {
			stopped = !yield(p, nil)
			return !stopped
		})
		if err = end(err); err != nil && !stopped {
			yield(page[T]{}, err)
		}
	}
}

// walk calls take with one page after the other, until take returns false.
func walk[T entry](ctx context.Context, c *caller, l list[T], take func(page[T]) bool) error {
	fail := func(kind Kind, err error) error {
		return &Error{Operation: l.first.operation, Kind: kind, cause: err, details: err.Error()}
	}
	seen := map[string]bool{}
	empty := 0
	for call := l.first; ; {
		p := page[T]{need: l.need}
		if err := readPage(ctx, c, call, l.budget, &p); err != nil {
			if e, ok := errors.AsType[*Error](err); ok && len(seen) > 0 && refusesPage(e.Kind) {
				return fail(KindIncomplete, fmt.Errorf("the page that it leads to is refused: %w", err))
			}
			return err
		}
		if !take(p) || p.Links.Next == "" {
			return nil
		}
		if empty++; len(p.Data) > 0 {
			empty = 0
		}
		next, err := l.next(p.Links.Next)
		switch {
		case err != nil:
			return fail(KindUnexpected, err)
		case seen[p.Links.Next]:
			return fail(KindUnexpected, errors.New("the pages lead in a circle"))
		case empty >= MaxEmptyPages:
			return fail(KindEndless, fmt.Errorf("%d pages in a row have no entry", empty))
		}
		seen[p.Links.Next] = true
		call = next
	}
}

// refusesPage reports whether an error of a page behind the first says no more than that its cursor is
// not taken: Atlassian named it, so that nobody who asked has anything to correct.
func refusesPage(k Kind) bool { return k == KindRefused || k == KindInvalid || k == KindNotFound }

// entries reads a list entry by entry. The sequence ends with an error or is complete.
func entries[T entry](ctx context.Context, c *caller, l list[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for p, err := range pages(ctx, c, l) {
			if err != nil {
				yield(none, err)
				return
			}
			for _, each := range p.Data {
				if !yield(each, nil) {
					return
				}
			}
		}
	}
}

// byLink returns a list of the v1 APIs: links.next is an absolute URL (organizations API, getUsers,
// getDomains).
func byLink[T entry](c *caller, operation, path string, budget time.Duration) list[T] {
	first := request{operation: operation, method: http.MethodGet, path: path}
	return list[T]{first: first, budget: budget, within: ReadTimeout, next: func(link string) (request, error) {
		call := first
		var err error
		call.link, err = c.pin(path, link)
		return call, err
	}}
}

// byCursor returns a list of the v2 APIs that is read with GET: links.next is a bare cursor, not a
// URL.
func byCursor[T entry](operation, path string) list[T] {
	size := strconv.Itoa(maxPage)
	call := request{operation: operation, method: http.MethodGet, path: path, query: url.Values{"limit": {size}}}
	return list[T]{first: call, budget: readBudget, within: ReadTimeout, next: func(cursor string) (request, error) {
		next := call
		next.query = url.Values{"cursor": {cursor}, "limit": {size}}
		return next, nil
	}}
}

// bySearch returns a list of the v2 APIs that is read with POST. next returns the body of the page
// that the cursor names.
func bySearch[T entry](operation, path string, body any, next func(cursor string) any) list[T] {
	call := request{operation: operation, method: http.MethodPost, path: path, body: body}
	return list[T]{first: call, budget: readBudget, within: ReadTimeout, next: func(cursor string) (request, error) {
		following := call
		following.body = next(cursor)
		return following, nil
	}}
}

// pin checks that a page link leads to the list that it came from, so that the key goes nowhere
// else. A bare cursor, as in v2, is taken as one.
func (c *caller) pin(path, link string) (*url.URL, error) {
	here, err := url.Parse(c.base.String() + path)
	if err != nil {
		return nil, errors.New("build the address")
	}
	if !strings.ContainsAny(link, "/?:") {
		here.RawQuery = url.Values{"cursor": {link}}.Encode()
		return here, nil
	}
	next, err := here.Parse(link)
	if err != nil {
		return nil, errors.New("a page link cannot be read")
	}
	if next.Scheme != here.Scheme || !strings.EqualFold(next.Host, here.Host) || next.Path != here.Path || next.User != nil {
		return nil, errors.New("a page link leads away from the list")
	}
	here.RawQuery = next.RawQuery
	return here, nil
}
