package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// One thing is told of as one, several as several.
func TestWordsOfOneAndOfSeveral(t *testing.T) {
	doubts := make([]Doubt, explainedShown+2)
	for i := range doubts {
		doubts[i].Name, doubts[i].By, doubts[i].Field = "Ada", "key: bot", workflow.FieldEmail
		doubts[i].Until = time.Date(2026, 11, 29, 23, 30, 0, 0, time.UTC)
	}
	last := func(list []string) string { return list[len(list)-1] }
	berlin := time.FixedZone("", 3600)
	for what, each := range map[string][2]string{
		"alarm of one":       {alarmWords(1, 0), "1 change has no explanation. The limit is 0."},
		"alarm of several":   {alarmWords(2100, 20), "2,100 changes have no explanation. The limit is 20."},
		"look at one":        {changesLook(Figures{FigureChanges: 1}, nil, between{}), "1 change did not go through countersign; Atlassian's log tells who made it."},
		"look at several":    {changesLook(Figures{FigureChanges: 2}, nil, between{}), "2 changes did not go through countersign; Atlassian's log tells who made them."},
		"known now":          {explainedWords(doubts[:1], berlin)[0], "Now known: Ada, address, night of Mon 30 Nov: key: bot."},
		"one more known":     {last(explainedWords(doubts[:explainedShown+1], nil)), "1 more is known now."},
		"several more known": {last(explainedWords(doubts, nil)), "2 more are known now."},
		"seats freed":        {freedByWords(map[int64]int{4200: 1200, 7: 1}, 2100), "1 by #7, 1,200 by #4200, 2,100 not by countersign"},
		"idle for long":      {idleLook(Figures{FigureIdle: 1, FigureIdleBillable: 1, figureIdleDays: 1000}, Prices{}), "1 person has not been active for 1,000 days and is billed."},
		"several idle":       {idleLook(Figures{FigureIdle: 9, FigureIdleBillable: 2100, figureIdleDays: 1000}, Prices{}), "2,100 people have not been active for 1,000 days and are billed."},
		"idle, not billed":   {idleLook(Figures{FigureIdle: 1, figureIdleDays: 1000}, Prices{}), "Nobody who has been inactive for 1,000 days is billed."},
		"nobody idle":        {idleLook(Figures{figureIdleDays: 1000}, Prices{}), "Nobody has been inactive for 1,000 days."},
	} {
		if each[0] != each[1] {
			t.Errorf("%s: %q, want %q", what, each[0], each[1])
		}
	}
	if n := len(explainedWords(doubts[:explainedShown], nil)); n != explainedShown {
		t.Errorf("%d sentences of %d doubts", n, explainedShown)
	}
	if names := slices.Collect(func(yield func(string) bool) {
		for _, h := range changesHeadline(Figures{FigureChanges: 1, FigureUnexplained: 1}, nil) {
			if !yield(h.One) {
				return
			}
		}
	}); !slices.Equal(names, []string{"change", "not by countersign"}) {
		t.Errorf("the headline of one: %q", names)
	}
}

// A message names the marked accounts, whether its table has them or not; where they are too many to be
// named it counts the others.
func TestMarkedNames(t *testing.T) {
	t.Parallel()
	idle := []Idle{{Mark: workflow.MarkAdmin}, {Mark: workflow.MarkProtected}, {Mark: workflow.MarkOrgAdmin}}
	idle[0].Name, idle[1].Email, idle[2].ID = "Ada", "bob@a.example", "712020:0003"
	if got := markedNames(idle); got != "Marked: Ada (admin), bob@a.example (protected), 712020:0003 (organisation admin)." {
		t.Error(got)
	}
	for range 1500 {
		idle = append(idle, idle[0])
	}
	got := markedNames(idle)
	named := strings.Count(got, "(")
	if want := fmt.Sprintf(", and %s more.", workflow.Number(len(idle)-named)); !strings.HasSuffix(got, want) || named < 20 || len(got) > 500 {
		t.Errorf("%d named, want %q at its end: %q", named, want, got)
	}
	idle[0].Name = strings.Repeat("é", 1000)
	if got := markedNames(idle[:2]); got != "Marked: "+strings.Repeat("é", markedName-1)+"… (admin), bob@a.example (protected)." {
		t.Errorf("one long name: %q", got)
	}
}
