package settings

import (
	"regexp"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// What guards is read by the functions that read cells. A spelling that can match nothing would guard nobody, and nobody
// would notice, so it is refused.

// parseGuard reads an entry of protect: an address, an account id, a domain with an @ before it, or a group.
func parseGuard(v value) (any, error) {
	text := workflow.TrimCell(v.text)
	name, isGroup := cutGroup(text)
	switch {
	case isGroup:
		return parseGroup(name)
	case strings.HasPrefix(text, "@"):
		return parseDomain(text)
	case strings.Contains(text, "@"):
		if strings.Contains(text, "*") {
			return nil, refuse(`"`+shown+`" is a pattern, and entries are compared as a whole`, "write @example.com for a whole domain")
		}
		if problem := workflow.AddressProblem(text); problem != "" {
			return nil, refuse(`"`+shown+`" is not an address: it `+problem, "write the address alone, as ceo@example.com")
		}
	case !isAccountID(text):
		return nil, refuse(`"`+shown+`" is not an address or an Atlassian account id`,
			"write an address, an account id as Atlassian shows it, @example.com for a domain, or group:name")
	}
	return text, nil
}

// parseScope reads an entry of a rule's accounts: a domain or a group.
func parseScope(v value) (any, error) {
	text := workflow.TrimCell(v.text)
	switch name, isGroup := cutGroup(text); {
	case isGroup && name != "":
		return parseGroup(name)
	case strings.HasPrefix(text, "@") && strings.Contains(text, "."):
		return parseDomain(text)
	}
	return nil, refuse(`"`+shown+`" is not a domain with an @ before it (@example.com) or group:name`, "")
}

// cutGroup takes group: off an entry, in whatever case it is written, and what surrounds the name.
func cutGroup(text string) (name string, found bool) {
	word, name, found := strings.Cut(text, ":")
	if !found || !strings.EqualFold(workflow.TrimCell(word)+":", policy.GroupPrefix) {
		return "", false
	}
	return workflow.TrimCell(name), true
}

func parseGroup(name string) (any, error) {
	if name == "" {
		return nil, refuse("names no group", "write it as group:name")
	}
	if err := groupProblem(name); err != nil {
		return nil, err
	}
	return policy.GroupPrefix + name, nil
}

// parseGroupName reads the name of a group where nothing else can stand, with group: before it or without.
func parseGroupName(v value) (any, error) {
	name, prefixed := cutGroup(v.text)
	if !prefixed {
		name = workflow.TrimCell(v.text)
	}
	if name == "" {
		return nil, refuse("names no group", "write the group's name as Atlassian shows it")
	}
	if err := groupProblem(name); err != nil {
		return nil, err
	}
	return name, nil
}

// groupProblem returns what keeps a name from being that of one group, compared as a whole.
func groupProblem(name string) error {
	if strings.Contains(name, "*") {
		return refuse(`"`+shown+`" is a pattern, and groups are compared as a whole`, "name each group")
	}
	if around(name) {
		return refuse(`"`+shown+`" stands in marks, and groups are compared as a whole`, "write the group's name without them")
	}
	if _, twice := cutGroup(name); twice {
		return refuse(`"`+shown+`" says group: twice`, "write it as group:name")
	}
	if severalGroups.MatchString(name) {
		return refuse(`"`+shown+`" names several groups, and an entry is one`, "write each as an entry of the list")
	}
	if workflow.EscapeInvisible(name) != name {
		return refuse(`"`+shown+`" holds an invisible character`, "write the group's name as Atlassian shows it")
	}
	return nil
}

// around reports whether marks stand around a name and nowhere in it: the quotes of another language than that of the
// settings, or those of Slack.
func around(name string) bool {
	const marks = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
	inner := strings.TrimLeft(name, marks)
	cut := strings.TrimRight(inner, marks)
	return inner != name && cut != inner && !strings.ContainsAny(cut, marks)
}

// severalGroups is what stands between groups that are written into one entry: the mark that separates them in a cell, or
// the word before the next; a comma at the end is one, too.
var severalGroups = regexp.MustCompile(`(?i);|,\s*group\s*:|,$`)

// isAccountID reports whether a value can be the id of an account. Each has a digit in it, which a name or a word has not;
// what is written as an id of Slack, with a word before it, or with a part of it left out, is none.
func isAccountID(text string) bool {
	return workflow.AccountIDProblem(text) == "" && strings.ContainsAny(text, "0123456789") && !slackID.MatchString(text) &&
		!labelled.MatchString(text) && text == strings.Trim(text, ":|-") && !strings.Contains(text, "::")
}

// slackID is how Slack writes the ids of people, user groups, channels and workspaces.
var slackID = regexp.MustCompile(`^[A-Z][A-Z0-9]{4,}$`)

// labelled is a word before a colon that says what the value is; what stands before the colon of an id is digits, or two letters.
var labelled = regexp.MustCompile(`(?i)^(id|org|[a-z_-]{4,}[0-9]*)\s*:`)

func parseDomain(text string) (any, error) {
	const remedy = "write it as @example.com"
	if strings.Contains(text, "*") {
		return nil, refuse(`"`+shown+`" is a pattern, and domains are compared as a whole`, remedy+" for each of them")
	}
	if problem := workflow.AddressProblem("x" + text); problem != "" {
		return nil, refuse(`"`+shown+`" is not a domain: it `+problem, remedy)
	}
	return text, nil
}

// parseAccount reads an account id.
func parseAccount(v value) (any, error) {
	text := workflow.TrimCell(v.text)
	if !isAccountID(text) {
		return nil, refuse(`"`+shown+`" is not an Atlassian account id`, "")
	}
	return text, nil
}
