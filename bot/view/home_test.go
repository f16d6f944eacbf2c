package view

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
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

// What has come through is drawn as in a thread: as code it would be red, though all is well.
func TestHomeBarIsNoCode(t *testing.T) {
	t.Parallel()
	b := &workflow.Batch{Number: 7, State: workflow.Running}
	tab := drawn(t, Home{Running: []Summarised{{Batch: b}}}.Draw())
	if drawn := bar(0, 0); !strings.Contains(tab, drawn) || strings.Contains(tab, "`"+drawn) {
		t.Errorf("the bar is not there, or is code: %s", tab)
	}
}
