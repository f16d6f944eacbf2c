package command_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
)

// The command to move a domain: two domains as Slack sends them, then its options in any order.
func TestParseMove(t *testing.T) {
	t.Parallel()
	plain := workflow.DomainMove{Old: "old.example", New: "new.example"}
	with := func(change func(*workflow.DomainMove)) *workflow.DomainMove {
		move := plain
		change(&move)
		return &move
	}
	for text, want := range map[string]command.Command{
		"migrate domain old.example <http://new.example|new.example>": {Move: &plain},
		"migrate-domain @old.example new.example reason: merger":      {Move: &plain, Reason: "merger"},
		"migrate-domain old.example new.example only-group “few people” names <http://first.last|first.last>": {
			Move: with(func(m *workflow.DomainMove) { m.Group, m.Names = "few people", true }),
		},
		"migrate-domain old.example new.example names First.Last except only-group g-1": {
			Move: with(func(m *workflow.DomainMove) { m.Group, m.Names = "g-1", true }), Except: true,
		},
	} {
		want.Name, want.Supported = "migrate-domain", true
		if got, err := command.Parse(text); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, cmp.Diff(want, got))
		}
	}
	for _, text := range []string{
		"migrate-domain", "migrate-domain old.example", "migrate-domain old.example OLD.example", "migrate-domain a@b new.example",
		"migrate-domain old.example new.example group x", "migrate-domain old.example new.example names",
		"migrate-domain old.example new.example except except", "migrate-domain old.example new.example only-group",
		"migrate-domain <http://evil.example|old.example> new.example",
	} {
		if got, err := command.Parse(text); !errors.As(err, new(*command.UsageError)) {
			t.Errorf("%s: %+v, %v; want how it is written", text, got, err)
		}
	}
}

// The message beside a file can be that command; then the file names who is left out.
func TestNoteOfAMove(t *testing.T) {
	t.Parallel()
	n := command.ParseNote("<@U0BOT> *migrate-domain* old.example <http://new.example|new.example> except\nreason: merger")
	if n.Wrong != nil || n.Move == nil || n.Move.Move.Old != "old.example" || n.Move.Move.New != "new.example" || !n.Move.Except ||
		n.Reason != "merger" || !n.Stated || n.Verb != "" {
		t.Errorf("%+v", n)
	}
	for _, text := range []string{"migrate-domain old.example new.example", "migrate-domain old.example"} {
		if n := command.ParseNote(text); n.Wrong == nil || n.Move != nil && n.Move.Except {
			t.Errorf("%s: %+v, want it refused", text, n)
		}
	}
	for _, text := range []string{"deactivate, after we migrate-domain", "these left when we migrated the domain", ""} {
		if n := command.ParseNote(text); n.Wrong != nil || n.Move != nil {
			t.Errorf("%s: %+v, want no such command", text, n)
		}
	}
}
