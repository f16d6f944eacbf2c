package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// A search shows what would change something, and says when there may be more.
func TestFoundSaysWhatHelps(t *testing.T) {
	var many []workflow.Found
	for i := range 10 {
		f := workflow.Found{
			Account:    workflow.Account{ID: fmt.Sprint(i), Email: "a@x.example", Status: workflow.StatusActive, Managed: true},
			Privileges: map[workflow.ActionName]workflow.Privilege{},
		}
		for _, name := range action.Names() {
			f.Privileges[name] = workflow.Privilege{Allowed: true}
		}
		many = append(many, f)
	}
	all := func(accounts []workflow.Found) string {
		var out []string
		for _, b := range Found("a", accounts).Blocks {
			if s, ok := b.(*slack.SectionBlock); ok {
				out = append(out, s.Text.Text)
			}
		}
		return strings.Join(out, "\n")
	}
	got := all(many)
	if !strings.Contains(got, "*The first 8 accounts* for “a”; look for something longer") {
		t.Errorf("ten accounts: %s", got)
	}
	if got = all(many[:1]); !strings.Contains(got, ", deactivate,") || strings.Contains(got, " activate") {
		t.Errorf("an active account: %s", got)
	}
	many[0].Account.Status = workflow.StatusInactive
	if got = all(many[:1]); !strings.Contains(got, ", activate,") || strings.Contains(got, "deactivate") {
		t.Errorf("a deactivated account: %s", got)
	}
}

func FuzzParseChoice(f *testing.F) {
	f.Add("deactivate F1 U1 1.0")
	f.Fuzz(func(t *testing.T, value string) {
		if c, ok := ParseChoice(value); ok && c.String() != value {
			t.Errorf("%q is read as %+v and written as %q", value, c, c.String())
		}
	})
}

func TestIneligiblePeopleHaveTheirOwnSentence(t *testing.T) {
	kinds := []workflow.Ineligible{workflow.Deactivated, workflow.Guest, workflow.NotAPerson, workflow.OtherOrg, workflow.SharedPlace, workflow.WithoutRole, workflow.NotCheckable}
	var seen []string
	for _, kind := range kinds {
		text, ok := Words(&workflow.IneligibleError{Kind: kind}, "/countersign")
		if !ok || slices.Contains(seen, text) {
			t.Errorf("%s has no sentence of its own: %q", kind, text)
		}
		seen = append(seen, text)
	}
}

// What has many lines is cut at none of them: help names every command, a list every entry.
func TestLongAnswersAreWhole(t *testing.T) {
	shown := func(m slackapi.Message) (all []string) {
		for _, b := range m.Blocks {
			if s, ok := b.(*slack.SectionBlock); ok {
				if n := len([]rune(s.Text.Text)); n > maxSection {
					t.Errorf("a section has %d letters", n)
				}
				all = append(all, strings.Split(s.Text.Text, "\n")...)
			}
		}
		return all
	}
	var help []HelpLine
	for i := range 50 {
		name := fmt.Sprintf("command %d", i)
		help = append(help, HelpLine{Name: name, Usage: name + " <user>…", Does: strings.Repeat("what it does & ", 5), Supported: true})
	}
	lines := shown(Help("/countersign", help))
	for _, c := range help {
		want := fmt.Sprintf("`%s` %s", escape("/countersign "+c.Usage), escape(c.Does))
		if !slices.Contains(lines, want) {
			t.Errorf("help does not have the line %s", want)
		}
	}
	var list []string
	for i := range 40 {
		list = append(list, fmt.Sprintf("%d %s", i, strings.Repeat("ä", lineText)))
	}
	if got := shown(Said(strings.Join(list, "\n"))); !slices.Equal(got, list) {
		t.Errorf("of %d lines there are %d: %v", len(list), len(got), got)
	}
}
