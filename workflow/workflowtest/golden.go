package workflowtest

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Updates is the flag -update of tests with golden files.
var Updates = flag.Bool("update", false, "write what is made from the code anew: documents and golden files")

// SameAsFile compares with a golden file, or writes it anew.
func SameAsFile(t *testing.T, path, got string) {
	t.Helper()
	if *Updates {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
