package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// lists are all lists that the client reads: an entry of each, and how many entries a read returns.
var lists = map[string]struct {
	entry string
	read  func(context.Context, *atlassian.Client) (int, error)
	poor  []string // entries that lack a field
}{
	"managed accounts": {`{"account_id":"a","account_status":"active"}`, func(ctx context.Context, c *atlassian.Client) (n int, err error) {
		for _, err := range atlassian.NewDirectory(c).Members(ctx) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}, []string{`{"account_status":"active"}`, `{"account_id":"a"}`, `{"account_id":"a","account_status":null}`}},
	"domains": {
		`{"id":"d","attributes":{"name":"example.com","claim":{"status":"verified"}}}`,
		func(ctx context.Context, c *atlassian.Client) (int, error) {
			all, err := atlassian.NewDirectory(c).Domains(ctx)
			return len(all), err
		},
		[]string{
			`{"id":"d","attributes":{"name":"example.com"}}`, `{"id":"d","attributes":{"name":"example.com","claim":{}}}`,
			`{"id":"d","attributes":{"claim":{"status":"verified"}}}`, `{"attributes":{"name":"example.com","claim":{"status":"verified"}}}`,
		},
	},
	"directories": {`{"directoryId":"d"}`, func(ctx context.Context, c *atlassian.Client) (int, error) {
		all, err := c.Directories(ctx)
		return len(all), err
	}, nil},
	"search by address": {
		`{"accountId":"a","email":"a@example.com"}`, func(ctx context.Context, c *atlassian.Client) (int, error) {
			all, err := atlassian.NewDirectory(c).ByAddress(ctx, []string{"a@example.com"})
			return len(all), err
		}, nil,
	},
	"search by id": {`{"accountId":"a"}`, func(ctx context.Context, c *atlassian.Client) (int, error) {
		all, err := atlassian.NewDirectory(c).ByID(ctx, []string{"a"})
		return len(all), err
	}, nil},
	"search by words": {`{"accountId":"a"}`, func(ctx context.Context, c *atlassian.Client) (int, error) {
		all, err := atlassian.NewDirectory(c).Search(ctx, "ann", 5)
		return len(all), err
	}, nil},
	"search by domain": {
		`{"accountId":"a","email":"a@example.com"}`, func(ctx context.Context, c *atlassian.Client) (int, error) {
			all, err := atlassian.NewDirectory(c).WithDomains(ctx, []string{"example.com"})
			return len(all), err
		}, nil,
	},
	"groups": {`{"id":"g","name":"finance"}`, func(ctx context.Context, c *atlassian.Client) (int, error) {
		all, err := atlassian.NewDirectory(c).GroupsNamed(ctx, []string{"finance"})
		n := 0
		for _, there := range all {
			if there {
				n++
			}
		}
		return n, err
	}, nil},
}

// badLists are answers with status 200 that are no page of a list; ENTRY stands for a good entry.
var badLists = []string{
	`{}`, `null`, `[]`, `""`, `{"data":null}`, `{"data":{}}`, `{"data":"none"}`, `{"meta":{"total":0},"links":{}}`,
	`{"code":500,"message":"Internal error"}`, `{"code":"500","data":[ENTRY]}`, `{"status":503,"data":[]}`,
	`{"errors":[{"code":"ADMIN-500-1","title":"Internal error"}]}`, `{"data":[ENTRY],"errors":[{"code":"ADMIN-500-1"}]}`,
	`{"data":[ENTRY],"error":"too busy"}`,
	`{"data":[ENTRY]`, `<html>Sign in</html>`, ``, `{"data":[[ENTRY]]}`, `{"data":[1]}`, `{"data":[ENTRY]}{"data":[]}`,
	`{"data":[ENTRY],"success":false}`, `{"data":[],"ok":false}`, `{"statusCode":500,"data":[]}`, `{"status":"error","data":[]}`, `{"data":{"0":ENTRY}}`, `{"Data":null,"values":[ENTRY]}`, `{"data":true}`,
	`{"data":[null]}`, `{"data":[{}]}`, `{"data":[ENTRY,{"name":"no id"}]}`, `{"data":[ENTRY,null,ENTRY]}`,
}

// bodies is a network that answers 200 with the bodies in turn, and the last one for ever.
type bodies struct {
	all   []string
	calls atomic.Int64
}

func (b *bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body := b.all[min(int(b.calls.Add(1)), len(b.all))-1]
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func clientOf(t *testing.T, network http.RoundTripper) *atlassian.Client {
	t.Helper()
	c, err := atlassian.New(atlassian.Config{
		BaseURL: "http://atlassian.test", OrgID: testOrg, Key: func() string { return testKey }, Pace: fast, Log: zerolog.Nop(),
		HTTP: &http.Client{Transport: network},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A 200 that is no page of the list is an answer that failed: it is asked for again, and a list
// that stays so is an error, never a shorter list.
func TestListsNeedTheirFields(t *testing.T) {
	for name, l := range lists {
		good := `{"data":[` + l.entry + `],"links":{}}`
		first := `{"data":[` + l.entry + `],"links":{"next":"2"}}`
		bads := slices.Clone(badLists)
		for _, poor := range l.poor {
			bads = append(bads, `{"data":[`+poor+`],"links":{}}`, `{"data":[ENTRY,`+poor+`]}`)
		}
		for _, each := range bads {
			bad := strings.ReplaceAll(each, "ENTRY", l.entry)
			t.Run(name+" "+each, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, err := l.read(t.Context(), clientOf(t, &bodies{all: []string{bad, bad, good}}))
					if n != 1 || err != nil {
						t.Errorf("two bad answers and a good one: %d entries, %v", n, err)
					}
					partly := `{"data":[` + l.entry + `],"error":"too busy"}`
					for where, all := range map[string][]string{
						"page 1": {bad}, "page 2": {first, bad}, "page 1, after one that was almost good": {partly, bad},
					} {
						network := &bodies{all: all}
						_, err := l.read(t.Context(), clientOf(t, network))
						kind := atlassian.KindOf(err)
						if kind != atlassian.KindIncomplete && kind != atlassian.KindUnavailable {
							t.Errorf("%s stays bad: %v", where, err)
						}
						if network.calls.Load() < 4 {
							t.Errorf("%s stays bad: given up after %d calls", where, network.calls.Load())
						}
						if name != "directories" && !errors.Is(err, workflow.ErrUnavailable) {
							t.Errorf("%s stays bad: %v is not unavailable", where, err)
						}
					}
				})
			})
		}
	}
}

// The same of answers about one thing.
func TestAnswersNeedTheirFields(t *testing.T) {
	for name, test := range map[string]struct {
		good string
		bad  []string
		read func(context.Context, *atlassian.Client) error
	}{
		"profile": {
			`{"account":{"account_id":"a","account_status":"active"}}`,
			[]string{
				`{"account":{}}`, `{"account":null}`, `{"account":{"account_id":"b","account_status":"active"}}`,
				`{"account":{"account_id":"a","email":"a@example.com"}}`, `{"account":{"account_status":"active"}}`,
			},
			func(ctx context.Context, c *atlassian.Client) error {
				_, err := atlassian.NewDirectory(c).Account(ctx, "a")
				return err
			},
		},
		"permissions": {
			`{"email.set":{"allowed":true}}`,
			[]string{`{"email.set":{}}`, `{"email.set":null}`, `{"lifecycle.enablement":{"allowed":true}}`},
			func(ctx context.Context, c *atlassian.Client) error {
				_, err := atlassian.NewDirectory(c).Privileges(ctx, "a", atlassian.PrivilegeEmail)
				return err
			},
		},
		"directory user": {
			`{"data":{"accountId":"a"}}`,
			[]string{`{"data":{}}`, `{"data":null}`, `{"data":{"accountId":""}}`},
			func(ctx context.Context, c *atlassian.Client) error {
				_, err := c.DirectoryUser(ctx, "a")
				return err
			},
		},
		"organisation": {
			`{"data":{"id":"o","attributes":{"name":"Example"}}}`,
			[]string{`{"data":{}}`, `{"data":null}`},
			func(ctx context.Context, c *atlassian.Client) error {
				_, err := c.OrgName(ctx)
				return err
			},
		},
	} {
		bad := append([]string{`{}`, `null`, `{"code":500}`, `{"errors":["no"]}`}, test.bad...)
		for _, each := range bad {
			t.Run(name+" "+each, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if err := test.read(t.Context(), clientOf(t, &bodies{all: []string{each, test.good}})); err != nil {
						t.Errorf("a bad answer and a good one: %v", err)
					}
					network := &bodies{all: []string{each}}
					err := test.read(t.Context(), clientOf(t, network))
					if atlassian.KindOf(err) != atlassian.KindIncomplete || network.calls.Load() < 3 {
						t.Errorf("it stays bad: %v after %d calls", err, network.calls.Load())
					}
				})
			})
		}
	}
}

// refusing is a network that answers with one page of a list, and refuses the page that it leads to.
type refusing struct {
	entry  string
	status int
}

func (n refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := ""
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		sent = string(raw)
	}
	status, body := http.StatusOK, `{"data":[`+n.entry+`],"links":{"next":"expired"}}`
	if strings.Contains(r.URL.RawQuery+sent, "expired") {
		status, body = n.status, `{"errors":[{"code":"ADMIN-400-1","title":"cursor is not valid"}]}`
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// A page that Atlassian itself named, and refuses, is a list that could not be read: nobody who asked
// has a value to correct.
func TestARefusedPageIsNobodysMistake(t *testing.T) {
	for name, l := range lists {
		for _, status := range []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, err := l.read(t.Context(), clientOf(t, refusing{l.entry, status}))
					if atlassian.KindOf(err) != atlassian.KindIncomplete {
						t.Errorf("got %v", err)
					}
					if name != "directories" && !errors.Is(err, workflow.ErrUnavailable) {
						t.Errorf("%v is not unavailable", err)
					}
				})
			})
		}
	}
}

// A group is found in a directory; one that came without is not asked about under another's id.
func TestAGroupWithoutItsDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, &bodies{all: []string{`{"data":[{"id":"g","name":"finance"}]}`}})
		_, _, err := atlassian.NewDirectory(c).SearchGroups(t.Context(), "fin", 5)
		if atlassian.KindOf(err) != atlassian.KindIncomplete || !errors.Is(err, workflow.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}
