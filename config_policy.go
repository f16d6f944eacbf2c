package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/workflow"
)

var (
	userGroupID = form{regexp.MustCompile(`^S[A-Z0-9]{2,}$`), "the id of a Slack user group (S…)"}
	domainName  = form{regexp.MustCompile(`^@[^@\s]+\.[^@\s]+$`), "a domain with an @ before it (@example.com) or group:name"}
)

// mostApprovals bounds what a setting can ask for.
const mostApprovals = 100

// policy is what the settings ask of a plan before it may run.
func (c *Config) policy() workflow.Policy {
	return workflow.Policy{
		Approvals: c.Approval.Approvals, Rules: c.Approval.Rules, Emergency: c.Emergency, Protect: c.Protect,
		PerDay: c.Limits.PerDay, Accounts: c.People.Accounts,
	}
}

// most is how many approvals these settings can ask for at the most.
func (a Approval) most() int {
	most := a.Approvals
	for _, r := range a.Rules {
		most = max(most, r.Approvals)
	}
	return most
}

func (s section) rules(key string, to *[]workflow.Rule) {
	s.list(key, func(s section) {
		var rule workflow.Rule
		s.section("when", func(s section) { s.when(&rule.When) })
		s.number("approvals", &rule.Approvals, 1, mostApprovals)
		s.bool("allow", &rule.Allow)
		switch {
		case !s.filled("when"):
			s.problem("when", "is missing", "say when the rule applies; approval.approvals is for every batch")
		case rule.Approvals == 0 && !rule.Allow && !s.filled("approvals"):
			s.problem("approvals", "is missing", "say how many people must approve then")
		case rule.Allow && !rule.When.OrgAdmins:
			s.problem("allow", "lets nothing happen without when.org_admins", "add org_admins: true to when, or remove it")
		case rule.Allow && (rule.When.ChangesOver != nil || rule.When.ChangesOver24h != nil):
			s.problem("allow", "cannot depend on how many changes there are", "put the number into a rule of its own")
		}
		rule.Approvals = max(rule.Approvals, 1)
		*to = append(*to, rule)
	})
}

func (s section) when(w *workflow.When) {
	s.over("changes_over", &w.ChangesOver)
	s.over("changes_over_24h", &w.ChangesOver24h)
	s.texts("actions", func(v value) {
		if action := workflow.ActionName(v.text); slices.Contains(workflow.ActionNames(), action) {
			w.Actions = append(w.Actions, action)
			return
		}
		v.problem(fmt.Sprintf("%q is no action", v.shown), "the actions are "+joined(workflow.ActionNames()))
	})
	s.texts("accounts", func(v value) {
		name, isGroup := strings.CutPrefix(v.text, workflow.GroupPrefix)
		if isGroup && strings.TrimSpace(name) != "" || v.match(domainName) {
			w.Accounts = append(w.Accounts, v.text)
		}
	})
	s.ids("requesters", &w.Requesters, personID)
	for _, key := range []string{"actions", "accounts", "requesters"} {
		if node, _ := s.find(key); node != nil && node.Kind == yaml.SequenceNode && len(node.Content) == 0 {
			s.problem(key, "is an empty list, which would hold always", "name something, or remove it")
		}
	}
	var yes *bool
	if s.optionalBool("org_admins", &yes); yes != nil {
		w.OrgAdmins = *yes
		if !*yes {
			s.problem("org_admins", "can only be true", "leave it out where the rule does not ask about organisation admins")
		}
	}
}

// over reads the number that something has to be over, which may be 0.
func (s section) over(key string, to **int) {
	if s.filled(key) {
		var n int
		s.number(key, &n, 0, 1_000_000)
		*to = &n
	}
}

func joined[S ~string](words []S) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
