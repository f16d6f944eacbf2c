package report

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

func sequence(members []workflow.Member, end error) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for _, m := range members {
			if !yield(m, nil) {
				return
			}
		}
		if end != nil {
			yield(workflow.Member{}, end)
		}
	}
}

func member(id, name string, status workflow.AccountStatus, products ...workflow.Product) workflow.Member {
	return workflow.Member{
		Account: workflow.Account{
			ID: id, Name: name, Email: name + "@example.com", Type: "atlassian", Status: status, Managed: true,
		},
		Billable: status == workflow.StatusActive, LastActive: "2026-11-22", Products: products,
	}
}

func TestWriteAccounts(t *testing.T) {
	const site = "https://example.atlassian.net"
	jira := workflow.Product{Key: "jira-software", Name: "Jira", URL: site, LastActive: "2026-11-20"}
	wiki := workflow.Product{Key: "confluence", Name: "Confluence", URL: site}
	other := jira
	other.URL, other.LastActive = "https://another.atlassian.net/x", "2025-01-02"
	bare := workflow.Product{Key: "trello"}
	never := member("3", "=cmd()", workflow.StatusInactive, bare)
	never.LastActive, never.Email = "", ""
	members := []workflow.Member{
		member("712020:2", "zoë, \"Z\"", workflow.StatusActive, wiki, jira),
		member("1", "ann", workflow.StatusClosed, other),
		never,
	}
	want := strings.Join([]string{
		"\ufeffaccount_id,name,email,account_type,account_status,access_billable,last_active," +
			"Confluence (example.atlassian.net),Jira (another.atlassian.net),Jira (example.atlassian.net),trello",
		`712020:2,"zoë, ""Z""","zoë, ""Z""@example.com",atlassian,active,true,2026-11-22,yes,,2026-11-20,`,
		`1,ann,ann@example.com,atlassian,closed,false,2026-11-22,,2025-01-02,,`,
		`3,'=cmd(),,atlassian,inactive,false,,,,,yes`, "",
	}, "\r\n")
	products := []workflow.Product{bare, jira, wiki, other}
	var out bytes.Buffer
	if err := WriteAccounts(&out, products, sequence(members, nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	cut := errors.New("cut")
	if err := WriteAccounts(&out, products, sequence(members, cut)); !errors.Is(err, cut) {
		t.Errorf("%v, want the error of the sequence", err)
	}
	out.Reset()
	if err := WriteAccounts(&out, nil, sequence(nil, nil)); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("of nobody: %q, %v; want the header", out.String(), err)
	}
}
