package sqlite

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

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

func open(t testing.TB) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "countersign.db"))
}

// empty returns the bytes of a new database, which is made once: making one waits for the disk a dozen times.
var empty = sync.OnceValues(func() (raw []byte, err error) {
	dir, err := os.MkdirTemp("", "countersign")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "countersign.db")
	db, err := Open(context.Background(), Config{Path: path, Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// openAt opens a database that is closed at the end of the test. Where no file is, there is an empty database.
func openAt(t testing.TB, path string) *DB {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		raw, err := empty()
		if err == nil {
			err = os.WriteFile(path, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
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
		if !errors.Is(err, store.ErrNotOurs) {
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
	newer, ok := errors.AsType[*store.NewerError](err)
	if !ok || newer.Have != 99 {
		t.Fatalf("%v, want a *store.NewerError with 99", err)
	}
}

// A build from before the first release marked its files otherwise.
func TestOpenRefusesAnEarlierBuild(t *testing.T) {
	for _, mark := range []string{"1668507502", "1668507441", "1668507442"} {
		path := filepath.Join(t.TempDir(), "countersign.db")
		pool, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			"PRAGMA application_id = " + mark, "CREATE TABLE batch (number INTEGER PRIMARY KEY)",
			"CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id INTEGER, is_applied INTEGER, tstamp TIMESTAMP)",
			"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1), (2, 1), (4, 1), (5, 1), (6, 1)",
		} {
			if _, err := pool.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := pool.Close(); err != nil {
			t.Fatal(err)
		}
		for name, open := range map[string]func(context.Context, Config) (*DB, error){"Open": Open, "OpenReadOnly": OpenReadOnly} {
			_, err := open(t.Context(), Config{Path: path, Log: zerolog.Nop()})
			earlier, ok := errors.AsType[*store.EarlierError](err)
			if !ok || earlier.Place != path || !strings.Contains(err.Error(), "move the file away") {
				t.Errorf("%s: %v, want an *EarlierError that says what to do", name, err)
			}
		}
	}
}

// A database keeps the schema that it was made with, so a schema that was changed in place would be taken for another.
func TestSchemaHasItsMark(t *testing.T) {
	const schema, mark = "9a54e11be4f08ec18b1885c16e67cd148a719dae090c58bcfb0adabe1dcb8c6a", 0x63736733
	raw, err := migrations.ReadFile("migrations/00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	if sum := store.HexSum(raw); sum != schema || mark != applicationID {
		t.Errorf("the schema is %s with the mark %#x, and was %s with %#x: give a changed schema the next mark, refuse the one before in "+
			"earlier, and put both here", sum, applicationID, schema, mark)
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
	planned := slices.DeleteFunc(workflow.ChangeStates(), func(s workflow.ChangeState) bool { return s == workflow.ChangeAsked })
	for _, test := range []struct {
		column string
		want   []string
	}{
		{`state           TEXT NOT NULL CHECK \(state`, asText(workflow.States())},
		{`paused_from     TEXT NOT NULL CHECK \(paused_from`, append([]string{""}, asText(workflow.States())...)},
		{`state      TEXT NOT NULL CHECK \(state`, asText(planned)},
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

func asText[S ~string](values []S) []string {
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
	err := db.Create(t.Context(), b, nil, make([]byte, 1<<20), nil)
	full, ok := errors.AsType[*store.Error](err)
	if !ok || full.Fault != store.FaultFull {
		t.Fatalf("%v, want a *Error with SQLITE_FULL", err)
	}
	if list, err := db.List(t.Context(), 0); err != nil || len(list) != 1 {
		t.Errorf("%d batches, %v; want the one from before", len(list), err)
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
