package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/countersign/countersign"

// layout says what the files of a folder (and of those below it) may import besides the standard library: packages of
// ours by folder, modules of others by path. Arrows point one way: workflow knows nobody, sandbox knows none of us.
var layout = map[string]struct{ ours, others []string }{
	".": {
		ours: []string{"atlassian", "bot", "report", "sandbox", "store", "workflow"},
		others: []string{
			"github.com/gorilla/websocket", "github.com/robfig/cron/v3", "github.com/rs/zerolog", "github.com/slack-go/slack",
			"github.com/spf13/cobra",
			"go.yaml.in/yaml/v4", "golang.org/x/sync", "golang.org/x/sys",
		},
	},
	"atlassian": {ours: []string{"workflow"}, others: []string{"github.com/rs/zerolog", "golang.org/x/time"}},
	"bot": {
		ours: []string{"report", "workflow"},
		others: []string{
			"github.com/gorilla/websocket", "github.com/rs/zerolog", "github.com/slack-go/slack",
			"golang.org/x/sync", "golang.org/x/time",
		},
	},
	"report":  {ours: []string{"workflow"}, others: []string{"github.com/robfig/cron/v3", "github.com/rs/zerolog"}},
	"sandbox": {ours: []string{"sandbox"}, others: []string{"github.com/gorilla/websocket"}},
	"store": {
		ours:   []string{"report", "workflow"},
		others: []string{"github.com/pressly/goose/v3", "github.com/rs/zerolog", "modernc.org/sqlite"},
	},
	"workflow": {others: []string{"github.com/rs/zerolog", "golang.org/x/net", "golang.org/x/sync", "golang.org/x/text"}},
}

// testModules are for tests alone.
var testModules = []string{
	"github.com/chromedp", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "pgregory.net/rapid",
}

// narrow are imports that only some files outside tests may have, each with the reason.
var narrow = []struct {
	imports string
	files   []string // globs
	why     string
}{
	{module + "/sandbox", []string{"demo*.go", "sandbox/*.go", "sandbox/*/*.go"}, "the product knows no demo"},
	{module + "/workflow", []string{"*.go", "atlassian/directory.go", "[brs]*/*.go"}, "the client is thin"},
	{"github.com/slack-go/slack", []string{"bot/*.go", "doctor*.go"}, "Slack is behind bot"},
	{"github.com/gorilla/websocket", []string{"bot/*.go", "doctor*.go", "sandbox/*/*.go"}, "Slack is behind bot"},
	{"database/sql", []string{"store/*.go"}, "all SQL is in store"},
	{"net/http", []string{"*.go", "atlassian/*.go", "bot/*.go", "sandbox/*.go", "sandbox/*/*.go"}, "network at the edges"},
}

// source is one parsed Go file.
type source struct {
	name string // with its folder, from the root
	dir  string // "." for the root
	test bool
	file *ast.File
	set  *token.FileSet
}

// sources are all Go files of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), file, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// imports are the paths that the file imports.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, imported)
		}
	}
	return paths
}

// within says that the import is the module or package, or one below it.
func within(imported, of string) bool { return imported == of || strings.HasPrefix(imported, of+"/") }

// mayImport says whether the layout allows the import. Tests may besides use their own package from outside, the sandbox
// and the real store; those of the sandbox stay with the sandbox, so that a wrong field name cannot pass on both sides.
func mayImport(s source, imported string) bool {
	top, _, _ := strings.Cut(s.dir, "/")
	allowed, ours := layout[top], slices.Clone(layout[top].ours)
	if s.test && top != "sandbox" {
		ours = append(ours, top, "sandbox", "store")
	}
	belongs := func(to string) bool { return within(imported, to) }
	if name, own := strings.CutPrefix(imported, module+"/"); own {
		return slices.ContainsFunc(ours, func(to string) bool { return within(name, to) })
	}
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") || // the standard library
		slices.ContainsFunc(allowed.others, belongs) ||
		s.test && slices.ContainsFunc(slices.Concat(testModules, layout["store"].others, layout["."].others), belongs)
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if top, _, _ := strings.Cut(s.dir, "/"); layout[top].others == nil {
			t.Errorf("%s: folder %s is not in the layout", s.name, top)
			continue
		}
		for _, imported := range s.imports() {
			if !mayImport(s, imported) {
				t.Errorf("%s imports %s, which the layout does not allow there", s.name, imported)
			}
		}
	}
}

func TestNarrowImports(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			for _, rule := range narrow {
				matches := func(glob string) bool {
					ok, err := path.Match(glob, s.name)
					return err == nil && ok
				}
				if !s.test && within(imported, rule.imports) && !slices.ContainsFunc(rule.files, matches) {
					t.Errorf("%s imports %s: %s; allowed in %s", s.name, imported, rule.why, strings.Join(rule.files, ", "))
				}
			}
		}
	}
}

// TestPackagesSayWhatTheyAreFor: each package has one comment, in one file.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	const shortest = 80             // letters; a name and a verb are no help to a newcomer
	docs := make(map[string]string) // of all files together, for each folder
	comments := make(map[string]int)
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		docs[s.dir] += s.file.Doc.Text()
		if s.file.Doc != nil {
			comments[s.dir]++
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(docs)) {
		if comments[dir] != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, comments[dir])
		} else if len([]rune(docs[dir])) < shortest {
			t.Errorf("%s: the package comment says too little: %q", dir, docs[dir])
		}
	}
}

// statement is how text of SQL begins, which this code writes in capitals.
var statement = regexp.MustCompile(
	`^\s*(SELECT\s.*\sFROM\s|INSERT (OR \w+ )?INTO\s|UPDATE \w+\s+SET\s|DELETE FROM\s|CREATE (TABLE|INDEX|TRIGGER)\s|PRAGMA\s)`)

func TestSQLIsInStore(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.dir == "store" {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err == nil && statement.MatchString(strings.ReplaceAll(text, "\n", " ")) {
				t.Errorf("%s: SQL outside store: %.60q", s.set.Position(literal.Pos()), text)
			}
			return true
		})
	}
}

// blockType is a name of slack-go that draws: NewSectionBlock, ActionBlock; not the interface Block.
var blockType = regexp.MustCompile(`^New\w*Block\w*$|^\w+Block$`)

func TestBlocksAreDrawnInOnePlace(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.dir != "bot" || strings.HasPrefix(path.Base(s.name), "blocks") {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "slack" && blockType.MatchString(selector.Sel.Name) {
				t.Errorf("%s: slack.%s outside bot/blocks*.go", s.set.Position(selector.Pos()), selector.Sel.Name)
			}
			return true
		})
	}
}

// TestLibcIsTheDriversOwn: modernc.org/sqlite is generated against one version of modernc.org/libc, and breaks with
// another, which `go get -u` or goose would bring.
func TestLibcIsTheDriversOwn(t *testing.T) {
	t.Parallel()
	list := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-m", "-json"}, args...)...)
		cmd.Env = append(cmd.Environ(), "GOPROXY=off")
		text, err := cmd.Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var sqlite, libc struct{ Version, GoMod string }
	for name, to := range map[string]any{"modernc.org/sqlite": &sqlite, "modernc.org/libc": &libc} {
		if err := json.Unmarshal(list(name), to); err != nil {
			t.Fatal(err)
		}
	}
	var driver struct {
		Require []struct{ Path, Version string }
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", sqlite.GoMod)
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &driver); err != nil {
		t.Fatal(err)
	}
	for _, required := range driver.Require {
		if required.Path == "modernc.org/libc" && required.Version != libc.Version {
			t.Errorf("modernc.org/libc is %s; modernc.org/sqlite %s wants %s", libc.Version, sqlite.Version, required.Version)
		}
	}
	if len(driver.Require) == 0 {
		t.Error("modernc.org/sqlite requires nothing; is its go.mod read right?")
	}
}
