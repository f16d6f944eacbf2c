package command

import "testing"

func TestAsksToCompare(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"compare": true, "Compare, please": true, "please compare with HR": true, "*compare*": true, "<@U0BOT> compare": true,
		"compare\nreason: audit": true, "comparison": false, "deactivate, compare with HR": false, "": false, "we deactivate": false,
		"compared": false,
	} {
		if n := ParseNote(text); n.Compare != want {
			t.Errorf("%q: %t, want %t", text, n.Compare, want)
		}
	}
}
