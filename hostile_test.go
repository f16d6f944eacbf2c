package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Nothing that somebody is called moves about the terminal of who runs the commands.
func TestDoctorShowsHostileNames(t *testing.T) {
	h := newHouse(t)
	h.world.Workspace.SetFaults(workspace.Faults{NoLimits: true})
	const evil = "\x1b[2J\x1b[31mok\r\nok    all is well \u202e"
	if err := h.world.Workspace.UpdatePerson(sandbox.Alice, func(p *workspace.Person) { p.Name, p.Deleted = evil, true }); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_ = runDoctor(t.Context(), h.cfg, &out) // whether all is well is not the point
	if !strings.Contains(out.String(), "[U+001B][2J") || strings.ContainsAny(out.String(), "\x1b\r\u202e") ||
		strings.Contains(out.String(), "\nok    all is well") {
		t.Errorf("doctor says %q", out.String())
	}
}
