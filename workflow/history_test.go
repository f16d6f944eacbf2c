package workflow

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A history names who did what, as far as Atlassian's log tells, and tells what our own batch did once.
func TestHappeningsNameWhoDidIt(t *testing.T) {
	night := func(n int) time.Time { return time.Date(2026, 11, n, 2, 0, 0, 0, time.UTC) }
	ada := LogActor{ID: "712020:ada", Name: "Ada Lang", Email: "ada@example.com"}
	bot := LogActor{ID: "k", Name: "API key", TokenID: "t", TokenLabel: "deploy-bot"}
	own := LogActor{ID: "k", Name: "API key", TokenID: "own", TokenLabel: "countersign"}
	seen := func(first, last int, name string, status AccountStatus) Sighting {
		return Sighting{Account: Account{ID: "1", Name: name, Email: "a@x.example", Status: status}, First: night(first), Last: night(last)}
	}
	nights := []Sighting{seen(20, 21, "Ada", StatusActive), seen(22, 23, "Ada Lang", StatusInactive), seen(24, 24, "Ada Lang", StatusActive)}
	nights[2].Before, nights[2].After = night(23), night(25)
	deed := Deed{Action: GroupAdd, Began: night(22).Add(5 * time.Hour), Ended: night(22).Add(5 * time.Hour), Batch: 7, Proved: true}
	event := func(day int, actor LogActor, toward Toward, group string, fits ...Field) Logged {
		return Logged{At: night(day).Add(5 * time.Hour), Actor: actor, Toward: toward, Group: group, Fits: fits}
	}
	trail := Trail{Own: Keys{"own": "countersign"}, Deeds: []Deed{deed}, Events: []Logged{
		event(21, ada, "", "", FieldName),
		event(22, own, TowardMore, "jira-users", FieldGroups),
		event(22, ada, TowardLess, "jira-admins", FieldGroups),
		event(24, bot, TowardLess, "", FieldGone),
	}}
	var got []string
	for _, h := range Happenings(nights, nil, trail) {
		got = append(got, fmt.Sprintf("%s %s %s %s: %s", h.At.Format("02"), h.Kind, h.Field, h.To, h.Who))
	}
	want := []string{
		"20 seen  : not by countersign",
		"22 changed status inactive: not by countersign",
		"22 changed name Ada Lang: person: Ada Lang",
		"22 group  jira-admins: person: Ada Lang",
		"24 changed status active: not by countersign",
		"25 gone  : key: deploy-bot",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// What was done while a night was being read, for however long, is what that night shows.
func TestHappeningsOfALongNight(t *testing.T) {
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	look := func(name string) Account {
		return Account{ID: "1", Name: name, Email: "a@x.example", Status: StatusActive}
	}
	nights := []Sighting{
		{Account: look("Ada"), First: at(20, 2), Last: at(20, 2), Read: at(20, 3), After: at(21, 2), AfterRead: at(21, 8)},
		{Account: look("Ada Lang"), First: at(21, 2), Last: at(21, 2), Read: at(21, 8), Before: at(20, 2), After: at(22, 2), AfterRead: at(22, 7)},
	}
	deploy := LogActor{ID: "k", Name: "API key", TokenID: "t", TokenLabel: "deploy-bot"}
	event := func(at time.Time, toward Toward, fits Field) Logged {
		return Logged{At: at, Actor: deploy, Toward: toward, Fits: []Field{fits}}
	}
	for _, test := range []struct {
		name string
		late time.Duration
		want []string
	}{
		{"while it was read", 0, []string{"Ada Lang: key: deploy-bot", ": key: deploy-bot"}},
		{"after it was read", 2 * time.Hour, []string{"Ada Lang: not by countersign", ": not by countersign"}},
	} {
		trail := Trail{Events: []Logged{
			event(at(21, 7).Add(test.late), "", FieldName), event(at(22, 6).Add(test.late), TowardLess, FieldGone),
		}}
		var got []string
		for _, h := range Happenings(nights, nil, trail)[1:] {
			got = append(got, h.To+": "+h.Who.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", test.name, diff)
		}
	}
	made := []Made{{Change: Change{Batch: 7, State: ChangeDone, Finished: at(21, 7)}}}
	made[0].Steps = []Step{{Action: SetName, Set: Of(FieldName, "Ada Lang")}}
	made[0].SetOutcome(0, StepOutcome{State: ChangeDone, Finished: at(21, 7)})
	told := 0
	for _, h := range Happenings(nights, made, Trail{}) {
		if h.Field == FieldName {
			told++
		}
	}
	if told != 1 {
		t.Errorf("what a batch did while a night was read is told %d times", told)
	}
}
