package report

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// A file that is too large is sent zipped; it says beforehand how long it is, and is the same each
// time.
func TestFileIsZippedWhereItIsLarge(t *testing.T) {
	t.Parallel()
	table := strings.Repeat("a,b\r\n", 1000)
	write := func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, table)
		return err
	}
	for _, test := range []struct {
		limit int
		name  string
	}{{len(table), "nightly-2026-11-23.csv"}, {len(table) - 1, "nightly-2026-11-23.zip"}} {
		f, err := newFile(t.Context(), "nightly-2026-11-23.csv", test.limit, write)
		if err != nil || f.Name != test.name {
			t.Fatalf("%s, %v; want %s", f.Name, err, test.name)
		}
		var first, second bytes.Buffer
		if err := errors.Join(f.Write(t.Context(), &first), f.Write(t.Context(), &second)); err != nil {
			t.Fatal(err)
		}
		if first.Len() != f.Size || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: %d and %d bytes, %d announced", f.Name, first.Len(), second.Len(), f.Size)
		}
		got := first.Bytes()
		if strings.HasSuffix(f.Name, ".zip") {
			got = unzipped(t, got)
		}
		if string(got) != table {
			t.Errorf("%s holds another table", f.Name)
		}
	}
	cut := errors.New("cut")
	if _, err := newFile(t.Context(), "a.csv", 1, func(context.Context, io.Writer) error { return cut }); !errors.Is(err, cut) {
		t.Errorf("%v, want the error of the table", err)
	}
}

func unzipped(t *testing.T, archive []byte) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open("nightly-2026-11-23.csv")
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
