package sqlite

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
)

func TestSchemaKnowsTheStatesOfRuns(t *testing.T) {
	raw, err := migrations.ReadFile("migrations/00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`state        TEXT NOT NULL CHECK \(state IN \(([^)]*)\)`).FindSubmatch(raw)
	if list == nil {
		t.Fatal("no CHECK")
	}
	var got []string
	for _, m := range regexp.MustCompile(`'([a-z]*)'`).FindAllSubmatch(list[1], -1) {
		got = append(got, string(m[1]))
	}
	want := asText(report.RunStates())
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Go +SQL)\n%s", diff)
	}
}
