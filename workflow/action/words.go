package action

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// FieldWords is the value of a field as people read it.
func FieldWords(field workflow.Field, value string) string {
	switch name, _, _ := strings.Cut(string(field), ":"); {
	case field == workflow.FieldTokens && value == noTokens:
		return "no API tokens"
	case field == workflow.FieldTokens && value != "":
		return value + " API tokens"
	case field == workflow.FieldMembership && value == workflow.MemberNone:
		return "not in the directory"
	case field == workflow.FieldMembership && value != "":
		return value + " in the directory"
	case value == "":
		return "not shown"
	case field == workflow.FieldStatus:
		return workflow.StatusWord(workflow.AccountStatus(value))
	case name == "group" && value == workflow.GroupIn:
		return "in the group"
	case name == "group":
		return "not in the group"
	}
	return value
}

// ShownWords are what was read of the things that a step sets, as people read it.
func ShownWords(now workflow.Values, s workflow.Step) string {
	var words []string
	for _, field := range slices.Sorted(s.Set.Keys()) {
		if _, ok := s.FactOf(field); ok {
			words = append(words, FieldWords(field, now.Get(field)))
		}
	}
	return strings.Join(words, ", ")
}

// FieldNoun is a field as a reason names it.
func FieldNoun(field workflow.Field) string {
	if field == workflow.FieldEmail {
		return "address"
	}
	name, _, _ := strings.Cut(string(field), ":")
	return name
}
