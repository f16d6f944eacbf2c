package atlassian_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// FuzzAnswer: whatever the other side answers, every call ends, with an error that is one line of
// letters or with what it read; the key goes nowhere else.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"data":[{"account_id":"a","email":"A@b.example"}],"links":{"next":"http://atlassian.test/x?cursor=1"}}`, "", "")
	f.Add(200, `{"data":[{"accountId":"a"}],"links":{"next":"http://evil.example/"}}`, "3", "2026-11-24T09:00Z")
	f.Add(403, `{"key":"forbidden.action","context":{"reason":{"key":"externalDirectory.scim"}}}`, "", "")
	f.Add(400, "{\"key\":\"fieldConstraintsViolated\",\"context\":{\"fieldViolations\":[{\"field\":\"\u202e\\n\"}]}}", "NaN", "1e99")
	f.Add(429, "", "-1", "9999999999")
	f.Add(503, "<html>", "Tue, 24 Nov 2099 09:00:00 GMT", "x")
	f.Add(200, `{"data":[],"links":{"next":"NEXT"}}`, "900", "")
	f.Add(429, `{}`, "5400", "")
	f.Fuzz(func(t *testing.T, status int, body, retry, reset string) {
		if status < 200 || status > 599 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			ours, err := url.Parse("http://atlassian.test")
			if err != nil {
				t.Fatal(err)
			}
			calls := 0
			c, err := atlassian.New(atlassian.Config{
				BaseURL: ours.String(), OrgID: testOrg, Key: func() string { return testKey }, Pace: fast, Log: zerolog.Nop(),
				HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host != ours.Host {
						t.Errorf("a call went to %s", r.URL.Host)
					}
					calls++
					body := strings.Replace(body, "NEXT", strconv.Itoa(calls), 1) // pages that never end
					if err := sleep(r.Context(), time.Second); err != nil {
						return nil, err
					}
					header := http.Header{"Retry-After": {retry}, "X-Ratelimit-Reset": {reset}, "X-Ratelimit-Remaining": {retry}}
					return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
				})},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			begin := time.Now()
			for _, err := range every(t, c) {
				if err == nil {
					continue
				}
				said := err.Error()
				if r, ok := errors.AsType[*workflow.Refusal](err); ok {
					said += r.Reason.Words()
				}
				for _, letter := range said {
					if !unicode.IsPrint(letter) {
						t.Errorf("%q has %U", said, letter)
					}
				}
			}
			if took := time.Since(begin); took > 6*time.Hour {
				t.Errorf("it took %s", took)
			}
		})
	})
}
