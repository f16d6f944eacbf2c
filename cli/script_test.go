package cli

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// update has TestScripts write what the program says now into its scripts, to be read and committed.
var update = flag.Bool("update", false, "write the golden files")

// TestMain lets the scripts run this program as a person would, in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"countersign": func() { os.Exit(Run(os.Args[1:], os.Stdout, os.Stderr)) }})
}

// TestScripts runs testdata/script/*.txtar, one file a behaviour of the command line. Beside testscript's own commands
// there are "exits CODE countersign …" for exit codes, which testscript reduces to failure and success, "earlier FILE",
// which makes a database as builds from before the first release marked theirs, and "sandbox", which starts a sandbox.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "earlier": earlier, "sandbox": startsSandbox},
	})
}

// exits runs the command after the exit code and fails unless it ends with that.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [args…]")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func earlier(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: earlier FILE")
	}
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	for _, statement := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA application_id = 1668507502", "CREATE TABLE batch (number INTEGER PRIMARY KEY)",
	} {
		_, err := db.ExecContext(context.Background(), statement)
		ts.Check(err)
	}
	ts.Check(db.Close())
}
