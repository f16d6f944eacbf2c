package actiontest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow/action"
)

var (
	inOrg = regexp.MustCompile(`^/admin/v[12]/orgs/[^/]+`)
	inID  = regexp.MustCompile(`712020:[0-9]+|[0-9a-f]{8}-[0-9a-f-]{27}|token-[0-9]+`)
)

// How many calls a change takes, by class: those of the check, of which a batch of many needs fewer
// for each row, and those of the run. No action takes more than it aims at.
func TestCallsPerChange(t *testing.T) {
	var got strings.Builder
	for _, act := range action.Catalogue() {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			row, _ := e.row(act)
			e.org.ResetCalls()
			checked := len(e.site.Calls()) + len(e.scim.Calls())
			plan := e.check(row)
			checking, planning := e.callsByClass(checked)
			e.org.ResetCalls()
			checked = len(e.site.Calls()) + len(e.scim.Calls())
			e.allDone(e.run(plan))
			running, made := e.callsByClass(checked)
			if checking > act.Aim.Check || running > act.Aim.Run {
				t.Errorf("%s takes %d calls while it is checked and %d after approval, and aims at %+v", act.Name, checking, running, act.Aim)
			}
			fmt.Fprintf(&got, "%s\n  check:%s\n  run:%s\n", act.Name, planning, made)
		})
	}
	path := filepath.Join("testdata", "calls", "all.txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a test's data
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil { //nolint:gosec // a test's data
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

// callsByClass are the calls since the last ResetCalls, and at the other places after the first so
// many, counted by class.
func (e *env) callsByClass(elsewhere int) (total int, words string) {
	counts := map[string]int{}
	for _, c := range e.org.Calls() {
		class := c.Method + " " + inID.ReplaceAllString(inOrg.ReplaceAllString(c.Path, ""), "{}")
		counts[class]++
		total++
	}
	for _, c := range slices.Concat(e.site.Calls(), e.scim.Calls())[elsewhere:] { // of each action at one of the two
		counts[c.Method+" "+inID.ReplaceAllString(c.Path, "{}")]++
		total++
	}
	out := fmt.Sprintf(" %d", total)
	for _, class := range slices.Sorted(maps.Keys(counts)) {
		out += fmt.Sprintf("\n    %d %s", counts[class], class)
	}
	return total, out
}
