package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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
