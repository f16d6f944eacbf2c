package sheet_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// A file of exceptions names accounts in any of the ways that files do; one row that cannot be
// understood refuses all of it.
func TestReadExceptions(t *testing.T) {
	t.Parallel()
	limits := workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 3}
	got, err := sheet.ReadExceptions([]byte("Name;Email;Atlassian ID\nAda;ada@old.example;712020:2\n\nBob;bob@old.example;712020:1\n"), "org", limits)
	want := []workflow.Excepted{{Line: 2, Email: "ada@old.example", AccountID: "712020:2"}, {Line: 4, Email: "bob@old.example", AccountID: "712020:1"}}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(want, got))
	}
	if got, err := sheet.ReadExceptions([]byte("email\nada@old.example\n"), "org", limits); err != nil || len(got) != 1 || got[0].AccountID != "" {
		t.Errorf("addresses alone: %v, %v", got, err)
	}
	for _, file := range []string{"email\nada@old.example\nnot an address\n", "email,name\n,Ada\n", "who\nada@old.example\n", "email\n"} {
		if got, err := sheet.ReadExceptions([]byte(file), "org", limits); !errors.As(err, new(*sheet.FileError)) {
			t.Errorf("%q: %v, %v; want it refused", file, got, err)
		}
	}
	if _, err := sheet.ReadExceptions([]byte("email\na@x.example\nb@x.example\nc@x.example\nd@x.example\n"), "org", limits); !errors.As(err, new(*workflow.LimitError)) {
		t.Errorf("too many: %v", err)
	}
}
