package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
)

// auditFile looks at the file itself: the schema with its triggers, and SQLite's own check of pages
// and indexes, without which a query could be led past a row.
func (db *DB) auditFile(ctx context.Context, a *store.Audited) error {
	want, err := freshSchema(ctx)
	if err != nil {
		return fmt.Errorf("make an empty database to compare with: %w", err)
	}
	return db.read(ctx, "audit the file", func(tx *sql.Tx) error {
		have, err := schema(ctx, tx)
		if err != nil {
			return err
		}
		compareSchema(want, have, a)
		rows, err := tx.QueryContext(ctx, "PRAGMA integrity_check(10)")
		said, err := collect(rows, err, func(row scanner) (s string, err error) {
			err = row.Scan(&s)
			return s, err
		})
		for _, s := range said {
			if s != "ok" {
				a.Find(store.Finding{What: "SQLite finds the file damaged: " + s})
			}
		}
		return err
	})
}

// litestreamTables are what Litestream, which copies a SQLite database while it is written, makes
// in every database that it looks after (https://litestream.io/how-it-works). They hold a counter
// and nothing of ours; all else that is not ours is found.
var litestreamTables = []string{"_litestream_lock", "_litestream_seq"}

func compareSchema(want, have map[string]string, a *store.Audited) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch made, there := have[name]; {
		case !there:
			a.Find(store.Finding{What: "the " + name + " is missing from the database: somebody changed its schema"})
		case made != want[name]:
			a.Find(store.Finding{What: "the " + name + " is not as this program makes it: somebody changed the schema"})
		}
		delete(have, name)
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if table, ok := strings.CutPrefix(name, "table "); ok && slices.Contains(litestreamTables, table) {
			a.Beside = append(a.Beside, table)
			continue
		}
		a.Find(store.Finding{What: "the " + name + " in the database is none of ours: somebody changed the schema"})
	}
}

// queryer is what a schema can be read from.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// schema maps names such as "trigger event_stays" to the SQL that made them, for everything that
// has a text.
func schema(ctx context.Context, from queryer) (map[string]string, error) {
	out := map[string]string{}
	rows, err := from.QueryContext(ctx, "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL")
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var name, text string
		err := row.Scan(&name, &text)
		out[name] = text
		return struct{}{}, err
	})
	return out, err
}

// freshSchema returns the schema of a new database.
func freshSchema(ctx context.Context) (map[string]string, error) {
	pool, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return nil, err
	}
	defer func() { _ = pool.Close() }() // nothing was written that counts
	pool.SetMaxOpenConns(1)             // each connection would have a database of its own
	provider, err := migrationsFor(pool, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	if _, err := provider.Up(ctx); err != nil {
		return nil, err
	}
	return schema(ctx, pool)
}

// migrationsFor returns the migrations of this program on a database.
func migrationsFor(pool *sql.DB, log zerolog.Logger) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(gooseLog{log}))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}
