package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	always Need = 1 << 7 // whatever the command
	never  Need = 0      // for no command of this version
)

// reader collects what is wrong with one settings file while its sections are read. It works on the tree that YAML makes
// of the text, not on Go structs, for only the tree knows lines, keys given twice and keys that nobody asked for; and it
// fills in ${NAME} after parsing, so that a token can never change what the file says.
type reader struct {
	file     string // as errors name it
	dir      string // where relative paths start
	need     Need
	getenv   func(string) (string, bool)
	problems []Problem
	warnings []string
	known    []string // every key asked for, with its sections
}

func (r *reader) needs(n Need) bool { return (r.need|always)&n != 0 }

func (r *reader) problem(line int, key, what, remedy string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Key: key, What: what, Remedy: remedy})
}

// quoteReferences puts quotes around ${NAME} where it stands as a whole value without any, for in {…} and […] YAML would
// take its braces for its own. Lines stay where they are. It is for a text that cannot be parsed as it is.
func quoteReferences(text []byte) []byte { return bareReference.ReplaceAll(text, []byte(`$1"$2"$3`)) }

var bareReference = regexp.MustCompile(`(?m)([:,\[-][ \t]+|\[)(\$\{[A-Za-z_][A-Za-z0-9_]*\})([ \t]*(?:[,}\]#]|\r?$))`)

// document parses the text. An empty file is a file without settings; ok is false where nothing more can be read.
func (r *reader) document(text []byte) (root section, ok bool) {
	root = section{reader: r, asked: make(map[string]bool)}
	var documents []yaml.Node
	err := yaml.Load(text, &documents, yaml.WithAllDocuments())
	if err != nil {
		documents = nil
		if yaml.Load(quoteReferences(text), &documents, yaml.WithAllDocuments()) == nil {
			err = nil
		}
	}
	if err != nil {
		line, what := syntaxError(err)
		r.problem(line, "", "not YAML: "+what, "mind the indentation, and put values with : or # in quotes")
		return root, false
	}
	if len(documents) > 1 {
		r.problem(documents[1].Line, "", "a second document begins here", "keep all settings in the first; remove the ---")
		return root, false
	}
	if len(documents) == 0 || isNull(content(&documents[0])) {
		return root, true
	}
	node := content(&documents[0])
	if node.Kind != yaml.MappingNode {
		r.problem(node.Line, "", "the file is "+kindWord(node)+", not sections of settings", "start from config.example.yaml")
		return root, false
	}
	root.node = node
	root.checkKeys()
	return root, true
}

// syntaxError takes line and cause out of the YAML library's error.
func syntaxError(err error) (line int, what string) {
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		return e.Mark.Line, strings.TrimSpace(e.Message)
	}
	return 0, "it cannot be parsed"
}

// content is the node that a document or an alias stands for.
func content(node *yaml.Node) *yaml.Node {
	for {
		switch {
		case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
			node = node.Content[0]
		case node.Kind == yaml.AliasNode:
			node = node.Alias
		default:
			return node
		}
	}
}

func isNull(node *yaml.Node) bool { return node.Kind == 0 || node.ShortTag() == "!!null" }

func kindWord(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// section is a mapping of the file, or the place of one that is not there (node is nil): then nothing is given in it, and
// what is required of it is missing all the same.
type section struct {
	*reader
	name  string // with those around it: "limits.per_day"; "" for the document
	begin int    // the line it begins in, 0 when it is not there
	node  *yaml.Node
	asked map[string]bool // keys the program knows, true when given
}

func (s section) full(key string) string {
	if s.name == "" {
		return key
	}
	return s.name + "." + key
}

// checkKeys reports keys that are given twice or are no words.
func (s section) checkKeys() {
	lines := make(map[string]int)
	for i := 0; i+1 < len(s.node.Content); i += 2 {
		key := s.node.Content[i]
		if key.Kind != yaml.ScalarNode {
			s.reader.problem(key.Line, s.name, "a key is "+kindWord(key), "give it a name")
			continue
		}
		if first, twice := lines[key.Value]; twice {
			s.reader.problem(key.Line, s.full(show(key.Value)), fmt.Sprintf("is given twice, first in line %d", first), "keep one")
			continue
		}
		lines[key.Value] = key.Line
	}
}

// find is the value of key and the line where the key stands; nil when it is not given. It knows the key from then on.
func (s section) find(key string) (node *yaml.Node, line int) {
	if _, again := s.asked[key]; !again {
		s.known = append(s.known, s.full(key))
	}
	s.asked[key] = true
	if s.node == nil {
		return nil, 0
	}
	for i := 0; i+1 < len(s.node.Content); i += 2 {
		if k := s.node.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			if v := content(s.node.Content[i+1]); !isNull(v) {
				return v, k.Line
			}
			return nil, k.Line
		}
	}
	return nil, 0
}

// line is where key stands; where it is not given, where its section begins; 0 without either.
func (s section) line(key string) int {
	if _, line := s.find(key); line > 0 {
		return line
	}
	return s.begin
}

func (s section) problem(key, what, remedy string) {
	s.reader.problem(s.line(key), s.full(key), what, remedy)
}

func (s section) warn(key, what, remedy string) {
	warning := Problem{File: s.file, Line: s.line(key), Key: s.full(key), What: what, Remedy: remedy}
	s.warnings = append(s.warnings, warning.String())
}

// filled says whether the key has something in it: a text, a non-empty list or section.
func (s section) filled(key string) bool {
	node, _ := s.find(key)
	return node != nil && (len(node.Content) > 0 || node.Kind == yaml.ScalarNode && node.Value != "")
}

// required reports a key that is left out or empty although this command needs it.
func (s section) required(key string, need Need, remedy string) {
	if s.needs(need) && !s.filled(key) {
		s.problem(key, "is missing", remedy)
	}
}

// child is the section under key; ok is false when something else is there.
func (s section) child(key string) (child section, ok bool) {
	child = section{reader: s.reader, name: s.full(key), asked: make(map[string]bool)}
	node, line := s.find(key)
	child.begin = line
	if node == nil {
		return child, true
	}
	if node.Kind != yaml.MappingNode {
		return child, false
	}
	child.node = node
	return child, true
}

// section reads the settings under key.
func (s section) section(key string, read func(section)) {
	child, ok := s.child(key)
	if !ok {
		node, _ := s.find(key)
		s.problem(key, "is "+kindWord(node)+", not a section", "put its settings under it, indented")
		return
	}
	child.whole(read)
}

// whole reads a section and then reports the keys that were not asked for.
func (s section) whole(read func(section)) {
	if s.node != nil {
		s.checkKeys()
	}
	read(s)
	s.end()
}

// list reads each section in the list under key.
func (s section) list(key string, read func(section)) {
	for _, node := range s.elements(key) {
		if node.Kind != yaml.MappingNode {
			s.reader.problem(node.Line, s.full(key), "an entry is "+kindWord(node)+", not a section", "write it as {name: …, …}")
			continue
		}
		section{reader: s.reader, name: s.full(key), begin: node.Line, node: node, asked: make(map[string]bool)}.whole(read)
	}
}

// elements are the entries of the list under key, none when it is not given or something else.
func (s section) elements(key string) []*yaml.Node {
	node, _ := s.find(key)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		s.problem(key, "is "+kindWord(node)+", not a list", "write it as [a, b]")
		return nil
	}
	elements := make([]*yaml.Node, 0, len(node.Content))
	for _, element := range node.Content {
		elements = append(elements, content(element))
	}
	return elements
}

// end reports the keys of the section that nothing asked for.
func (s section) end() {
	if s.node == nil {
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(s.node.Content); i += 2 {
		key := s.node.Content[i]
		if key.Kind != yaml.ScalarNode || s.asked[key.Value] || seen[key.Value] {
			continue
		}
		seen[key.Value] = true
		names := slices.Sorted(maps.Keys(s.asked))
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_file") })
		remedy := "the keys here are " + strings.Join(names, ", ")
		if near := nearest(key.Value, names); near != "" {
			remedy = fmt.Sprintf("did you mean %s?", near)
		}
		s.reader.problem(key.Line, s.full(show(key.Value)), "unknown key", remedy)
	}
}

// nearest is the name that differs from the word in at most two letters, "" when none does.
func nearest(word string, names []string) string {
	const typos = 2
	best, distance := "", typos+1
	for _, name := range names {
		if d := edits([]rune(word), []rune(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// edits is the number of letters to add, drop or change to make b of a (Levenshtein).
func edits(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before := row[0]
		row[0] = i + 1
		for j := range b {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

// value is one scalar with ${NAME} filled in.
type value struct {
	section
	key   string
	line  int
	text  string
	shown string // what an error may say of it
	plain bool   // written without quotes, so that it may be a number or a yes
}

func (v value) problem(what, remedy string) {
	v.reader.problem(v.line, v.full(v.key), what, remedy)
}

// scalar is the value of key; ok is false when it is not given, or is reported already.
func (s section) scalar(key string) (v value, ok bool) {
	node, line := s.find(key)
	if node == nil {
		return value{}, false
	}
	return s.scalarAt(key, node, line)
}

func (s section) scalarAt(key string, node *yaml.Node, line int) (v value, ok bool) {
	v = value{section: s, key: key, line: line, plain: node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0}
	if node.Kind != yaml.ScalarNode {
		v.problem("is "+kindWord(node)+", not a single value", "write it as "+key+": value")
		return v, false
	}
	v.shown = show(node.Value)
	text, what := s.expand(node.Value)
	if what != "" {
		v.problem(what, "export it, or write the value here")
		return v, false
	}
	v.text = text
	return v, true
}

// variable is a ${NAME}, or something that began as one.
var variable = regexp.MustCompile(`\$\{([^}]*)(\}?)`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand fills in the environment's variables; what says which of them cannot be.
func (r *reader) expand(text string) (expanded, what string) {
	expanded = variable.ReplaceAllStringFunc(text, func(match string) string {
		parts := variable.FindStringSubmatch(match)
		name := parts[1]
		if parts[2] == "" || !variableName.MatchString(name) {
			what = cmp.Or(what, "${ begins an environment variable's name, as in ${NAME}, and none follows")
			return ""
		}
		filled, set := r.getenv(name)
		switch {
		case !set:
			what = cmp.Or(what, "environment variable "+name+" is not set")
		case filled == "":
			what = cmp.Or(what, "environment variable "+name+" is empty")
		}
		return filled
	})
	return expanded, what
}

// show is a value as an error may repeat it: as it stands in the file, not too long, and masked where it looks like a
// token that was put in the wrong place.
func show(text string) string {
	const longest = 40
	for _, token := range []string{"xapp-", "xoxb-", "xoxp-", "xoxe", "ATATT", "ATCTT"} {
		if strings.Contains(text, token) {
			return secretMask
		}
	}
	if letters := []rune(text); len(letters) > longest {
		return string(letters[:longest]) + "…"
	}
	return text
}
