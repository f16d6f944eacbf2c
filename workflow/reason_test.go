package workflow_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// codes returns the constants of reason.go, read from its source so that none can be forgotten.
func codes(t *testing.T) []workflow.ReasonCode {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []workflow.ReasonCode
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			code, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, workflow.ReasonCode(code))
		}
		return true
	})
	if len(out) < 40 {
		t.Fatalf("found only the codes %q", out)
	}
	return out
}

// Every code has its entry in the table, and every entry its code.
func TestEveryCodeHasItsEntry(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(slices.Sorted(slices.Values(codes(t))), workflow.ReasonCodes()); diff != "" {
		t.Errorf("codes of reason.go and entries of the table (-codes +entries):\n%s", diff)
	}
}

// TestEveryReason holds cause, remedy and words of every reason, with and without each of its
// facts, to what they were: testdata/reasons.txt.
func TestEveryReason(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, code := range append(codes(t), "", "of_later_on") {
		fmt.Fprintf(&got, "%s\n  cause:  %s\n  remedy: %s\n", code, code.Cause(), code.Remedy())
		seen := ""
		for _, facts := range samples(code) {
			reason := workflow.NewReason(code, facts...)
			if words := fmt.Sprintf("  words:  %s\n", reason.Words()); words != seen {
				fmt.Fprintf(&got, "  facts:  %q\n%s", facts, words)
				seen = words
			}
			if reason.Cause() != code.Cause() {
				t.Errorf("%s %q: cause %q, that of its code is %q", code, facts, reason.Cause(), code.Cause())
			}
		}
	}
	workflowtest.SameAsFile(t, filepath.Join("testdata", "reasons.txt"), got.String())
}

// samples returns facts for a reason: all, each left out, and those whose value matters.
func samples(code workflow.ReasonCode) [][]string {
	const most = 4
	out := [][]string{nil}
	for set := range 1 << most {
		facts := make([]string, most)
		for i := range facts {
			if set&(1<<i) != 0 {
				facts[i] = fmt.Sprintf("{%d} <fact>", i)
			}
		}
		out = append(out, facts, facts[:2])
	}
	switch code {
	case workflow.ReasonNotAllowed:
		for _, action := range append(workflow.ActionNames(), "") {
			for _, key := range []string{
				"externalDirectory.scim", "externalDirectory.google", "authPolicy.saml", "administrative",
				"administrative.notMyself", "blocked.exportControl", "managedAccount", "myselfOnly", "", "of.later.on",
			} {
				out = append(out, []string{string(action), key})
			}
		}
	case workflow.ReasonTaken:
		for _, status := range []workflow.AccountStatus{workflow.StatusActive, workflow.StatusInactive, workflow.StatusClosed} {
			out = append(out, []string{"a@b.example", "acc-1", "Ann", string(status)})
		}
	case workflow.ReasonDayLimit:
		for _, whose := range []string{"requester", "all"} {
			out = append(out, []string{whose, "100", "99", "2"})
		}
	}
	return out
}
