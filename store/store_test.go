package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

// sameData compares what is stored, leaving out events that were recorded and not yet taken.
var sameData = cmpopts.IgnoreUnexported(workflow.Batch{})

func open(t *testing.T) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "countersign.db"))
}

func openAt(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(context.Background(), Config{Path: path, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestOpenClosesTheFilesToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, path)
	create(t, db) // so that there is a log
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(name), got)
		}
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	for _, name := range []string{"with space.db", "what?.db", "50%25.db", "a#b.db", "ü&=.db"} {
		path := filepath.Join(t.TempDir(), name)
		db := openAt(t, path)
		create(t, db)
		info, err := os.Stat(path)
		if err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v; the database is somewhere else", name, info, err)
		}
	}
}

func TestOpenSettings(t *testing.T) {
	db := open(t)
	for _, test := range []struct {
		pragma string
		want   int
	}{{"foreign_keys", 1}, {"synchronous", 2}, {"busy_timeout", 5000}, {"application_id", applicationID}} {
		for name, pool := range map[string]*sql.DB{"writer": db.writer, "reader": db.reader} {
			var got int
			if err := pool.QueryRowContext(t.Context(), "PRAGMA "+test.pragma).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("%s: %s is %d, want %d", name, test.pragma, got, test.want)
			}
		}
	}
	if _, err := db.reader.ExecContext(t.Context(), "DELETE FROM seen"); err == nil {
		t.Error("the reading side can write")
	}
}

func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	db := openAt(t, path)
	b := create(t, db)
	second := openAt(t, path) // beside the first, as other commands do
	got, err := second.Batch(t.Context(), b.Number)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got, sameData); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	letter := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(letter, []byte(strings.Repeat("Dear Sir or Madam, ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	pool, err := sql.Open("sqlite", dsn(other, "immediate", 100, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), "CREATE TABLE cookies (name TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{letter, other} {
		_, err := Open(t.Context(), Config{Path: path, Log: zerolog.Nop()})
		if !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: %v, want ErrNotOurs", filepath.Base(path), err)
		}
	}
}

func TestOpenRefusesANewerDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	db := openAt(t, path)
	_, err := db.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{Path: path, Log: zerolog.Nop()})
	newer, ok := errors.AsType[*NewerError](err)
	if !ok || newer.Have != 99 {
		t.Fatalf("%v, want a *NewerError with 99", err)
	}
}

func TestOpenWithoutADirectory(t *testing.T) {
	_, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "none", "x.db"), Log: zerolog.Nop()})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want one that says that the directory is not there", err)
	}
}

// The states are named in SQL and in Go.
func TestSchemaKnowsTheStates(t *testing.T) {
	raw, err := migrations.ReadFile("migrations/00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	schema := string(raw)
	for _, test := range []struct {
		column string
		want   []string
	}{
		{`state           TEXT NOT NULL CHECK \(state`, names(workflow.States())},
		{`paused_from     TEXT NOT NULL CHECK \(paused_from`, append([]string{""}, names(workflow.States())...)},
		{`state      TEXT NOT NULL CHECK \(state`, names(workflow.ChangeStates())},
	} {
		list := regexp.MustCompile(test.column + ` IN \(([^)]*)\)`).FindStringSubmatch(schema)
		if list == nil {
			t.Errorf("no CHECK for %s", test.column)
			continue
		}
		var got []string
		for _, m := range regexp.MustCompile(`'([a-z_]*)'`).FindAllStringSubmatch(list[1], -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-Go +SQL)\n%s", test.column, diff)
		}
	}
}

func names[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

func TestFullDisk(t *testing.T) {
	db := open(t)
	create(t, db)
	if _, err := db.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // no page more than there are
		t.Fatal(err)
	}
	b := newBatch()
	err := db.Create(t.Context(), b, make([]byte, 1<<20))
	full, ok := errors.AsType[*Error](err)
	if !ok || full.Code != 13 {
		t.Fatalf("%v, want a *Error with SQLITE_FULL", err)
	}
	if list, err := db.List(t.Context(), 0); err != nil || len(list) != 1 {
		t.Errorf("%d batches, %v; want the one from before", len(list), err)
	}
}

func TestContextEndsAWait(t *testing.T) {
	db := open(t)
	b := create(t, db)
	inside, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := db.Update(context.Background(), b.Number, func(*workflow.Batch) error {
			close(inside)
			<-release
			return nil
		})
		ended <- err
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := db.Update(ctx, b.Number, func(*workflow.Batch) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the context", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Several commands may start on a new file at once.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := Open(context.Background(), Config{Path: path, Log: zerolog.Nop()})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
