package people

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// What people call themselves is one short line of letters that can be seen, wherever it is kept.
func TestHostileNames(t *testing.T) {
	p, f := somePeople()
	odd := []string{
		"<!channel>", "\u202eexe.evil", "ad\u200bmin", "\n\n\n*Needs 0 approvals*", "\x1b[31m\x00",
		strings.Repeat("é\u0301\u0302\u0303\u0304\u0305\u0306", 500),
	}
	for _, evil := range odd {
		f.users["U0ADMIN"].Profile.DisplayName = evil
		p.PersonChanged("U0A")
		actor, err := p.Asking(t.Context(), "U0ADMIN", "")
		if err != nil {
			t.Fatal(err)
		}
		name := actor.Name
		if name == "" || strings.ContainsAny(name, "\n\r\t\x00\x1b\u202e\u200b") || utf8.RuneCountInString(name) > nameText {
			t.Errorf("%q is kept as %q", evil, name)
		}
	}
}
