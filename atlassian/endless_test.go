package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// endless is a network on which no read comes to an end of itself.
type endless struct {
	entry string // of a list
	kind  string // of endlessness
	calls atomic.Int64
}

// kinds of endlessness, and whether lists alone have them.
var endlessKinds = map[string]bool{
	"empty pages": true, "new entries": true, "the same entries": true, "a window for each page": true,
	"429 with Retry-After": false, "429 until a reset": false, "429 that says nothing": false,
}

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	call := e.calls.Add(1)
	if err := sleep(r.Context(), 3*time.Second); err != nil {
		return nil, err
	}
	status, header := http.StatusOK, http.Header{}
	entry := e.entry
	used := func(after time.Duration) { // a limit that is used up
		header.Set("X-RateLimit-Limit", "1")
		header.Set("X-RateLimit-Remaining", "0")
		header.Set("X-RateLimit-Reset", time.Now().Add(after).UTC().Format(time.RFC3339Nano))
	}
	switch e.kind {
	case "empty pages":
		entry = ""
	case "new entries":
		entry = strings.NewReplacer(`"a"`, fmt.Sprintf(`"a%d"`, call), `"d"`, fmt.Sprintf(`"d%d"`, call)).Replace(entry)
	case "a window for each page":
		used(14 * time.Minute)
	case "429 with Retry-After":
		status = http.StatusTooManyRequests
		header.Set("Retry-After", "3600")
	case "429 until a reset":
		status = http.StatusTooManyRequests
		used(time.Hour)
	case "429 that says nothing":
		status = http.StatusTooManyRequests
	}
	body := `{"data":[` + entry + `],"links":{"next":"` + strconv.FormatInt(call, 10) + `"}}`
	return &http.Response{
		StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// Whatever is answered, a read ends within the bound that the package names, and its error says
// that it did not end or that it is throttled; with an empty page each time, after MaxEmptyPages.
func TestEveryReadEnds(t *testing.T) {
	type read struct {
		entry string
		bound time.Duration
		do    func(context.Context, *atlassian.Client) error
	}
	reads := map[string]read{
		"profile": {"", atlassian.ReadTimeout, func(ctx context.Context, c *atlassian.Client) error {
			_, err := atlassian.NewDirectory(c).Account(ctx, "a")
			return err
		}},
		"permissions": {"", atlassian.ReadTimeout, func(ctx context.Context, c *atlassian.Client) error {
			_, err := atlassian.NewDirectory(c).Privileges(ctx, "a", atlassian.PrivilegeEmail)
			return err
		}},
		"directory user": {"", atlassian.ReadTimeout, func(ctx context.Context, c *atlassian.Client) error {
			_, err := c.DirectoryUser(ctx, "a")
			return err
		}},
		"many ids": {lists["search by id"].entry, atlassian.ListTimeout, func(ctx context.Context, c *atlassian.Client) error {
			ids := make([]string, 5000)
			for i := range ids {
				ids[i] = "id-" + strconv.Itoa(i)
			}
			_, err := atlassian.NewDirectory(c).ByID(ctx, ids)
			return err
		}},
	}
	for name, l := range lists {
		bound := atlassian.ReadTimeout
		if name == "managed accounts" || name == "search by domain" { // any number of accounts
			bound = atlassian.ListTimeout
		}
		reads[name] = read{l.entry, bound, func(ctx context.Context, c *atlassian.Client) error {
			_, err := l.read(ctx, c)
			return err
		}}
	}
	for name, r := range maps.All(reads) {
		for kind, listsOnly := range endlessKinds {
			if listsOnly && r.entry == "" {
				continue
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := &endless{entry: r.entry, kind: kind}
					c := clientOf(t, network)
					defer c.Close()
					began := time.Now()
					err := r.do(t.Context(), c)
					if took := time.Since(began); took > r.bound {
						t.Errorf("it took %v, want %v at most", took, r.bound)
					}
					if name == "search by words" && err == nil {
						return // it looks for five
					}
					got := atlassian.KindOf(err)
					if listsOnly && got != atlassian.KindEndless || got != atlassian.KindEndless && got != atlassian.KindThrottled {
						t.Fatalf("got %v", err)
					}
					if kind == "empty pages" && name != "many ids" && network.calls.Load() != atlassian.MaxEmptyPages {
						t.Errorf("%d pages, want %d", network.calls.Load(), atlassian.MaxEmptyPages)
					}
					if name != "directories" && name != "directory user" && !errors.Is(err, workflow.ErrUnavailable) {
						t.Errorf("%v is not unavailable", err)
					}
				})
			})
		}
	}
}

// A read whose caller gives it less time ends with the caller's error.
func TestBoundLeavesTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, &endless{entry: lists["managed accounts"].entry, kind: "new entries"})
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.ManagedAccounts(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || atlassian.KindOf(err) != "" {
			t.Errorf("got %v, want the context's error as it is", err)
		}
	})
}
