package workflow_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// drawing returns the text of docs/states.md, made from the transition tables.
func drawing() string {
	var b strings.Builder
	b.WriteString("# The life of a batch and of a change\n\nMade from `workflow/state.go` by `go test ./workflow -run TestStates -update`.\n")
	draw := func(title string, edges []string) {
		b.WriteString("\n## " + title + "\n\n```mermaid\nstateDiagram-v2\n")
		for _, e := range edges {
			b.WriteString("    " + strings.Replace(e, "→", "-->", 1) + "\n")
		}
		b.WriteString("```\n")
	}
	draw("A batch", workflow.StateEdges())
	draw("A change", workflow.ChangeEdges())
	return b.String()
}

func TestStatesAreDrawnAsTheyAre(t *testing.T) {
	const path = "../docs/states.md"
	if *workflowtest.Updates {
		if err := os.WriteFile(path, []byte(drawing()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(drawing(), string(got)); diff != "" {
		t.Errorf("docs/states.md (-code +document):\n%s", diff)
	}
}

// No state is a dead end that should not be one, and none is out of reach.
func TestEveryStateIsReachable(t *testing.T) {
	reached := map[workflow.State]bool{workflow.Planning: true}
	for range workflow.States() {
		for _, from := range workflow.States() {
			for _, to := range workflow.States() {
				if reached[from] && from.CanBecome(to) {
					reached[to] = true
				}
			}
		}
	}
	for _, s := range workflow.States() {
		if !reached[s] {
			t.Errorf("%s cannot be reached", s)
		}
		leaves := false
		for _, to := range workflow.States() {
			leaves = leaves || s.CanBecome(to)
		}
		if s.Open() && !leaves {
			t.Errorf("%s is open and has no way out", s)
		}
	}
}

// The worked example of docs/digest.md is what the code computes, and what anybody can compute from
// the page.
func TestTheDigestIsAsDocumented(t *testing.T) {
	step := workflow.Step{
		Seq: 1, Row: 2, Action: workflow.Rename, AccountID: "712020:ada", Place: workflow.PlaceAccount,
		Expect: workflow.Of(workflow.FieldEmail, "ada@old.example").
			With(workflow.FieldStatus, string(workflow.StatusActive)),
		Set: workflow.Of(workflow.FieldEmail, "ada@new.example"),
	}
	batch := &workflow.Batch{
		Number: 42, OrgID: "11111111-2222-3333-4444-555555555555",
		BatchRequest: workflow.BatchRequest{
			Reason: "new name", Requester: workflow.Person{ID: "U0HANA"}, Author: workflow.Person{ID: "U0HANA"},
		},
	}
	page, err := os.ReadFile("../docs/digest.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```")
	if len(blocks) < 10 {
		t.Fatalf("docs/digest.md has %d code blocks, want 5", len(blocks)/2)
	}
	text := func(i int) string { return strings.TrimSpace(strings.TrimPrefix(blocks[i], "json")) }
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	if got := step.Hash(); got != text(3) || got != sum(text(1)) {
		t.Errorf("hash of the step: code %s, page %s, recomputed from the page %s", got, text(3), sum(text(1)))
	}
	if got := workflow.PlanDigest(batch, []workflow.Step{step}); got != text(7) || got != sum(text(5)) {
		t.Errorf("digest: code %s, page %s, recomputed from the page %s", got, text(7), sum(text(5)))
	}
	if got := workflow.Seal(text(7)); got != text(9) || got != sealOf(t, text(7)) {
		t.Errorf("seal: code %s, page %s, recomputed %s", got, text(9), sealOf(t, text(7)))
	}
	if begin := "`" + text(7)[:15] + "`, are 60 bits"; !strings.Contains(blocks[10], begin) {
		t.Errorf("the page does not say %q", begin)
	}
	numbers := regexp.MustCompile(`for each word: (\d+), (\d+), (\d+), (\d+), (\d+) and (\d+)\.`).FindStringSubmatch(blocks[10])
	for i, word := range strings.Fields(text(9)) {
		if numbers == nil || words(t)[atoi(t, numbers[i+1])] != word {
			t.Errorf("word %d of the seal, %s, is not that of the line that the page names: %v", i+1, word, numbers)
		}
	}
}

func atoi(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > 1023 {
		t.Fatalf("%q is not the number of a line", digits)
	}
	return n
}

// Whatever of a step people approve is in its hash, and whatever of a batch is in the digest.
func TestTheDigestTellsPlansApart(t *testing.T) {
	base := workflow.Step{
		Row: 2, Action: workflow.Rename, AccountID: "a",
		Expect: workflow.Of(workflow.FieldEmail, "x@old.example"),
		Set:    workflow.Of(workflow.FieldEmail, "x@new.example"),
	}
	seen := map[string]string{base.Hash(): "the step itself"}
	for name, change := range map[string]func(*workflow.Step){
		"row":     func(s *workflow.Step) { s.Row = 3 },
		"action":  func(s *workflow.Step) { s.Action = workflow.Deactivate },
		"account": func(s *workflow.Step) { s.AccountID = "b" },
		"status": func(s *workflow.Step) {
			s.Expect = s.Expect.With(workflow.FieldStatus, string(workflow.StatusInactive))
		},
		"from":    func(s *workflow.Step) { s.Expect = s.Expect.With(workflow.FieldEmail, "y@old.example") },
		"to":      func(s *workflow.Step) { s.Set = s.Set.With(workflow.FieldEmail, "X@new.example") },
		"message": func(s *workflow.Step) { s.Set = s.Set.With(workflow.FieldMessage, "bye") },
		"group":   func(s *workflow.Step) { s.Set = s.Set.With(workflow.GroupField("g"), "in") },
		"place":   func(s *workflow.Step) { s.Place = workflow.PlaceSite },
		"site":    func(s *workflow.Step) { s.Site = "main" },
		"dir":     func(s *workflow.Step) { s.Directory = "d" },
		"at":      func(s *workflow.Step) { s.At = "2026-12-01T18:00:00Z" },
		"until":   func(s *workflow.Step) { s.Until = "+3600" },
	} {
		s := base
		change(&s)
		if other, twice := seen[s.Hash()]; twice {
			t.Errorf("a step with another %s has the hash of %s", name, other)
		}
		seen[s.Hash()] = name
	}
	digest := func(change func(*workflow.Batch), steps ...workflow.Step) string {
		b := &workflow.Batch{Number: 1, OrgID: "o", BatchRequest: workflow.BatchRequest{Reason: "r"}}
		change(b)
		return workflow.PlanDigest(b, steps)
	}
	same := digest(func(*workflow.Batch) {}, base)
	for name, other := range map[string]string{
		"number":    digest(func(b *workflow.Batch) { b.Number = 2 }, base),
		"org":       digest(func(b *workflow.Batch) { b.OrgID = "p" }, base),
		"reason":    digest(func(b *workflow.Batch) { b.Reason = "s" }, base),
		"requester": digest(func(b *workflow.Batch) { b.Requester.ID = "U1" }, base),
		"agent":     digest(func(b *workflow.Batch) { b.Agent = "helper" }, base),
		"author":    digest(func(b *workflow.Batch) { b.Author.ID = "U1" }, base),
		"steps":     digest(func(*workflow.Batch) {}, base, base),
	} {
		if other == same {
			t.Errorf("a plan with another %s has the same digest", name)
		}
	}
}
