package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

func TestOpenReadOnly(t *testing.T) {
	path := lived(t)
	db, err := OpenReadOnly(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.LogEvent(t.Context(), workflow.Event{}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("writing: %v", err)
	}
	if _, err := db.reader.ExecContext(t.Context(), "DELETE FROM seen"); err == nil {
		t.Error("the connection can write")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, err := OpenReadOnly(t.Context(), Config{Path: path + "x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	for have, want := range map[int]string{99: "restore the backup", 0: "brings it up to date"} {
		version := filepath.Join(t.TempDir(), "v.db")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(version, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		tamper(t, version, "DELETE FROM goose_db_version WHERE version_id > 0",
			fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, 1)", have))
		_, err = OpenReadOnly(t.Context(), Config{Path: version})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("schema %d: %v, want %q", have, err, want)
		}
	}
}

// After a crash the log of the database (-wal) is still there, and what it holds counts.
func TestOpenReadOnlyAfterACrash(t *testing.T) {
	db := open(t)
	create(t, db)
	var path string
	if err := db.reader.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list").Scan(&path); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "left.db")
	for _, suffix := range []string{"", "-wal"} { // as a program that was killed leaves them
		raw, err := os.ReadFile(path + suffix)
		if err != nil || len(raw) == 0 {
			t.Fatalf("%s has %d bytes: %v", suffix, len(raw), err)
		}
		if err := os.WriteFile(left+suffix, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if a := audit(t, left); !a.Whole() || a.Batches != 1 {
		t.Errorf("%+v, want one whole batch", a)
	}
}
