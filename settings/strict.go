package settings

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// Later is the type of a key that the settings have and this version does not: giving it is an error.
type Later struct{}

// always is the need of every command.
const always Need = 1 << 7

// needs are the words of the tag need.
var needs = map[string]Need{"slack": NeedSlack, "atlassian": NeedAtlassian, "always": always}

// reader collects what is wrong with one settings file while its sections are read. It works on the tree that YAML makes
// of the text, not on Go structs alone, for only the tree knows lines, keys given twice and keys that there are not; and
// it fills in ${NAME} after parsing, so that a token can never change what the file says.
type reader struct {
	file     string // as errors name it
	dir      string // where relative paths start
	need     Need
	getenv   func(string) (string, bool)
	problems []Problem
	warnings []string
}

func (r *reader) problem(line int, key, what, remedy string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Key: key, What: what, Remedy: remedy})
}

// section is a mapping of the file, or the place of one that is not there (node is nil): then nothing is given in it, and
// what is required of it is missing all the same.
type section struct {
	*reader
	name  string // with those around it: "limits.per_day"; "" for the document
	begin int    // the line it begins in, 0 when it is not there
	node  *yaml.Node
}

// checker is a struct of settings that has more to ask of them than that each is right by itself.
type checker interface{ check(section) }

// read reads the section into a value of the type that its key has.
func (s section) read(to reflect.Value) {
	switch to := to.Addr().Interface().(type) {
	case *policy.Rule:
		var r rule
		s.fill(reflect.ValueOf(&r).Elem())
		*to = r.policy()
	case *policy.Window:
		if s.node != nil && len(s.node.Content) > 0 {
			w := window{From: noClock, To: noClock}
			s.fill(reflect.ValueOf(&w).Elem())
			*to = w.policy()
		}
	default:
		s.fill(reflect.ValueOf(to).Elem())
	}
}

// fill reads the section into a struct by its tags, defaults included, and reports what is wrong with it.
func (s section) fill(to reflect.Value) {
	var known, built []string
	for f, field := range to.Fields() {
		key := f.Tag.Get("yaml")
		switch _, line := s.find(key); {
		case key == "":
			continue
		case f.Type != reflect.TypeFor[Later]():
			built = append(built, key)
		case line > 0:
			s.problem(key, "is not supported yet", "leave it out")
		}
		known = append(known, key)
		switch f.Type {
		case reflect.TypeFor[Later]():
		case reflect.TypeFor[Secret]():
			known = append(known, key+"_file")
			s.secret(key, f.Tag, field)
		default:
			s.value(key, f.Tag, field)
			if s.need&needs[f.Tag.Get("need")] != 0 && !s.filled(key) {
				s.problem(key, "is missing", f.Tag.Get("missing"))
			}
		}
	}
	s.checkKeys(known, built)
	if c, ok := reflect.TypeAssert[checker](to.Addr()); ok {
		c.check(s)
	}
}

// value reads what is given under key into a value of any type that settings have.
func (s section) value(key string, tag reflect.StructTag, to reflect.Value) {
	node, line := s.find(key)
	_, single := parsers[to.Type()]
	switch {
	case single:
		if text, ok := tag.Lookup("default"); ok {
			s.scalar(key, tag, &yaml.Node{Kind: yaml.ScalarNode, Value: text}, 0, to)
		}
		if node != nil {
			s.scalar(key, tag, node, line, to)
		}
	case to.Kind() == reflect.Struct:
		s.section(key).read(to)
	case to.Kind() == reflect.Map:
		s.section(key).named(mapKeys[tag.Get("is")], tag, to)
	case to.Kind() == reflect.Slice:
		for _, node := range s.elements(key) {
			if each := reflect.New(to.Type().Elem()).Elem(); s.element(key, tag, node, each) {
				to.Set(reflect.Append(to, each))
			}
		}
	case node != nil: // a pointer, which tells what is not given from what is zero
		if filled := reflect.New(to.Type().Elem()); s.scalar(key, tag, node, line, filled.Elem()) {
			to.Set(filled)
		}
	}
}

// element reads one entry of the list under key, and reports whether there is a value.
func (s section) element(key string, tag reflect.StructTag, node *yaml.Node, to reflect.Value) (ok bool) {
	switch _, single := parsers[to.Type()]; {
	case single && node.Kind == yaml.ScalarNode && node.Value == "":
		s.reader.problem(node.Line, s.full(key), "an entry is empty", "remove it")
	case single:
		return s.scalar(key, tag, node, node.Line, to)
	case node.Kind != yaml.MappingNode:
		s.reader.problem(node.Line, s.full(key), "an entry is "+kindWord(node)+", not a section", "write it as {name: …, …}")
	default:
		s.entry(key, node).read(to)
		return true
	}
	return false
}

// mapKey is what the keys of a section are that has no fixed ones, and what belongs to each.
type mapKey struct {
	form   string // in forms
	remedy string
	value  string // what is missing where there is none
}

// mapKeys are those of the sections whose keys are free, by the tag is.
var mapKeys = map[string]mapKey{
	"account": {"user", "write it as U0BOB: account id", "account id"},
	"product": {"product", "write it as jira-software: 8.15", "price"},
}

// named reads a section from keys of one form to values.
func (s section) named(of mapKey, tag reflect.StructTag, to reflect.Value) {
	if s.checkKeys(nil, nil); s.node == nil {
		return
	}
	to.Set(reflect.MakeMap(to.Type()))
	for key := range s.keys() {
		name, each := key.Value, reflect.New(to.Type().Elem()).Elem()
		node, line := s.find(name)
		switch {
		case !forms[of.form].pattern.MatchString(name):
			s.problem(show(name), "is not "+forms[of.form].words, of.remedy)
		case node == nil || node.Kind == yaml.ScalarNode && node.Value == "":
			s.problem(name, "has no "+of.value, "give one, or remove the line")
		case s.scalar(name, tag, node, line, each):
			to.SetMapIndex(reflect.ValueOf(name), each)
		}
	}
}

// scalar parses a single value with ${NAME} filled in, and reports whether it is right. An empty text leaves what is there.
func (s section) scalar(key string, tag reflect.StructTag, node *yaml.Node, line int, to reflect.Value) (ok bool) {
	wrong := func(what, remedy string) bool {
		s.reader.problem(line, s.full(key), what, remedy)
		return false
	}
	if node.Kind != yaml.ScalarNode {
		return wrong("is "+kindWord(node)+", not a single value", "write it as "+key+": value")
	}
	text, what := s.expand(node.Value)
	if what != "" {
		return wrong(what, "export it, or write the value here")
	}
	v := value{text: text, plain: node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0, tag: tag, dir: s.dir}
	parsed, err := parsers[to.Type()](v)
	if refused, bad := err.(*refusal); bad { //nolint:errorlint // parsers return it as it is
		said := show(node.Value)
		return wrong(strings.NewReplacer(`"`+shown+`"`, strconv.Quote(said), shown, said).Replace(refused.what), refused.remedy)
	}
	if parsed != nil {
		to.Set(reflect.ValueOf(parsed))
	}
	return parsed != nil
}

func (s section) full(key string) string {
	if s.name == "" {
		return key
	}
	return s.name + "." + key
}

// find returns the value of key and the line where the key stands; nil when nothing is given, line 0 when the key is not.
func (s section) find(key string) (node *yaml.Node, line int) {
	for k, v := range s.keys() {
		if k.Value != key {
			continue
		}
		if v = content(v); isNull(v) {
			v = nil
		}
		return v, k.Line
	}
	return nil, 0
}

// keys are the keys of the section with their values, in the order of the file, those alone that are words.
func (s section) keys() iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if s.node == nil {
			return
		}
		for pair := range slices.Chunk(s.node.Content, 2) {
			if pair[0].Kind == yaml.ScalarNode && !yield(pair[0], pair[1]) {
				return
			}
		}
	}
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

// filled reports whether the key has something in it: a text, a non-empty list or section.
func (s section) filled(key string) bool {
	node, _ := s.find(key)
	return node != nil && (len(node.Content) > 0 || node.Kind == yaml.ScalarNode && node.Value != "")
}

// child is the section under key, an empty one where something else is there.
func (s section) child(key string) section {
	node, line := s.find(key)
	if node != nil && node.Kind != yaml.MappingNode {
		node = nil
	}
	return section{reader: s.reader, name: s.full(key), begin: line, node: node}
}

// section is child, and reports what is there and is no section.
func (s section) section(key string) section {
	if node, _ := s.find(key); node != nil && node.Kind != yaml.MappingNode {
		s.problem(key, "is "+kindWord(node)+", not a section", "put its settings under it, indented")
	}
	return s.child(key)
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

// entry is the section that the node is in the list under key.
func (s section) entry(key string, node *yaml.Node) section {
	return section{reader: s.reader, name: s.full(key), begin: node.Line, node: node}
}

// entries are the sections of the list under key.
func (s section) entries(key string) (entries []section) {
	for _, node := range s.elements(key) {
		if node.Kind == yaml.MappingNode {
			entries = append(entries, s.entry(key, node))
		}
	}
	return entries
}

// checkKeys reports keys that are no words, those that are given twice and, unless known is nil, those that are not known; of
// these it names a near one that is built.
func (s section) checkKeys(known, built []string) {
	if s.node == nil {
		return
	}
	slices.Sort(built)
	lines := make(map[string]int)
	for pair := range slices.Chunk(s.node.Content, 2) {
		key := pair[0]
		full := s.full(show(key.Value))
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			s.reader.problem(key.Line, s.name, "a key is "+kindWord(key), "give it a name")
			continue
		case twice:
			s.reader.problem(key.Line, full, fmt.Sprintf("is given twice, first in line %d", first), "keep one")
			continue
		case known != nil && !slices.Contains(known, key.Value):
			remedy := "the keys here are " + strings.Join(built, ", ")
			if near := workflow.NearestWord(key.Value, built); near != "" {
				remedy = fmt.Sprintf("did you mean %s?", near)
			}
			s.reader.problem(key.Line, full, "unknown key", remedy)
		}
		lines[key.Value] = key.Line
	}
}
