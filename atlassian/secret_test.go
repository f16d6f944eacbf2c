package atlassian_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// every makes each call of the client and gives the errors.
func every(t *testing.T, c *atlassian.Client) []error {
	t.Helper()
	d := atlassian.NewDirectory(c)
	ctx := t.Context()
	_, account := d.Account(ctx, "a")
	_, privileges := d.Privileges(ctx, "a", atlassian.PrivilegeEmail)
	_, addresses := d.ByAddress(ctx, []string{"a@example.com"})
	_, search := d.Search(ctx, "ann", 5)
	_, domains := d.Domains(ctx)
	_, user := c.DirectoryUser(ctx, "a")
	_, directories := c.Directories(ctx)
	_, check := c.CheckKey(ctx)
	_, org := c.OrgName(ctx)
	_, ids := d.ByID(ctx, []string{"a"})
	_, groups := d.GroupsNamed(ctx, []string{"finance"})
	all := []error{
		account, privileges, addresses, search, domains, user, directories, check, org, ids, groups,
		d.SetEmail(ctx, "a", "b@example.com"), d.Deactivate(ctx, "a", "bye"), d.Activate(ctx, "a"),
	}
	for _, err := range d.Members(ctx) {
		all = append(all, err)
	}
	return all
}

// However a call fails, also when the other side sends back what it was sent, neither error nor log
// holds the key.
func TestKeyDoesNotLeak(t *testing.T) {
	// echo answers with the key in every field that the client knows.
	echo := func(status int) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if key != testKey {
				return nil, errors.New("no key in the request")
			}
			body := strings.ReplaceAll(`{"key":"K","errorKey":"e K","errorDetail":"K","code":"K","message":"no, K","error":"K",
				"context":{"domain":"K","message":"K","reason":{"key":"K"},
				"fieldViolations":[{"field":"K","violations":[{"key":"K"}]}],"errorCodes":[{"code":"K","message":"K","link":"K"}]},
				"errors":[{"code":"K","title":"K","detail":"K"}],"data":[{"account_id":"K"}],"links":{"next":"http://K/"}}`, "K", key)
			for _, known := range []string{"forbidden.action", "forbidden.unclaimedDomain", "fieldConstraintsViolated"} {
				if r.URL.Query().Get("case") == known {
					body = strings.Replace(body, `"key":"`+key, `"key":"`+known, 1)
				}
			}
			header := http.Header{"Location": {"http://" + key + ".example/"}}
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}
	}
	fails := map[string]roundTrip{
		"transport quotes the request": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("bad header %q", r.Header.Get("Authorization"))
		},
		"no JSON": func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.Header.Get("Authorization"))), Request: r,
			}, nil
		},
		"wrong types": func(r *http.Request) (*http.Response, error) {
			body := `{"account":"` + testKey + `","data":"` + testKey + `"}`
			return &http.Response{
				StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
			}, nil
		},
	}
	for _, status := range []int{302, 400, 401, 403, 404, 408, 409, 415, 429, 500, 503} {
		fails[strconv.Itoa(status)] = echo(status)
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				c, err := atlassian.New(atlassian.Config{
					OrgID: testOrg, Key: func() string { return testKey }, HTTP: &http.Client{Transport: fail}, Pace: fast,
					Log: zerolog.New(log),
				})
				if err != nil {
					t.Fatal(err)
				}
				for i, err := range every(t, c) {
					text := fmt.Sprintf("%v", err)
					if r, ok := errors.AsType[*workflow.Refusal](err); ok {
						text += r.Reason.Words() + strings.Join(r.Reason.Facts, " ")
					}
					if e, ok := errors.AsType[*atlassian.Error](err); ok {
						text += e.Key + e.ReasonKey + e.Domain + e.Message + fmt.Sprint(e.Violations, e.Lifecycle)
					}
					if strings.Contains(text, testKey) {
						t.Errorf("call %d: the error holds the key: %s", i, text)
					}
				}
				if log.String() == "" || strings.Contains(log.String(), testKey) {
					t.Errorf("the log is empty or holds the key:\n%s", log)
				}
			})
		})
	}
}

// A key that cannot be sent counts as refused, without a call; it is not quoted either.
func TestKeyThatCannotBeSent(t *testing.T) {
	t.Parallel()
	var key string
	c, log := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("a call arrived") },
		func(c *atlassian.Config) { c.Key = func() string { return key } })
	for _, bad := range []string{"", testKey + "\nX-Other: 1", testKey + " ", testKey + "é"} {
		key = bad
		write := c.Enable(t.Context(), "a")
		_, read := c.Domains(t.Context())
		if atlassian.KindOf(write) != atlassian.KindKeyRefused || atlassian.KindOf(read) != atlassian.KindKeyRefused {
			t.Errorf("got %v and %v, want the key refused", write, read)
		}
		if strings.Contains(fmt.Sprint(write, read, log), testKey) {
			t.Errorf("the key leaks: %v %v %s", write, read, log)
		}
	}
}
