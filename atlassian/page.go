package atlassian

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strings"
	"time"
)

// page is one page of a v1 list. links.next is an absolute URL there (organizations API, getUsers, getDomains).
type page[T any] struct {
	Data []T `json:"data"`
	Meta struct {
		Total int `json:"total"`
	} `json:"meta"`
	Links struct {
		Next string `json:"next"`
	} `json:"links"`
}

// pages walks a v1 list page by page. It ends with an error or after the last page.
func pages[T any](ctx context.Context, c *Client, first request, budget time.Duration) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		seen := map[string]bool{}
		for call := first; ; {
			var p page[T]
			if err := c.read(ctx, call, budget, &p); err != nil {
				yield(page[T]{}, err)
				return
			}
			if !yield(p, nil) || p.Links.Next == "" {
				return
			}
			next, err := c.pin(first.path, p.Links.Next)
			if err == nil && seen[next.RawQuery] {
				err = errors.New("the page links lead in a circle")
			}
			if err != nil {
				yield(page[T]{}, &Error{Operation: first.operation, Kind: KindUnexpected, cause: err, details: err.Error()})
				return
			}
			seen[next.RawQuery] = true
			call.link = next
		}
	}
}

// pin checks that a page link leads to the list that it came from, so that the key goes nowhere else. A link that is a
// bare cursor, as in v2, is taken as one.
func (c *Client) pin(path, link string) (*url.URL, error) {
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
