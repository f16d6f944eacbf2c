package view

import (
	"strings"
	"testing"
)

// Nobody is told that they have asked for nothing where only the newest requests were looked through.
func TestHomeOwn(t *testing.T) {
	t.Parallel()
	for of, want := range map[int]string{0: "You have asked for nothing yet", 200: "None of the last 200 requests is yours"} {
		if tab := drawn(t, Home{Command: "/countersign", Version: "v0.2.0", OwnOf: of}.Draw()); !strings.Contains(tab, want) ||
			!strings.Contains(tab, "countersign v0.2.0") {
			t.Errorf("of %d: %s", of, tab)
		}
	}
}
