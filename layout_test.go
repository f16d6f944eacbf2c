package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
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

// layout is what the files of each package may import besides the standard library: packages of ours by folder ("x/..." is
// x and everything below it; as a key: everything below), modules of others by path. Arrows point one way: workflow knows nobody, sandbox knows none of
// us. A package that is not in the table may not be made.
var layout = map[string]place{
	".":     {ours: []string{"cli"}},
	"agent": {ours: []string{"report", "workflow", "workflow/sheet"}, others: []string{"github.com/rs/zerolog"}},
	"atlassian": {
		ours:   []string{"atlassian/pace", "workflow", "workflow/action"},
		others: []string{"github.com/rs/zerolog", "golang.org/x/sync", "golang.org/x/time"},
	},
	"atlassian/pace": {others: []string{"github.com/rs/zerolog", "golang.org/x/time"}},
	"bot":            {ours: []string{"bot/...", "report", "workflow", "workflow/action", "workflow/sheet"}, others: slackModules},
	"bot/command":    {ours: []string{"bot/slackapi", "workflow", "workflow/action", "workflow/sheet"}, others: slackModules},
	"bot/deliver": {
		ours: []string{
			"bot/people", "bot/slackapi", "bot/view", "report", "workflow", "workflow/action", "workflow/sheet",
		},
		others: slackModules,
	},
	"bot/people":   {ours: []string{"bot/slackapi", "workflow", "workflow/action", "workflow/sheet"}, others: slackModules},
	"bot/slackapi": {others: slackModules},
	"bot/view":     {ours: []string{"bot/slackapi", "report", "workflow", "workflow/action", "workflow/sheet"}, others: slackModules},
	"cli": {
		ours: []string{
			"agent", "atlassian", "bot", "bot/command", "bot/slackapi", "report", "sandbox", "service", "settings", "store/...",
			"workflow/...",
		},
		others: slices.Concat(slackModules, []string{
			"github.com/spf13/cobra", "github.com/spf13/pflag", "go.yaml.in/yaml/v4", "golang.org/x/term",
		}),
	},
	"report": {
		ours:   []string{"workflow", "workflow/sheet"},
		others: []string{"github.com/go-analyze/charts", "github.com/robfig/cron/v3", "github.com/rs/zerolog"},
	},
	"sandbox":     {ours: []string{"sandbox/..."}, others: []string{"github.com/gorilla/websocket"}},
	"sandbox/...": {ours: []string{"sandbox/..."}, others: []string{"github.com/gorilla/websocket"}},
	"service": {
		ours: []string{
			"agent", "atlassian", "bot", "report", "settings", "store/...", "workflow", "workflow/action", "workflow/engine",
			"workflow/run",
		},
		others: []string{"github.com/rs/zerolog", "golang.org/x/sys"},
	},
	"settings": {
		ours:   []string{"report", "workflow", "workflow/action", "workflow/policy"},
		others: []string{"github.com/robfig/cron/v3", "go.yaml.in/yaml/v4"},
	},
	"simulation": {
		ours: []string{
			"agent", "atlassian/...", "bot/...", "cli", "report", "sandbox/...", "service", "settings", "store/...", "workflow/...",
		},
		others: []string{"github.com/rs/zerolog"},
	},
	"simulation/speed": {
		ours: []string{"atlassian/...", "sandbox/...", "service", "store/...", "workflow/..."}, others: []string{"github.com/rs/zerolog"},
	},
	"store":                 {ours: []string{"report", "workflow"}, others: []string{"github.com/rs/zerolog"}},
	"store/sqlite":          {ours: []string{"report", "store", "workflow"}, others: storeModules},
	"store/storetest":       {ours: []string{"report", "store", "workflow"}, others: suiteModules},
	"workflow":              {others: workflowModules},
	"workflow/action":       {ours: []string{"workflow"}, others: workflowModules},
	"workflow/engine":       {ours: []string{"workflow/..."}, others: workflowModules},
	"workflow/plan":         {ours: []string{"workflow", "workflow/action", "workflow/policy"}, others: workflowModules},
	"workflow/policy":       {ours: []string{"workflow"}, others: workflowModules},
	"workflow/run":          {ours: []string{"workflow", "workflow/action", "workflow/policy"}, others: workflowModules},
	"workflow/sheet":        {ours: []string{"workflow", "workflow/action"}, others: workflowModules},
	"workflow/workflowtest": {ours: []string{"workflow", "workflow/action"}, others: suiteModules},
	"workflow/action/actiontest": {
		ours:   []string{"atlassian/...", "sandbox/...", "workflow", "workflow/action", "workflow/plan", "workflow/run"},
		others: suiteModules,
	},
}

var (
	slackModules = []string{
		"github.com/gorilla/websocket", "github.com/rs/zerolog", "github.com/slack-go/slack", "golang.org/x/sync", "golang.org/x/time",
	}
	storeModules    = []string{"github.com/pressly/goose/v3", "github.com/rs/zerolog", "modernc.org/sqlite"}
	workflowModules = []string{"github.com/rs/zerolog", "golang.org/x/net", "golang.org/x/sync", "golang.org/x/text"}

	// testModules are for tests alone, and for packages that hold a suite of tests.
	testModules = []string{
		"github.com/chromedp", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "pgregory.net/rapid",
	}
	suiteModules = slices.Concat(testModules, []string{"github.com/rs/zerolog"})
)

// narrow are imports that only some files outside tests may have, each with the reason.
var narrow = []struct {
	imports string
	within  string   // the folder in which that holds, "" for all
	files   []string // globs
	why     string
}{
	{module + "/sandbox", "", []string{"cli/demo*.go", "sandbox/*.go", "sandbox/*/*.go", "workflow/action/actiontest/*.go"}, "the product knows no demo"},
	{module + "/workflow", "atlassian", []string{"atlassian/directory*.go"}, "the client is thin"},
	{"github.com/slack-go/slack", "", []string{"bot/*.go", "bot/*/*.go", "cli/doctor*.go", "cli/init*.go"}, "Slack is behind bot"},
	{"github.com/gorilla/websocket", "", []string{"bot/*.go", "bot/*/*.go", "cli/doctor*.go", "sandbox/*/*.go"}, "Slack is behind bot"},
	{"database/sql", "", []string{"store/*/*.go"}, "all SQL is in store"},
	{
		"net/http", "",
		[]string{
			"atlassian/*.go", "atlassian/pace/*.go", "bot/*.go", "bot/*/*.go", "cli/doctor*.go", "sandbox/*.go", "sandbox/*/*.go", "service/*.go",
			"workflow/action/actiontest/*.go",
		},
		"network at the edges",
	},
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

// within reports whether the import is the module or package, or one below it.
func within(imported, of string) bool { return imported == of || strings.HasPrefix(imported, of+"/") }

// place is what the files of a package may import.
type place struct{ ours, others []string }

// placeOf finds the package in the layout: by its own name, else as one of those below another.
func placeOf(dir string) (p place, known bool) {
	if p, known = layout[dir]; known {
		return p, true
	}
	for above := path.Dir(dir); above != "."; above = path.Dir(above) {
		if p, known = layout[above+"/..."]; known {
			return p, true
		}
	}
	return place{}, false
}

// mayImport reports whether the layout allows the import. Tests may besides use their own package from outside, the sandbox
// and the real store; those of the sandbox stay with the sandbox, so that a wrong field name cannot pass on both sides.
func mayImport(s source, imported string) bool {
	of, _ := placeOf(s.dir)
	ours, others := slices.Clone(of.ours), slices.Clone(of.others)
	if s.test && !within(s.dir, "sandbox") {
		ours = append(ours, s.dir+"/...", "sandbox/...", "store/...", "workflow/...")
	}
	if s.test {
		ours = append(ours, s.dir)
		others = slices.Concat(others, testModules, storeModules, layout["cli"].others)
	}
	if name, own := strings.CutPrefix(imported, module+"/"); own {
		return slices.ContainsFunc(ours, func(to string) bool {
			tree, whole := strings.CutSuffix(to, "/...")
			return name == to || whole && within(name, tree)
		})
	}
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") || // the standard library
		slices.ContainsFunc(others, func(to string) bool { return within(imported, to) })
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if _, known := placeOf(s.dir); !known {
			t.Errorf("%s: folder %s is not in the layout", s.name, s.dir)
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
				if !s.test && within(imported, rule.imports) && (rule.within == "" || s.dir == rule.within) && !slices.ContainsFunc(rule.files, matches) {
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
		if s.test || within(s.dir, "store") {
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
		if s.test || !within(s.dir, "bot") || s.dir == "bot/view" || s.dir == "bot/slackapi" || strings.HasPrefix(path.Base(s.name), "blocks") {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "slack" && blockType.MatchString(selector.Sel.Name) {
				t.Errorf("%s: slack.%s outside bot/view, bot/slackapi and bot/blocks*.go", s.set.Position(selector.Pos()), selector.Sel.Name)
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

// worstWords are words that nobody outside this project would know for what they mean here, or that say it crookedly.
var worstWords = regexp.MustCompile(`\b[Ss]ays? whether\b|\bby now\b|\bjust now\b|\b(outlook|lately)\b`)

// worstNames are parts of names that were put right.
var worstNames = regexp.MustCompile(`(?i)outlook|lately`)

// TestWordsArePlain keeps words out of code, documents and what people read in Slack that made them hard to read.
func TestWordsArePlain(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.name == "layout_test.go" {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.Ident:
				if word := worstNames.FindString(node.Name); word != "" {
					t.Errorf("%s: name %s has %q", s.set.Position(node.Pos()), node.Name, word)
				}
			case *ast.BasicLit:
				if word := worstWords.FindString(node.Value); word != "" {
					t.Errorf("%s: %q", s.set.Position(node.Pos()), word)
				}
			}
			return true
		})
		for _, group := range s.file.Comments {
			if word := worstWords.FindString(strings.Join(strings.Fields(group.Text()), " ")); word != "" {
				t.Errorf("%s: %q", s.set.Position(group.Pos()), word)
			}
		}
	}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		name = filepath.ToSlash(name)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !slices.Contains([]string{".md", ".yaml", ".txt", ".txtar"}, path.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := worstWords.FindString(line); word != "" {
				t.Errorf("%s:%d: %q", name, i+1, word)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// link is where a link or a picture of Markdown leads.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestDocsLeadSomewhere: every relative link of a document leads to a file or folder of ours.
func TestDocsLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "sandbox/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), to)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, m[1])
			}
		}
	}
}

// TestAssumptionsSayHowToCheck: every assumption of docs/assumptions.md has its four cells, none of them empty.
func TestAssumptionsSayHowToCheck(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/assumptions.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 4 || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("%d cells, want 4 (unsaid, assumed, if not, to check): %.100s", len(cells), line)
		}
	}
	if rows < 50 {
		t.Errorf("only %d assumptions were found", rows)
	}
}
