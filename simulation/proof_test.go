package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store/sqlite"
)

// provenOf is of how many random scenarios the evidence of one is proved: it takes a quarter of a second, where a scenario
// takes one.
const provenOf = 9

// hasPython reports whether the commands of VERIFY.md can be run here. Without it the tests need Go alone; .ci/run installs it.
func hasPython() bool {
	_, err := exec.LookPath("python3")
	return err == nil
}

func needsPython(t *testing.T) {
	t.Helper()
	if !hasPython() {
		t.Skip("the commands of VERIFY.md need python3")
	}
}

// leave copies the database out of the bubble, which takes it away at its end.
func (s *scenario) leave(folder string) {
	if err := os.CopyFS(folder, os.DirFS(filepath.Dir(s.cfg.Store.Path))); err != nil {
		s.t.Fatal(err)
	}
}

// proven holds the evidence of every batch that a scenario left against the instructions that come with it: nothing that is as
// it was written may look like a forgery. It is asked outside of the bubble, where other programs can be waited for.
func (s *scenario) proven(t *testing.T, folder string) {
	t.Helper()
	for number, complaint := range complaints(t, filepath.Join(folder, filepath.Base(s.cfg.Store.Path))) {
		s.wrong = append(s.wrong, fmt.Sprintf("the evidence of #%s looks forged: %s", number, strings.TrimSpace(complaint)))
	}
}

// complaints runs the Python of the instructions on the evidence of each batch of a database, with the log beside it, and returns
// what is complained of, by batch.
func complaints(t *testing.T, database string) (out map[string]string) {
	t.Helper()
	db, err := sqlite.OpenReadOnly(t.Context(), sqlite.Config{Path: database, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	batches, err := db.List(t.Context(), 0)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, b := range batches {
		into := filepath.Join(folder, fmt.Sprint(b.Number))
		if err := os.Mkdir(into, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range evidenceOf(t, database, b.Number) {
			if err := os.WriteFile(filepath.Join(into, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", verifier)
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	said, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(said, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// verifier is the program of complaints. One process proves all batches, which are many and small.
const verifier = `
import json, os, re, sys, warnings
warnings.simplefilter("ignore")  # of files that a program leaves open
out, known, here = {}, {}, os.getcwd()
for number in os.listdir("."):
    os.chdir(os.path.join(here, number))
    guide = open("VERIFY.md", encoding="utf-8").read()
    commands = re.findall(r"python3 - <<'END'\n(.*?)\nEND\n", guide, re.S)
    if len(commands) < 3:
        out[number] = f"{len(commands)} commands in VERIFY.md"
    for i, text in enumerate(commands):
        if text not in known:
            known[text] = compile(text, f"command {i + 2}", "exec")
        try:
            exec(known[text], {})
        except Exception as e:
            out[number] = f"command {i + 2}: {e!r}"
            break
json.dump(out, sys.stdout)
`
