package settings

import (
	"cmp"
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// quoteReferences puts quotes around ${NAME} where it stands as a whole value without any, for in {…} and […] YAML would
// take its braces for its own. Lines stay where they are. It is for a text that cannot be parsed as it is.
func quoteReferences(text []byte) []byte { return bareReference.ReplaceAll(text, []byte(`$1"$2"$3`)) }

var bareReference = regexp.MustCompile(`(?m)([:,\[-][ \t]+|\[)(\$\{[A-Za-z_][A-Za-z0-9_]*\})([ \t]*(?:[,}\]#]|\r?$))`)

// document parses the text. An empty file is a file without settings; ok is false where nothing more can be read.
func (r *reader) document(text []byte) (root section, ok bool) {
	root = section{reader: r}
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
		r.problem(line, "", "not YAML: "+what, "check the indentation, and put values with : or # in quotes")
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
