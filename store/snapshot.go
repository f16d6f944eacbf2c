package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

var _ report.Store = (*DB)(nil)

// staged is how many accounts are gathered before they are written to the staging table: the lock is held for an instant
// only while the network is waited for, and memory for these alone is needed.
const staged = 500

// TakeSnapshot reads the sequence into the staging table, bit by bit, and makes a snapshot of it in one transaction when
// it came to its end. What a crash or an error leaves in the staging table is wiped by the next one.
func (db *DB) TakeSnapshot(
	ctx context.Context, name string, at time.Time, members iter.Seq2[workflow.Member, error],
) (report.Snapshot, error) {
	if !db.taking.TryLock() {
		return report.Snapshot{}, report.ErrBusy
	}
	defer db.taking.Unlock()
	if err := db.write(ctx, "begin a snapshot", wipeStaging(ctx)); err != nil {
		return report.Snapshot{}, err
	}
	page := make([]workflow.Member, 0, staged)
	for m, err := range members {
		if err != nil {
			return report.Snapshot{}, fmt.Errorf("read the managed accounts: %w", err)
		}
		if page = append(page, m); len(page) == cap(page) {
			if err := db.stage(ctx, page); err != nil {
				return report.Snapshot{}, err
			}
			page = page[:0]
		}
	}
	if err := db.stage(ctx, page); err != nil {
		return report.Snapshot{}, err
	}
	snapshot := report.Snapshot{Report: name, At: at}
	err := db.write(ctx, "take a snapshot", func(tx *sql.Tx) error {
		if err := settle(ctx, tx, &snapshot); err != nil {
			return err
		}
		return wipeStaging(ctx)(tx)
	})
	if err != nil {
		return report.Snapshot{}, err
	}
	return snapshot, nil
}

func wipeStaging(ctx context.Context) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM snapshot_staging")
		return err
	}
}

// stage writes accounts to the staging table; one that comes again takes its own place.
func (db *DB) stage(ctx context.Context, members []workflow.Member) error {
	return db.write(ctx, "read the managed accounts", func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `
			INSERT OR REPLACE INTO snapshot_staging
				(account_id, name, email, type, status, billable, products, last_active, activity)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // ends with the transaction anyway
		for _, m := range members {
			sorted := slices.Clone(m.Products)
			report.SortProducts(sorted)
			products, activity := make([][3]string, len(sorted)), make([]string, len(sorted))
			for i, p := range sorted {
				products[i], activity[i] = [3]string{p.Key, p.Name, p.URL}, p.LastActive
			}
			_, err := insert.ExecContext(ctx, m.ID, m.Name, m.Email, m.Type, string(m.Status), m.Billable, text(products),
				m.LastActive, text(activity))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// settle turns what was staged into a snapshot: an interval ends with the snapshot before where the account has changed or
// is gone, and begins with this one where it is new or has changed. Accounts that are as they were cost nothing.
func settle(ctx context.Context, tx *sql.Tx, snapshot *report.Snapshot) error {
	var before int64
	err := tx.QueryRowContext(ctx, "SELECT ifnull(max(id), 0) FROM snapshot").Scan(&before)
	if err != nil {
		return err
	}
	err = tx.QueryRowContext(ctx, `
		INSERT INTO snapshot (taken_at, report, accounts, active, inactive, billable)
		SELECT ?, ?, count(*), count(*) FILTER (WHERE status = ?), count(*) FILTER (WHERE status = ?),
			count(*) FILTER (WHERE billable)
		FROM snapshot_staging WHERE true
		RETURNING id, accounts, active, inactive, billable`,
		when(snapshot.At), snapshot.Report, workflow.StatusActive, workflow.StatusInactive).
		Scan(&snapshot.ID, &snapshot.Accounts, &snapshot.Active, &snapshot.Inactive, &snapshot.Billable)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`UPDATE snapshot_account AS a SET last_snapshot = ?
			WHERE last_snapshot IS NULL AND NOT EXISTS (
				SELECT 1 FROM snapshot_staging s
				WHERE s.account_id = a.account_id AND s.name = a.name AND s.email = a.email AND s.type = a.type
					AND s.status = a.status AND s.billable = a.billable AND s.products = a.products)`, []any{before}},
		{
			`INSERT INTO snapshot_account
				(account_id, first_snapshot, last_snapshot, name, email, type, status, billable, products)
			SELECT account_id, ?, NULL, name, email, type, status, billable, products FROM snapshot_staging s
			WHERE NOT EXISTS (
				SELECT 1 FROM snapshot_account a WHERE a.account_id = s.account_id AND a.last_snapshot IS NULL)`,
			[]any{snapshot.ID},
		},
		{`INSERT INTO member (account_id) SELECT account_id FROM snapshot_staging WHERE true ON CONFLICT DO NOTHING`, nil},
		{`UPDATE snapshot_activity AS v SET last_snapshot = ?
			WHERE last_snapshot IS NULL AND NOT EXISTS (
				SELECT 1 FROM member m JOIN snapshot_staging s ON s.account_id = m.account_id
				WHERE m.id = v.member AND s.last_active = v.last_active AND s.activity = v.products)`, []any{before}},
		{
			`INSERT INTO snapshot_activity (member, first_snapshot, last_snapshot, last_active, products)
			SELECT m.id, ?, NULL, s.last_active, s.activity
			FROM snapshot_staging s JOIN member m ON m.account_id = s.account_id
			WHERE NOT EXISTS (SELECT 1 FROM snapshot_activity v WHERE v.member = m.id AND v.last_snapshot IS NULL)`,
			[]any{snapshot.ID},
		},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// SnapshotMembers gives back the accounts of a snapshot by account id. It reads one state of the database throughout and
// occupies one of its few readers until the sequence ends.
func (db *DB) SnapshotMembers(ctx context.Context, id int64) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		stopped := errors.New("nobody reads on")
		err := db.read(ctx, fmt.Sprintf("read snapshot %d", id), func(tx *sql.Tx) error {
			var there bool
			err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM snapshot WHERE id = ?)", id).Scan(&there)
			if err != nil {
				return err
			}
			if !there {
				return report.ErrNoSnapshot
			}
			rows, err := tx.QueryContext(ctx, `
				SELECT account_id, name, email, type, status, billable, last_active, products, products_last_active
				FROM snapshot_row WHERE snapshot = ? ORDER BY account_id`, id)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
			for rows.Next() {
				m, err := scanMember(rows)
				if err != nil {
					return err
				}
				if !yield(m, nil) {
					return stopped
				}
			}
			return rows.Err()
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(workflow.Member{}, err)
		}
	}
}

func scanMember(row scanner) (workflow.Member, error) {
	m := workflow.Member{Account: workflow.Account{Managed: true}}
	var products, activity string
	err := row.Scan(&m.ID, &m.Name, &m.Email, &m.Type, &m.Status, &m.Billable, &m.LastActive, &products, &activity)
	if err != nil {
		return m, err
	}
	if products == "[]" {
		return m, nil
	}
	var names [][3]string
	var active []string
	if err := json.Unmarshal([]byte(products), &names); err != nil {
		return m, fmt.Errorf("read the products of %s: %w", m.ID, err)
	}
	if err := json.Unmarshal([]byte(activity), &active); err != nil {
		return m, fmt.Errorf("read the activity of %s: %w", m.ID, err)
	}
	if len(active) != len(names) {
		return m, fmt.Errorf("read the activity of %s: of %d products for %d", m.ID, len(active), len(names))
	}
	m.Products = make([]workflow.Product, len(names))
	for i, n := range names {
		m.Products[i] = workflow.Product{Key: n[0], Name: n[1], URL: n[2], LastActive: active[i]}
	}
	return m, nil
}

// KeepSnapshots drops the snapshots of a report from before the oldest of its newest nights (report_run.date, so that a
// night with a second run by hand is one night), and then the rows that no snapshot needs any more.
func (db *DB) KeepSnapshots(ctx context.Context, name string, nights int) (dropped int, err error) {
	err = db.write(ctx, "drop old snapshots", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			DELETE FROM snapshot
			WHERE report = ?1 AND id < (SELECT max(id) FROM snapshot) AND id < (
				SELECT min(snapshot) FROM report_run
				WHERE report = ?1 AND snapshot IS NOT NULL AND date IN (
					SELECT DISTINCT date FROM report_run
					WHERE report = ?1 AND snapshot IS NOT NULL ORDER BY date DESC LIMIT ?2))
			RETURNING id`, name, max(nights, 1))
		ids, err := collect(rows, err, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
		if err != nil {
			return err
		}
		dropped = len(ids)
		for _, id := range ids {
			if err := sweep(ctx, tx, id); err != nil {
				return err
			}
		}
		if dropped == 0 {
			return nil
		}
		_, err = tx.ExecContext(ctx, `
			DELETE FROM member WHERE NOT EXISTS (SELECT 1 FROM snapshot_account a WHERE a.account_id = member.account_id)`)
		return err
	})
	return dropped, err
}

// sweep deletes the intervals that lie in the gap that a dropped snapshot left: between the snapshots before and after
// it there is none that could need them.
func sweep(ctx context.Context, tx *sql.Tx, dropped int64) error {
	var before, after int64
	err := tx.QueryRowContext(ctx, `
		SELECT ifnull((SELECT max(id) FROM snapshot WHERE id < ?1), 0), (SELECT min(id) FROM snapshot WHERE id > ?1)`,
		dropped).Scan(&before, &after)
	if err != nil {
		return err
	}
	for _, table := range []string{"snapshot_activity", "snapshot_account"} {
		_, err := tx.ExecContext(ctx,
			"DELETE FROM "+table+" WHERE last_snapshot > ?1 AND last_snapshot < ?2 AND first_snapshot > ?1", before, after)
		if err != nil {
			return err
		}
	}
	return nil
}
