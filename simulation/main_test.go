package simulation

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/countersign/countersign/cli"
)

// sideBySide is how many tests of this package go on at a time unless -parallel says otherwise: most of their time they wait,
// for programs of their own, for disks and for limits.
const sideBySide = "8"

// TestMain lets this test binary be the program, in a process of its own.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	testscript.Main(m, map[string]func(){"countersign": func() { os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr)) }})
}
