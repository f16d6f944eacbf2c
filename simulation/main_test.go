package simulation

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/countersign/countersign/cli"
)

// TestMain lets this test binary be the program, in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"countersign": func() { os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr)) }})
}
