package atlassian_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// movingList is a list of accounts, two a page by position, that changes while it is read.
type movingList struct {
	ids    []string
	total  func(ids []string) string // meta, as JSON
	change func(l *movingList, page int)
	page   int // pages that were served
}

func (l *movingList) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.page++; l.change != nil {
		l.change(l, l.page)
	}
	start, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	var data []string
	for _, id := range l.ids[min(start, len(l.ids)):min(start+2, len(l.ids))] {
		data = append(data, fmt.Sprintf(`{"account_id":%q,"account_status":"active"}`, id))
	}
	next := ""
	if start+2 < len(l.ids) {
		next = strconv.Itoa(start + 2)
	}
	body := fmt.Sprintf(`{"data":[%s],"meta":%s,"links":{"next":%q}}`, strings.Join(data, ","), l.total(l.ids), next)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// Accounts that come or go while the list is read push others over the ends of pages, where they
// are lost or come twice. Then the list is read again, once; what still differs from the announced
// total is returned with both numbers.
func TestAccountsThatMove(t *testing.T) {
	t.Parallel()
	told := func(ids []string) string { return fmt.Sprintf(`{"total":%d}`, len(ids)) }
	remove := func(at int) func(*movingList, int) {
		return func(l *movingList, page int) {
			if page == at {
				l.ids = l.ids[1:]
			}
		}
	}
	for name, test := range map[string]struct {
		total     func([]string) string
		change    func(*movingList, int)
		want      string
		announced int
		pages     int
	}{
		"nothing moves":                 {told, nil, "a b c d e f", 6, 3},
		"one goes behind our back":      {told, remove(2), "b c d e f", 5, 3 + 3},
		"one goes before the last page": {told, remove(3), "b c d e f", 5, 3 + 3},
		"one comes at the front": {told, func(l *movingList, page int) {
			if page == 2 {
				l.ids = append([]string{"new"}, l.ids...)
			}
		}, "new a b c d e f", 7, 4 + 4},
		"the total is never right":      {func([]string) string { return `{"total":249}` }, nil, "a b c d e f", 249, 3 + 3},
		"the total is none, of many":    {func([]string) string { return `{"total":0}` }, nil, "a b c d e f", 0, 3 + 3},
		"nothing is announced":          {func([]string) string { return `{}` }, nil, "a b c d e f", atlassian.NotAnnounced, 3},
		"nothing is announced, by null": {func([]string) string { return `{"total":null}` }, nil, "a b c d e f", atlassian.NotAnnounced, 3},
		"nothing is announced, and moves": {func([]string) string { return `{}` }, func(l *movingList, page int) {
			if page == 2 {
				l.ids = append([]string{"new"}, l.ids...)
			}
		}, "new a b c d e f", atlassian.NotAnnounced, 4 + 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := &movingList{ids: strings.Fields("a b c d e f"), total: test.total, change: test.change}
			c := clientOf(t, network)
			defer c.Close()
			l, err := c.ManagedAccounts(t.Context())
			var ids []string
			for _, a := range l.Accounts {
				ids = append(ids, a.ID)
			}
			announced := l.Announced
			if diff := cmp.Diff(test.want, strings.Join(ids, " ")); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			if announced != test.announced || network.page != test.pages {
				t.Errorf("%d announced in %d pages, want %d in %d", announced, network.page, test.announced, test.pages)
			}
			if test.announced == atlassian.NotAnnounced {
				test.announced = len(ids)
			}
			again := &movingList{ids: strings.Fields("a b c d e f"), total: test.total, change: test.change}
			if got, total := membersOf(t, clientOf(t, again)); got != test.want || total != test.announced {
				t.Errorf("page by page: %s, announced are %d; want %s and %d", got, total, test.want, test.announced)
			}
		})
	}
}

// membersOf lists the accounts as they come, each once, and how many are announced.
func membersOf(t *testing.T, c *atlassian.Client) (ids string, announced int) {
	t.Helper()
	defer c.Close()
	var list []string
	for m, err := range atlassian.NewDirectory(c).Members(t.Context()) {
		if total, ok := errors.AsType[*workflow.TotalError](err); ok {
			if total.Listed != len(list) {
				t.Errorf("%d were listed, not %d", len(list), total.Listed)
			}
			return strings.Join(list, " "), total.Announced
		}
		switch {
		case errors.Is(err, workflow.ErrListedAgain):
			list = nil
		case err != nil:
			t.Fatal(err)
		case !slices.Contains(list, m.ID):
			list = append(list, m.ID)
		}
	}
	return strings.Join(list, " "), len(list)
}

// untold is an organisation whose list of accounts tells no total; its other lists are empty.
type untold struct{ next string }

func (u untold) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"data":[],"links":{}}`
	switch {
	case strings.HasSuffix(r.URL.Path, "/users"):
		body = fmt.Sprintf(`{"data":[{"account_id":"a","account_type":"atlassian","account_status":"active"},{"account_id":"b","account_status":"active"}],"links":{"next":%q}}`, u.next)
	case strings.HasSuffix(r.URL.Path, "/orgs/"+testOrg):
		body = `{"data":{"id":"o","type":"orgs","attributes":{"name":"Example"}}}`
	case strings.HasSuffix(r.URL.Path, "/manage"):
		body = `{"email.set":{"allowed":true},"lifecycle.enablement":{"allowed":true}}`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// Where the list tells no total, the first page is not taken for all of it.
func TestTheKeySeesOnePage(t *testing.T) {
	t.Parallel()
	for next, more := range map[string]bool{"": false, "2": true} {
		c := clientOf(t, untold{next})
		got, err := c.CheckKey(t.Context())
		if err != nil || got.Accounts != 2 || got.More != more {
			t.Errorf("next page %q: %+v, %v; want 2 accounts, more: %v", next, got, err, more)
		}
		c.Close()
	}
}
