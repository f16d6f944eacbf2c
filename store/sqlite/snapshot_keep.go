package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// pin keeps the night of a report's run for a batch that was drafted from it.
func pin(ctx context.Context, tx *writing, batch, run int64) error {
	if run == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO snapshot_pin (snapshot, batch) SELECT snapshot, ?1 FROM report_run WHERE id = ?2 AND snapshot IS NOT NULL`, batch, run)
	return err
}

// KeepSnapshots gives up the snapshots of a report from before the oldest of its newest nights
// (report_run.date, so that a night with a second run by hand is one night) and drops what nobody else
// needs. The rows that no snapshot needs any more, what was told of the nights that were given up, and
// events from before all nights go after that, some at a time; what a crash leaves of them goes the
// next time.
func (db *DB) KeepSnapshots(ctx context.Context, name string, nights int) (dropped int, err error) {
	var oldest int64
	err = db.write(ctx, "drop old snapshots", func(ctx context.Context, tx *writing) error {
		err := tx.QueryRowContext(ctx, `
			SELECT ifnull(min(snapshot), 0) FROM report_run
			WHERE report = ?1 AND snapshot IS NOT NULL AND date IN (
				SELECT DISTINCT date FROM report_run
				WHERE report = ?1 AND snapshot IS NOT NULL ORDER BY date DESC LIMIT ?2)`, name, max(nights, 1)).Scan(&oldest)
		if err == nil {
			dropped, err = giveUp(ctx, tx, name, oldest)
		}
		return err
	})
	if err == nil {
		err = db.sweep(ctx)
	}
	if err == nil {
		err = db.forgetTold(ctx, name, oldest)
	}
	if err == nil {
		err = db.forgetEvents(ctx)
	}
	return dropped, err
}

// giveUp drops the snapshots alone, of those before the oldest that the report keeps.
func giveUp(ctx context.Context, tx *writing, name string, oldest int64) (int, error) {
	// All this before the report's runs give up what they stand on.
	result, err := tx.ExecContext(ctx, `
		INSERT INTO snapshot_dropped (id, population)
		SELECT s.id, s.population FROM snapshot s
		WHERE s.id < ?2 AND s.id < (SELECT max(n.id) FROM snapshot n WHERE n.population = s.population)
			AND (s.report = ?1 OR EXISTS (SELECT 1 FROM report_run r WHERE r.snapshot = s.id AND r.report = ?1))
			AND NOT EXISTS (SELECT 1 FROM report_run r WHERE r.snapshot = s.id AND r.report <> ?1)
			AND NOT EXISTS (
				SELECT 1 FROM changes_told t JOIN report_run r ON r.report = t.report AND r.snapshot = t.snapshot
				WHERE t.since = s.id AND (r.report <> ?1 OR r.snapshot >= ?2))
			AND NOT EXISTS (SELECT 1 FROM snapshot_pin p WHERE p.snapshot = s.id)`, name, oldest)
	if err != nil {
		return 0, err
	}
	dropped, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE report_run SET snapshot = NULL WHERE report = ?1 AND snapshot < ?2 "+
		"AND snapshot NOT IN (SELECT snapshot FROM snapshot_pin)", name, oldest)
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM snapshot WHERE id IN (SELECT id FROM snapshot_dropped)")
	}
	return int(dropped), err
}

// forgetTold deletes what a report told of nights before the oldest that it keeps. What one of the
// nights since has explained stays with that.
func (db *DB) forgetTold(ctx context.Context, name string, oldest int64) error {
	return db.inPieces(ctx, "forget what was told of old nights",
		someRows("DELETE FROM changes_told WHERE report = ?1 AND snapshot IN ("+
			"SELECT snapshot FROM changes_told WHERE report = ?1 AND snapshot < ?2 LIMIT ?3)", name, oldest),
		someRows("DELETE FROM unexplained WHERE (report, snapshot, account_id, field) IN ("+
			"SELECT report, snapshot, account_id, field FROM unexplained "+
			"WHERE report = ?1 AND snapshot < ?2 AND ifnull(explained, 0) < ?2 LIMIT ?3)", name, oldest))
}

// forgetEvents deletes the events of Atlassian's log that can explain nothing any more: what is
// different between two nights was done since the earlier of them, or since a grace period before it.
func (db *DB) forgetEvents(ctx context.Context) error {
	var oldest time.Time
	err := db.read(ctx, "look for the oldest night", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT min(taken_at) FROM snapshot WHERE population = ''").Scan(moment{&oldest})
	})
	if err != nil || oldest.IsZero() {
		return err
	}
	return db.inPieces(ctx, "forget old events", someRows("DELETE FROM org_event WHERE (subject, at, id) IN ("+
		"SELECT subject, at, id FROM org_event WHERE at < ?1 ORDER BY at LIMIT ?2)", when(oldest.Add(-workflow.GoneAfter))))
}

// someRows is work that deletes rows, some in each step. How many is the last argument of the statement.
func someRows(statement string, args ...any) work {
	args = append(args, sweptTogether)
	return work{step: func(ctx context.Context, tx *writing) (bool, error) {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return false, err
		}
		n, err := result.RowsAffected()
		return n == sweptTogether, err
	}}
}

// gap is where snapshots were dropped: between two snapshots there is none.
type gap struct {
	population    report.Population
	dropped       int64
	before, after int64 // 0: none is before
}

// sweep deletes the rows that lie in the gaps which dropped snapshots left.
func (db *DB) sweep(ctx context.Context) error {
	for {
		g, more, err := db.nextGap(ctx)
		if err != nil || !more {
			return err
		}
		strips, err := db.strips(ctx, g.population)
		if err != nil {
			return err
		}
		err = db.inPieces(ctx, "drop old snapshots", sweepAccounts(g), sweepActivity(g, strips), once(func(ctx context.Context, tx *writing) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM snapshot_dropped WHERE population = ? AND id > ? AND id < ?",
				g.population, g.before, g.after)
			return err
		}))
		if err != nil {
			return err
		}
	}
}

func (db *DB) nextGap(ctx context.Context) (g gap, more bool, err error) {
	err = db.read(ctx, "look for what old snapshots have left", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT population, id, ifnull((SELECT max(id) FROM snapshot s WHERE s.population = d.population AND s.id < d.id), 0),
				(SELECT min(id) FROM snapshot s WHERE s.population = d.population AND s.id > d.id)
			FROM snapshot_dropped d ORDER BY id LIMIT 1`).Scan(&g.population, &g.dropped, &g.before, &g.after)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return g, false, nil
	}
	return g, err == nil, err
}

// sweepAccounts deletes how accounts were in a gap alone, and with it that they had an address which
// they have nowhere else.
func sweepAccounts(g gap) work {
	return work{step: func(ctx context.Context, tx *writing) (bool, error) {
		rows, err := tx.QueryContext(ctx, `
			DELETE FROM snapshot_account_past WHERE (population, account_id, first_snapshot) IN (
				SELECT population, account_id, first_snapshot FROM snapshot_account_past
				WHERE population = ?1 AND last_snapshot > ?2 AND last_snapshot < ?3 AND first_snapshot > ?2 LIMIT ?4)
			RETURNING account_id, email`, g.population, g.before, g.after, sweptTogether)
		gone, err := collect(rows, err, func(row scanner) (v [2]string, err error) {
			err = row.Scan(&v[0], &v[1])
			return v, err
		})
		for _, v := range gone {
			if err == nil && g.population == report.ManagedPopulation {
				err = forgetAddress(ctx, tx, v[0], workflow.AddressKey(v[1]))
			}
		}
		return len(gone) == sweptTogether, err
	}}
}

// sweptTogether is how many rows are deleted in one step.
const sweptTogether = 50

// forgetAddress deletes that an account had an address, unless another row of it has it.
func forgetAddress(ctx context.Context, tx *writing, account, key string) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT email FROM snapshot_account WHERE population = '' AND account_id = ?1
		UNION ALL SELECT email FROM snapshot_account_past WHERE population = '' AND account_id = ?1`, account)
	left, err := collect(rows, err, func(row scanner) (email string, err error) {
		err = row.Scan(&email)
		return email, err
	})
	if err != nil || slices.ContainsFunc(left, func(email string) bool { return workflow.AddressKey(email) == key }) {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM snapshot_address WHERE key = ? AND account_id = ?", key, account)
	return err
}

// sweepActivity deletes the strips that begin in a gap and hold nowhere else.
func sweepActivity(g gap, strips []int64) work {
	return each(strips, func(ctx context.Context, tx *writing, strip int64) error {
		_, err := tx.ExecContext(ctx, `
			DELETE FROM snapshot_activity WHERE population = ?1 AND strip = ?2 AND first_snapshot > ?3 AND first_snapshot < (
				SELECT max(first_snapshot) FROM snapshot_activity WHERE population = ?1 AND strip = ?2 AND first_snapshot <= ?4)`,
			g.population, strip, g.before, g.after)
		return err
	})
}
