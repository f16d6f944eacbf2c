package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// PinSnapshot keeps a snapshot for a batch that points to it.
func (db *DB) PinSnapshot(ctx context.Context, id, batch int64) error {
	return db.write(ctx, "keep a snapshot for a batch", func(ctx context.Context, tx *writing) error {
		if _, err := snapshotIn(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO snapshot_pin (snapshot, batch) VALUES (?, ?) ON CONFLICT DO NOTHING", id, batch)
		return err
	})
}

// KeepSnapshots gives up the snapshots of a report from before the oldest of its newest nights
// (report_run.date, so that a night with a second run by hand is one night) and drops what nobody else
// needs. The rows that no snapshot needs any more go after that, some at a time; what a crash leaves
// of them goes the next time.
func (db *DB) KeepSnapshots(ctx context.Context, name string, nights int) (dropped int, err error) {
	err = db.write(ctx, "drop old snapshots", func(ctx context.Context, tx *writing) error {
		dropped, err = giveUp(ctx, tx, name, max(nights, 1))
		return err
	})
	if err != nil {
		return 0, err
	}
	return dropped, db.sweep(ctx)
}

// giveUp drops the snapshots alone.
func giveUp(ctx context.Context, tx *writing, name string, nights int) (int, error) {
	var oldest int64
	err := tx.QueryRowContext(ctx, `
		SELECT ifnull(min(snapshot), 0) FROM report_run
		WHERE report = ?1 AND snapshot IS NOT NULL AND date IN (
			SELECT DISTINCT date FROM report_run
			WHERE report = ?1 AND snapshot IS NOT NULL ORDER BY date DESC LIMIT ?2)`, name, nights).Scan(&oldest)
	if err != nil {
		return 0, err
	}
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
	_, err = tx.ExecContext(ctx, "UPDATE report_run SET snapshot = NULL WHERE report = ?1 AND snapshot < ?2", name, oldest)
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM snapshot WHERE id IN (SELECT id FROM snapshot_dropped)")
	}
	return int(dropped), err
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

// sweptTogether is how many rows of accounts are deleted in one step.
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
