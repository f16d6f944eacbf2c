package simulation

import (
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
	t.Parallel()
	h := newEnv(t)
	h.world.Workspace.SetFaults(workspace.Faults{NoLimits: true})
	const evil = "\x1b[2J\x1b[31mok\r\nok    all is well \u202e"
	if err := h.world.Workspace.UpdatePerson(sandbox.Alice, func(p *workspace.Person) { p.Name, p.Deleted = evil, true }); err != nil {
		t.Fatal(err)
	}
	_, out, _ := h.command("doctor") // whether all is well is not the point
	if !strings.Contains(out, "[U+001B][2J") || strings.ContainsAny(out, "\x1b\r\u202e") ||
		strings.Contains(out, "\nok    all is well") {
		t.Errorf("doctor says %q", out)
	}
}

// Everything that the program writes is its owner's alone, also where a file was there before and open to all.
func TestFilesAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
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
		if code, _, errw := h.command(args...); code != 0 {
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
