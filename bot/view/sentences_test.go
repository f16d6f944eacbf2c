package view

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// plodding are phrases of sentences that have to be read twice. The present tense, the name, then
// what to press is what people read.
var plodding = regexp.MustCompile(`\b(of it\b|(?:just|by) now|such as it was|is to happen|leads? back|put right|looked? at again|has to\b|unless somebody decides|[Ww]hoever runs me|is too much|not known yet|mind:|got lost|twice in the request|asked for anew)`)

// miscounted are nouns in the wrong number.
var miscounted = regexp.MustCompile(`(?:^|[^,\d.])(?:1 (?:accounts|admins|approvals|changes|lines|messages|people|requests|rows)\b|` +
	`(?:[2-9]|\d\d+) (?:account|admin|approval|change|line|message|person|request|row)\b)`)

// TestSentences prints every sentence that people read in Slack and in results, one a line by where it
// comes from, for somebody who goes through them (-v): those of the golden files, of errors, stops,
// side effects, reasons and acts.
func TestSentences(t *testing.T) {
	said := sentences(t)
	for _, from := range slices.Sorted(maps.Keys(said)) {
		for _, s := range said[from] {
			t.Logf("%-28s %s", from, s)
			for _, not := range []*regexp.Regexp{plodding, miscounted} {
				if bad := not.FindString(s); bad != "" {
					t.Errorf("%s says %q: %s", from, bad, s)
				}
			}
		}
	}
	if n := len(said); n < 100 {
		t.Errorf("only %d places", n)
	}
}

// Every sentence that stands in the source of what people read keeps to the same, also those that no
// golden file has.
func TestSentencesInTheSource(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "../*.go", "../command/*.go", "../deliver/*.go", "../people/*.go", "../../workflow/*.go", "../../workflow/*/*.go", "../../report/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if seen++; plodding.MatchString(literal.Value) {
					t.Errorf("%s: %s", set.Position(literal.Pos()), literal.Value)
				}
			}
			return true
		})
	}
	if seen < 2_000 {
		t.Errorf("only %d texts", seen)
	}
}

func sentences(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, kind := range kinds() {
		words, _ := Words(kind, "/countersign", "S0ITADMINS")
		out["error "+name] = []string{words}
	}
	for cause := range stopCauses() {
		for _, note := range append(stops()[cause], "") {
			out["stop "+string(cause)] = append(out["stop "+string(cause)], stopWords(workflow.Stop{Cause: cause, Note: note, Rows: []int{4, 9}}))
		}
	}
	for _, e := range effectViews() {
		out["effect "+string(e.effect)] = []string{effectWords(e.effect, 1), effectWords(e.effect, 12)}
	}
	for _, name := range action.Names() {
		title := titleOf(name)
		for _, words := range []string{title.Does, title.Done} {
			out["title "+string(name)] = append(out["title "+string(name)], said(words, "39 accounts", "jira-users"))
		}
	}
	for _, name := range reasonCodes(t) {
		code := workflow.ReasonCode(name)
		out["reason "+name] = []string{code.Cause() + ": " + sentence(workflow.NewReason(code, "{0}", "{1}", "{2}", "{3}").Words()) + " → " + code.Remedy()}
	}
	for act, view := range actViews() {
		out["act "+string(act)] = []string{view.Label + ". #42: " + view.Done + ". You cannot " + view.Verb + " #42."}
	}
	files, err := filepath.Glob("testdata/blocks/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		eachText(m, func(_, text string) {
			for line := range strings.SplitSeq(text, "\n") {
				if from := "message " + filepath.Base(file); !slices.Contains(out[from], line) {
					out[from] = append(out[from], line)
				}
			}
		})
	}
	return out
}

// reasonCodes are the codes of all reasons, as the golden file of their words names them.
func reasonCodes(t *testing.T) (codes []string) {
	t.Helper()
	raw, err := os.ReadFile("../../workflow/testdata/reasons.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)$`).FindAllStringSubmatch(string(raw), -1) {
		codes = append(codes, m[1])
	}
	if len(codes) < 50 {
		t.Fatalf("only %d reasons", len(codes))
	}
	return codes
}
