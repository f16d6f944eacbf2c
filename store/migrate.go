package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/rs/zerolog"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate refuses what is not ours or newer than we are, and then brings the schema up to date. goose would take a newer
// database without a word.
func (db *DB) migrate(ctx context.Context) error {
	var mark, tables int
	if err := db.writer.QueryRowContext(ctx, "PRAGMA application_id").Scan(&mark); err != nil {
		return err
	}
	if err := db.writer.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	if tables > 0 && mark != applicationID && !db.begun(ctx) {
		return ErrNotOurs
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.writer, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(gooseLog{db.log}))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version
	for {
		have, err := provider.GetDBVersion(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("read the schema's version: %w", err)
		case have > known:
			return &NewerError{Have: have, Known: known}
		case have == known:
			return nil
		}
		if _, err := provider.Up(ctx); err != nil {
			// Perhaps another command on the same new file was faster: then the version has moved on.
			if now, lookErr := provider.GetDBVersion(ctx); lookErr != nil || now == have {
				return fmt.Errorf("bring the schema up to date: %w", err)
			}
		}
	}
}

// begun says whether the file holds nothing but the table of versions: the first start ended before the first migration.
func (db *DB) begun(ctx context.Context) bool {
	var others int
	err := db.writer.QueryRowContext(ctx,
		"SELECT count(*) FROM sqlite_master WHERE tbl_name NOT IN ('goose_db_version', 'sqlite_sequence')").Scan(&others)
	return err == nil && others == 0
}

// gooseLog sends what goose has to say to our log. It never ends the program.
type gooseLog struct{ log zerolog.Logger }

func (g gooseLog) Printf(format string, v ...any) { g.log.Debug().Msgf(format, v...) }

func (g gooseLog) Fatalf(format string, v ...any) { g.log.Error().Msgf(format, v...) }
