package bot

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// night is a directory of one night.
type night []workflow.Member

func (night) ListSnapshots(context.Context, report.SnapshotQuery) ([]report.Snapshot, error) {
	return []report.Snapshot{{ID: 1}}, nil
}

func (n night) SnapshotMembers(context.Context, int64) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for _, m := range n {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// A name is found as it is typed: in any case, with its letters composed or apart, and without accents.
func TestSearchFoldsNames(t *testing.T) {
	t.Parallel()
	people := night{}
	for _, name := range []string{"Ada Lang", "ΟΔΥΣΣΕΥΣ Παππας", "Zoë Müller", "Jos\u0065\u0301 Ruiz", "İpek Şahin", "Søren Kjær", "\uff2aohn Wide", "Straße Groß"} {
		people = append(people, workflow.Member{Account: workflow.Account{ID: name, Name: name, Email: "mail@old.example"}})
	}
	people[0].Email = "Ada.Lang@Old.example"
	var n nightSearch
	if err := n.refresh(t.Context(), people); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"ada": "Ada Lang", "LANG ada": "Ada Lang", "ada.lang@OLD": "Ada Lang",
		"οδυσσευς": "ΟΔΥΣΣΕΥΣ Παππας", "Οδυσσεύς": "ΟΔΥΣΣΕΥΣ Παππας", "ΠΑΠΠΑΣ": "ΟΔΥΣΣΕΥΣ Παππας",
		"zoe": "Zoë Müller", "ZOË": "Zoë Müller", "muller": "Zoë Müller", "Mu\u0308ller": "Zoë Müller",
		"josé": "Jos\u0065\u0301 Ruiz", "jose ruiz": "Jos\u0065\u0301 Ruiz",
		"sahin": "İpek Şahin", "soren": "Søren Kjær", "kjaer": "Søren Kjær", "john": "\uff2aohn Wide",
		"STRASSE": "Straße Groß", "gross": "Straße Groß",
	} {
		hits, ok := n.found(typed, hitsMost)
		if !ok || len(hits) != 1 || hits[0].name != want {
			t.Errorf("%s: %v, want %s", typed, slices.Collect(func(yield func(string) bool) {
				for _, h := range hits {
					yield(h.name)
				}
			}), want)
		}
	}
	if hits, _ := n.found("nobody", hitsMost); len(hits) > 0 {
		t.Errorf("%d fit nobody", len(hits))
	}
}
