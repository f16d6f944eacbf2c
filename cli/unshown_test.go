package cli

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// hiding is a directory, and a Slack, where account 7 is found for every address and not shown.
type hiding struct {
	workflow.Directory
	workflow.People
}

func (hiding) ByAddress(_ context.Context, addresses []string) (map[string][]workflow.Account, error) {
	return nil, &workflow.Unshown{Holders: map[string]string{workflow.AddressKey(addresses[0]): "7"}}
}

func (hiding) Standing(_ context.Context, id string, _ bool, _ workflow.LogicalTime) (workflow.Actor, error) {
	return workflow.Actor{Person: workflow.Person{ID: id}, Admin: true}, nil
}

func (hiding) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"data":[{"accountId":"7"},{"accountId":"8","email":"bob@example.com"}]}`
	status := http.StatusOK
	if strings.HasSuffix(r.URL.Path, "/profile") {
		status, body = http.StatusNotFound, `{"key":"accountNotFound"}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// A request about an account that is found and not shown is blocked, as its row would be.
func TestAPolicyLineWhoseHolderIsNotShown(t *testing.T) {
	rename, _ := action.For(workflow.Rename)
	j := &judge{cfg: &settings.Config{}, people: hiding{}, directory: hiding{}}
	got, err := j.judge(t.Context(), policyLine{who: "U1", action: rename, count: 1, accounts: []string{"ann@example.com"}})
	if err != nil || !got.blocked || !strings.Contains(got.why, "account 7") {
		t.Errorf("got %+v, %v", got, err)
	}
}

// The doctor counts whom the other entries cover.
func TestCoverageOfAHolderWhoIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := atlassian.New(atlassian.Config{
			BaseURL: "http://atlassian.test", OrgID: "org", Key: func() string { return "key" }, Log: zerolog.Nop(),
			HTTP: &http.Client{Transport: hiding{}},
		})
		if err != nil {
			t.Fatal(err)
		}
		d := &doctor{cfg: &settings.Config{Protect: []string{"ann@example.com", "bob@example.com"}}}
		coverage, unshown, err := d.coverage(t.Context(), atlassian.NewDirectory(client), d.guards())
		if err != nil || !unshown["ann@example.com"] {
			t.Fatalf("unshown are %v, %v", unshown, err)
		}
		if counts := coverage.Counts(); counts[1] != 1 {
			t.Errorf("the entries cover %v", counts)
		}
		client.Close()
	})
}
