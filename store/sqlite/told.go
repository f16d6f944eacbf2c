package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/countersign/countersign/report"
)

// SaveTold writes what a run of a report of changes tells. Told again, as after a crash, it
// takes the place of what was told before.
func (db *DB) SaveTold(ctx context.Context, c report.Told, unexplained, explained []report.Doubt) error {
	return db.write(ctx, "write down what is different", func(ctx context.Context, tx *writing) error {
		for _, statement := range []string{
			"DELETE FROM unexplained WHERE report = ? AND snapshot = ?",
			"UPDATE unexplained SET explained = NULL, explained_by = '', explained_at = NULL WHERE report = ? AND explained = ?",
			"DELETE FROM changes_told WHERE report = ? AND snapshot = ?",
		} {
			if _, err := tx.ExecContext(ctx, statement, c.Report, c.Snapshot); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO changes_told (report, snapshot, since, notes) VALUES (?, ?, ?, ?)",
			c.Report, c.Snapshot, c.Since, document{&c.Notes})
		if err != nil {
			return err
		}
		for _, d := range unexplained {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO unexplained (report, snapshot, account_id, field, name, email, was, is_now, gained, lost, since, until, read_to)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				c.Report, c.Snapshot, d.AccountID, d.Field, d.Name, d.Email, d.From, d.To, number(d.Gained), number(d.Lost),
				when(d.Differing.Since), when(d.Until), when(d.Read))
			if err != nil {
				return err
			}
		}
		for _, d := range explained {
			_, err := tx.ExecContext(ctx, `
				UPDATE unexplained SET explained = ?, explained_by = ?, explained_at = ?
				WHERE report = ? AND snapshot = ? AND account_id = ? AND field = ?`,
				c.Snapshot, d.By, when(d.At), c.Report, d.Snapshot, d.AccountID, d.Field)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Told returns what a run told.
func (db *DB) Told(ctx context.Context, name string, snapshot int64) (c report.Told, ok bool, err error) {
	c.Report, c.Snapshot = name, snapshot
	err = db.read(ctx, "look up which nights were compared", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT since, notes FROM changes_told WHERE report = ? AND snapshot = ?", name, snapshot).
			Scan(&c.Since, document{&c.Notes})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return c, ok, err
}

const doubtColumns = `u.report, u.snapshot, u.account_id, u.field, u.name, u.email, u.was, u.is_now, u.gained, u.lost, u.since, u.until,
	u.read_to, u.explained_by, u.explained_at`

func scanDoubt(row scanner) (d report.Doubt, err error) {
	err = row.Scan(&d.Report, &d.Snapshot, &d.AccountID, &d.Field, &d.Name, &d.Email, &d.From, &d.To, &d.Gained, &d.Lost,
		moment{&d.Differing.Since}, moment{&d.Until}, moment{&d.Read}, &d.By, moment{&d.At})
	return d, err
}

// OpenDoubts returns the doubts of runs that are done which no done run has explained. What a run told
// or explained that did not come to its end was told to nobody.
func (db *DB) OpenDoubts(ctx context.Context, name string, snapshot int64, after time.Time, limit int) (list []report.Doubt, err error) {
	err = db.read(ctx, "look for what is not explained", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			WITH told (snapshot) AS (SELECT snapshot FROM report_run WHERE report = ?1 AND state = 'done' AND snapshot <> ?2)
			SELECT `+doubtColumns+` FROM unexplained u
			WHERE u.report = ?1 AND u.snapshot IN told AND u.until > ?3 AND (u.explained IS NULL OR u.explained NOT IN told)
			ORDER BY u.snapshot DESC, u.account_id, u.field LIMIT ?4`, name, snapshot, when(after), limit)
		list, err = collect(rows, err, scanDoubt)
		return err
	})
	return list, err
}

// Explained returns the doubts that the run on the snapshot explained.
func (db *DB) Explained(ctx context.Context, name string, snapshot int64) (list []report.Doubt, err error) {
	err = db.read(ctx, "look for what was explained", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+doubtColumns+` FROM unexplained u
			WHERE u.report = ? AND u.explained = ? ORDER BY u.account_id, u.snapshot, u.field`, name, snapshot)
		list, err = collect(rows, err, scanDoubt)
		return err
	})
	return list, err
}

// Corrected returns the doubts of the run on the snapshot that later runs explained.
func (db *DB) Corrected(ctx context.Context, name string, snapshot int64) (list []report.Doubt, err error) {
	err = db.read(ctx, "look for what was explained since", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+doubtColumns+` FROM unexplained u
			WHERE u.report = ?1 AND u.snapshot = ?2
				AND u.explained IN (SELECT snapshot FROM report_run WHERE report = ?1 AND state = 'done')
			ORDER BY u.account_id, u.field`, name, snapshot)
		list, err = collect(rows, err, scanDoubt)
		return err
	})
	return list, err
}
