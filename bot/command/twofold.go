package command

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// What is said of a sentence that no one command does. {command} stands for the slash command.
const (
	twoGroups = "Leaving one group and joining another are two requests. Write `{command} group remove <group> <user>`, then " +
		"`{command} group add <group> <user>`. One CSV with the columns `action`, `email` and `group` does both."
	twoSiteGroups = "Leaving one group of a site and joining another are two requests. Write `{command} site group remove <site> <group> <user>`, " +
		"then `{command} site group add <site> <group> <user>`. One CSV with the columns `action`, `email`, `site` and `group` does both."
	waysToLeave = "Somebody who left can be locked out in two ways. `{command} deactivate <user>` blocks the login, and can be undone. " +
		"`{command} offboard <user>` blocks it, deletes the API tokens for good, and takes the person out of the groups. " +
		"`remove` and `delete` take away what cannot be put back."
)

// twofold returns what is said where a sentence asks for two things that are two requests, or with a word
// for good riddance for what has a way back; "" for every other. One half alone would be dropped without
// a word, or more would be taken away than is meant.
func twofold(words []commandWord) string {
	said := saidIn(words)
	switch {
	case changesGroup(said) && oneOf(said, []string{"site", "sites"}):
		return twoSiteGroups
	case changesGroup(said):
		return twoGroups
	case leftForGood(said):
		return waysToLeave
	}
	return ""
}

// changesGroup reports whether somebody is to leave one group and to join another.
func changesGroup(said []string) bool {
	var (
		move  = []string{"move", "transfer", "switch", "change", "shift", "migrate", "swap"}
		leave = []string{"remove", "take", "drop", "delete", "kick", "pull", "leave"}
		join  = []string{"add", "put", "join", "include", "insert"}
		from  = []string{"from", "out", "off"}
		to    = []string{"to", "into", "in"}
		group = []string{"group", "groups"}
	)
	people, domains := 0, 0
	for _, word := range said {
		switch {
		case strings.Contains(strings.TrimPrefix(word, "@"), "@"):
			people++
		case strings.Contains(word, "."):
			domains++
		}
	}
	beginning := said[:min(len(said), 3)]
	switch {
	case domains > 0: // a domain is moved
		return false
	case oneOf(said, group) && oneOf(said, leave) && oneOf(said, join) && oneOf(said, from) && oneOf(said, to):
		return true
	case oneOf(beginning, move) && oneOf(said, from) && oneOf(said, to):
		return oneOf(said, group) || people == 1 // "from sales to finance": of one person these are groups
	}
	return false
}

// leftForGood reports whether a sentence says of somebody that they left, and begins with a word for an
// action that takes away what cannot be put back.
func leftForGood(said []string) bool {
	if !oneOf(said, leavers()) {
		return false
	}
	for n := range min(3, len(said)) {
		words := strings.Join(said[:n+1], " ")
		if name := namedAction(words); slices.Contains([]workflow.ActionName{workflow.Remove, workflow.Delete}, name) {
			return true
		}
	}
	return false
}

// namedAction is the action that words name, or are another word for; "" for none.
func namedAction(words string) workflow.ActionName {
	if name := commandAction(words); action.Built(name) {
		return name
	}
	return workflow.Synonym(workflow.FoldName(words))
}
