package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// Everything that the program writes is its owner's alone, also where a file was there before and open to all.
func TestFilesAreTheOwnersOnly(t *testing.T) {
	h := newHouse(t)
	for _, suffix := range []string{"", ".lock"} {
		if err := os.WriteFile(h.cfg.Store.Path+suffix, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.begin()
	h.send(sandbox.Hana, "", "ask.csv", moves(h.movable(2)))
	h.awaitButton("Approve")
	folder := filepath.Dir(h.cfg.Store.Path)
	for _, args := range [][]string{
		{"backup", filepath.Join(folder, "copy.db")}, {"audit", "batch", "1", "--out", filepath.Join(folder, "batch-1.zip")},
	} {
		if code, _, errw := h.command(args...); code != exitRight {
			t.Errorf("%v: %s", args, errw)
		}
	}
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			modes[d.Name()] = info.Mode().Perm()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Base(h.cfg.Store.Path)
	want := []string{"batch-1.zip", "copy.db", base, base + "-shm", base + "-wal", base + ".lock", base + ".sock"}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(modes))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for name, mode := range modes {
		if mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, mode)
		}
	}
}

// A line of the log stays one line, and moves about no terminal, in either format, whatever stands in its fields.
func TestLogStaysInItsLines(t *testing.T) {
	t.Parallel()
	const evil = "x\n{\"level\":\"info\"}\r\x1b[2J \u202e \u2028 y"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(&out, Log{Level: "info", Format: format})
		log.Warn().Str("person", evil).Err(errors.New(evil)).Strs("why", []string{evil}).Any("fault", evil).Msg("a message")
		if got := out.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
			t.Errorf("%s: %q", format, got)
		}
	}
}
