package main

import (
	"go/ast"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// namedTest is a test as docs/security.md names it: `workflow/TestWhoMayDecide`, or `TestEvidence` for one of the root.
var namedTest = regexp.MustCompile("`((?:[a-z]+/)*(?:Test|Fuzz)[A-Z]\\w*)`")

// TestSecurityNamesTests: every test that docs/security.md names is there, and every fuzz target is named.
func TestSecurityNamesTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				there[path.Join(s.dir, f.Name.Name)] = true
			}
		}
	}
	named := map[string]bool{}
	for _, m := range namedTest.FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
		if !there[m[1]] {
			t.Errorf("docs/security.md names %s, which is not there", m[1])
		}
	}
	if len(named) < 40 {
		t.Errorf("docs/security.md names only %d tests", len(named))
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if strings.HasPrefix(path.Base(name), "Fuzz") && !named[name] {
			t.Errorf("docs/security.md does not name %s", name)
		}
	}
}
