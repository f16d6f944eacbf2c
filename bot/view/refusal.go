package view

import (
	"fmt"
	"strings"
)

// NotTheirsError refuses a choice about a file to somebody who neither posted nor uploaded it.
type NotTheirsError struct{ Poster, Uploader string }

func (e *NotTheirsError) Error() string {
	return fmt.Sprintf("only %s and %s may choose for this file", e.Poster, e.Uploader)
}

func (e *NotTheirsError) words() string {
	return mention(e.Poster) + " posted this file and " + mention(e.Uploader) + " uploaded it. One of them must choose."
}

// NotListedError refuses what a draft is to leave out: words that name none of its accounts, or all of
// them.
type NotListedError struct {
	Named []string
	All   bool // nobody would be left
}

func (e *NotListedError) Error() string {
	return fmt.Sprintf("left out are %q, who are not listed; all: %v", e.Named, e.All)
}

func (e *NotListedError) words() string {
	if len(e.Named) == 0 {
		return "Every account is left out. Leave at least one in."
	}
	shown := make([]string, min(len(e.Named), notListedShown))
	for i := range shown {
		shown[i] = quoted(e.Named[i], tableCell)
	}
	if more := len(e.Named) - len(shown); more > 0 {
		shown = append(shown, number(more)+" more")
	}
	return "Leave out names accounts that are not in this request: " + strings.Join(shown, ", ") + ". Write each as an address or an account id."
}

// notListedShown is how many of them are named.
const notListedShown = 5
