package sqlite

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What Litestream runs on every database that it replicates (its db.go, versions 0.3 to 0.5).
var litestreamSQL = []string{
	"CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);",
	"CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);",
	"INSERT INTO _litestream_seq (id, seq) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET seq = seq + 1",
}

// Litestream's tables are not ours, and nothing is wrong with them; a copy that was restored has
// them, too. They are named. Everything else that is not ours is found, also when it looks alike.
func TestAuditKnowsLitestream(t *testing.T) {
	t.Parallel()
	path := lived(t)
	tamper(t, path, litestreamSQL...)
	a := audit(t, path)
	if !a.Whole() || !slices.Equal(a.Beside, []string{"_litestream_lock", "_litestream_seq"}) {
		t.Errorf("found %v, beside it %v", a.Findings, a.Beside)
	}
	for name, statement := range map[string]string{
		"a third table":   "CREATE TABLE _litestream_other (id INTEGER)",
		"a table of mine": "CREATE TABLE mine (id INTEGER)",
		"an index":        "CREATE INDEX _litestream_index ON _litestream_seq (seq)",
		"a trigger":       "CREATE TRIGGER _litestream_trigger AFTER INSERT ON _litestream_seq BEGIN DELETE FROM post; END",
		"a view":          "CREATE VIEW _litestream_view AS SELECT 1",
	} {
		t.Run(name, func(t *testing.T) {
			path := lived(t)
			tamper(t, path, append(slices.Clone(litestreamSQL), statement)...)
			a := audit(t, path)
			if len(a.Findings) != 1 || !strings.Contains(a.Findings[0].String(), "none of ours") {
				t.Errorf("found %v", a.Findings)
			}
		})
	}
}

// Litestream may come to a new file before the program does.
func TestOpenWhereLitestreamWasFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "countersign.db")
	pool, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range litestreamSQL {
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}

// SQLite 3.40 takes a table without rowids for damaged whose key is not its first columns, in their
// order (pragma integrity_check).
func TestKeysAreTheFirstColumns(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "countersign.db"))
	rows, err := db.reader.QueryContext(t.Context(), `
		SELECT l.name, c.name, c.cid + 1, c.pk FROM pragma_table_list l, pragma_table_info(l.name) c
		WHERE l.wr AND c.pk > 0 ORDER BY 1, 3`)
	type key struct {
		table, column string
		place, pk     int
	}
	keys, err := collect(rows, err, func(row scanner) (k key, err error) {
		return k, row.Scan(&k.table, &k.column, &k.place, &k.pk)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 5 {
		t.Fatalf("only %d columns of keys", len(keys))
	}
	for _, k := range keys {
		if k.place != k.pk {
			t.Errorf("%s.%s is column %d, and number %d of the key", k.table, k.column, k.place, k.pk)
		}
	}
}
