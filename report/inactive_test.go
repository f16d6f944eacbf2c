package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

func TestFindIdle(t *testing.T) {
	t.Parallel()
	const site = "https://example.atlassian.net"
	jira := workflow.Product{Key: "jira-software", Name: "Jira", URL: site}
	other := workflow.Product{Key: "jira-software", Name: "Jira", URL: "https://other.atlassian.net"}
	wiki := workflow.Product{Key: "confluence", Name: "Confluence", URL: site}
	trello := workflow.Product{Key: "trello", Name: "Trello"}
	active := func(id, last string, products ...workflow.Product) workflow.Member {
		m := member(id, id, workflow.StatusActive, products...)
		m.LastActive = last
		return m
	}
	recent := wiki
	recent.LastActive = "2026-11-20T10:00:00Z"
	unbilled := active("unbilled", "2025-01-01", wiki)
	unbilled.Billable = false
	gone := member("deactivated", "gone", workflow.StatusInactive, jira)
	gone.LastActive = "2020-01-01"
	members := []workflow.Member{
		active("at the limit", "2026-08-31", trello),
		active("a day less", "2026-09-01", jira),
		active("unknown", "", jira),
		active("unreadable", "never", jira),
		active("active in one of two", "2026-01-01", jira, recent),
		active("dear", "2026-08-01T23:59:59Z", jira, other, wiki),
		active("cheap", "2026-06-01", wiki),
		active("cheap and longer", "2026-05-01", wiki),
		unbilled, gone,
	}
	prices := Prices{Currency: "EUR", Seats: map[string]Money{"jira-software": 815, "confluence": 575}}
	day := 20786 // 2026-11-29
	idle, figures, err := findIdle(sequence(members, nil), prices, day, 90)
	if err != nil {
		t.Fatal(err)
	}
	want := Figures{
		FigureIdle: 5, FigureIdleBillable: 4, FigureIdleCost: 2*815 + 3*575, FigureNoActivity: 2, figureIdleDay: day, figureIdleDays: 90,
	}
	if diff := cmp.Diff(want, figures); diff != "" {
		t.Errorf("figures (-want +got)\n%s", diff)
	}
	idle[0].Mark = workflow.MarkOrgAdmin
	var file bytes.Buffer
	if err := writeIdle(&file, idle); err != nil {
		t.Fatal(err)
	}
	rows := strings.Join([]string{
		"\ufeffaccount_id,name,email,last_active,days,products,billable,cost",
		"dear,dear,dear@example.com,2026-08-01T23:59:59Z,120,\"Jira (example.atlassian.net); Jira (other.atlassian.net); " +
			"Confluence (example.atlassian.net)\",true,22.05",
		"cheap and longer,cheap and longer,cheap and longer@example.com,2026-05-01,212,Confluence (example.atlassian.net),true,5.75",
		"cheap,cheap,cheap@example.com,2026-06-01,181,Confluence (example.atlassian.net),true,5.75",
		"at the limit,at the limit,at the limit@example.com,2026-08-31,90,Trello,true,",
		"unbilled,unbilled,unbilled@example.com,2025-01-01,697,Confluence (example.atlassian.net),false,", "",
	}, "\r\n")
	if diff := cmp.Diff(rows, file.String()); diff != "" {
		t.Errorf("file (-want +got)\n%s", diff)
	}
	chart := Chart{
		Title: "Idle seats, EUR a month", Kind: Bars,
		Categories: []string{"example: Confluence", "example: Jira", "other: Jira"},
		Series:     []Series{{Name: "EUR a month", Values: []float64{17.25, 8.15, 8.15}}},
	}
	if diff := cmp.Diff(&chart, idleChart(idle, prices)); diff != "" {
		t.Errorf("chart (-want +got)\n%s", diff)
	}
	if got := idleLook(figures, prices); got != "4 people have not been active for 90 days and are billed (about €34 a month, €403 a year)." {
		t.Error(got)
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Money{"8.15": 815, "8.1": 810, "8": 800, "0": 0, "1234567.89": 123456789} {
		if got, err := ParseMoney(text); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".5", "8.", "8.155", "8,15", "-1", "+1", "1e3", "12345678", " 8", "8.1x"} {
		if got, err := ParseMoney(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
	for m, want := range map[Money]string{815: "8.15 CHF", 1000: "10 CHF", 123450: "1,235 CHF", 123449: "1,234 CHF"} {
		if got := (Prices{Currency: "CHF"}).Words(m); got != want {
			t.Errorf("%d: %s, want %s", m, got, want)
		}
	}
}

// A chart is drawn as the same bytes each time, and what has nothing to draw, or too much, is none.
func TestChart(t *testing.T) {
	t.Parallel()
	c := &Chart{Title: "Accounts", Kind: Lines, Categories: []string{"1 Nov", "2 Nov", "3 Nov"}, Series: []Series{
		{Name: "active", Values: []float64{820, 825, 830}}, {Name: "billable", Values: []float64{0, 1.5, 1}},
	}}
	if got := c.Alt(); got != "Accounts: active 1 Nov 820, 3 Nov 830; billable 1 Nov 0, 3 Nov 1" {
		t.Error(got)
	}
	for _, kind := range []ChartKind{Lines, Bars} {
		c.Kind = kind
		first, err := c.PNG()
		if err != nil || !bytes.HasPrefix(first, []byte("\x89PNG")) {
			t.Fatalf("%s: %.8q, %v", kind, first, err)
		}
		if again, err := c.PNG(); err != nil || !bytes.Equal(first, again) {
			t.Errorf("%s is drawn otherwise the second time, %v", kind, err)
		}
	}
	if base := c.values().Min; base == nil || *base != 0 {
		t.Error("the baseline is not zero")
	}
	for name, wrong := range map[string]*Chart{
		"nothing": nil, "no points": {Series: c.Series}, "twice": {Categories: []string{"a", "a"}, Series: []Series{{Values: []float64{1, 2}}}},
		"too short": {Categories: []string{"a", "b"}, Series: []Series{{Values: []float64{1}}}},
	} {
		if wrong.Valid() {
			t.Errorf("%s can be drawn", name)
		}
	}
}
