package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

const snapshotColumns = "s.id, s.taken_at, s.read_at, s.report, s.population, s.figures"

func scanSnapshot(row scanner) (s report.Snapshot, err error) {
	err = row.Scan(&s.ID, moment{&s.At}, moment{&s.Read}, &s.Report, &s.Population, document{&s.Figures})
	return s, err
}

// ListSnapshots returns the snapshots of the query, the newest first.
func (db *DB) ListSnapshots(ctx context.Context, q report.SnapshotQuery) (list []report.Snapshot, err error) {
	err = db.read(ctx, "list snapshots", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+snapshotColumns+` FROM snapshot s
			WHERE population = ?1 AND (?2 = '' OR s.report = ?2 OR EXISTS (
					SELECT 1 FROM report_run r WHERE r.snapshot = s.id AND r.report = ?2))
				AND (?3 = '' OR EXISTS (
					SELECT 1 FROM report_run r WHERE r.snapshot = s.id AND r.date = ?3 AND (?2 = '' OR r.report = ?2)))
				AND (?4 IS NULL OR taken_at >= ?4) AND (?5 IS NULL OR taken_at < ?5)
			ORDER BY id DESC LIMIT ?6`,
			q.Population, q.Report, q.Date, when(q.Since), when(q.Before), orAll(q.Limit))
		list, err = collect(rows, err, scanSnapshot)
		return err
	})
	return list, err
}

// Snapshot returns one; report.ErrNoSnapshot.
func (db *DB) Snapshot(ctx context.Context, id int64) (s report.Snapshot, err error) {
	err = db.read(ctx, fmt.Sprintf("look up snapshot %d", id), func(tx *sql.Tx) error {
		s, err = snapshotIn(ctx, tx, id)
		return err
	})
	return s, err
}

func snapshotIn(ctx context.Context, tx reading, id int64) (report.Snapshot, error) {
	s, err := scanSnapshot(tx.QueryRowContext(ctx, "SELECT "+snapshotColumns+" FROM snapshot s WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = report.ErrNoSnapshot
	}
	return s, err
}

// rowsOf are the rows of accounts of a snapshot (?2) of a population (?1), the columns to be put in.
// Both tables have them by account id: the indexes by snapshot, which + puts out of use, would find
// them in another order.
const rowsOf = `
	SELECT %[1]s FROM snapshot_account WHERE population = ?1 AND +first_snapshot <= ?2 AND %[2]s
	UNION ALL
	SELECT %[1]s FROM snapshot_account_past WHERE population = ?1 AND +first_snapshot <= ?2 AND +last_snapshot >= ?2 AND %[2]s `

// accountColumns are the columns of an account in both tables.
const accountColumns = "account_id, place, name, email, type, status, billable, products"

// scanAccount reads a row of accountColumns of a population and more; without activity and owner.
func (c *catalogue) scanAccount(population report.Population, row scanner, place *int, more ...any) (m workflow.Member, err error) {
	var products sql.RawBytes
	into := [...]any{&m.ID, place, &m.Name, &m.Email, &m.Type, &m.Status, &m.Billable, &products}
	m.Managed = population == report.ManagedPopulation
	if err = row.Scan(append(into[:], more...)...); err == nil {
		m.Products, err = c.read(string(products))
	}
	return m, err
}

// SnapshotMembers returns the accounts of a snapshot by account id. What it reads of a snapshot is the
// same at any time, so that it holds no transaction while the sequence is used; a snapshot that is
// dropped meanwhile ends it with report.ErrNoSnapshot.
func (db *DB) SnapshotMembers(ctx context.Context, id int64) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		r, err := db.readSnapshot(ctx, id)
		page := make([]workflow.Member, 0, 2*db.inOne.page)
		for last, more := "", true; err == nil && more; {
			if page, last, more, err = r.page(ctx, last, page[:0]); err != nil {
				break
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
		}
		if err != nil {
			yield(workflow.Member{}, err)
		}
	}
}

// membersTogether is how many accounts are read at once of each of the two tables.
const membersTogether = 1000

// snapshotReading is a snapshot that is being read, with what its rows refer to.
type snapshotReading struct {
	db       *DB
	snapshot report.Snapshot
	products catalogue
	days     *activity
}

func (db *DB) readSnapshot(ctx context.Context, id int64) (r *snapshotReading, err error) {
	r = &snapshotReading{db: db, days: newActivity()}
	err = db.read(ctx, fmt.Sprintf("read snapshot %d", id), func(tx *sql.Tx) error {
		if r.snapshot, err = snapshotIn(ctx, tx, id); err != nil {
			return err
		}
		if r.products, err = catalogueIn(ctx, tx); err != nil {
			return err
		}
		return stripsAt(ctx, tx, r.snapshot.Population, id, 0, math.MaxInt64, func(s stripRow) (err error) {
			r.days.strips[s.id], err = r.days.read(s.lettered)
			return err
		})
	})
	return r, err
}

// The rows of accounts of a snapshot (?2) of a population (?1) behind an id (?3), at most so many (?4),
// and, of how they were, up to another id (?5). Each table is asked by itself: SQLite would look for the
// next row of both to tell which comes first, and where a table has none of the snapshot, walk to its
// end for each page.
const (
	standingOf = "SELECT " + accountColumns + ` FROM snapshot_account
		WHERE population = ?1 AND +first_snapshot <= ?2 AND account_id > ?3 ORDER BY account_id LIMIT ?4`
	pastOf = "SELECT " + accountColumns + ` FROM snapshot_account_past
		WHERE population = ?1 AND +first_snapshot <= ?2 AND +last_snapshot >= ?2 AND account_id > ?3 ORDER BY account_id LIMIT ?4`
	pastUpTo = "SELECT " + accountColumns + ` FROM snapshot_account_past
		WHERE population = ?1 AND +first_snapshot <= ?2 AND +last_snapshot >= ?2 AND account_id > ?3 AND account_id <= ?5
		ORDER BY account_id LIMIT ?4`
)

// page appends accounts behind the one with the id last, sorted, and returns up to which id they are
// all there; without more, there are no others.
func (r *snapshotReading) page(ctx context.Context, last string, page []workflow.Member) (_ []workflow.Member, upTo string, more bool, err error) {
	err = r.db.read(ctx, fmt.Sprintf("read snapshot %d", r.snapshot.ID), func(tx *sql.Tx) error {
		if _, err := snapshotIn(ctx, tx, r.snapshot.ID); err != nil {
			return err
		}
		of := []any{r.snapshot.Population, r.snapshot.ID, last, r.db.inOne.page}
		if page, err = r.rows(ctx, tx, page, standingOf, of...); err != nil {
			return err
		}
		standing := len(page)
		query := pastOf
		if more = standing == r.db.inOne.page; more {
			upTo = page[standing-1].ID
			query, of = pastUpTo, append(of, upTo)
		}
		if page, err = r.rows(ctx, tx, page, query, of...); err != nil {
			return err
		}
		if len(page)-standing == r.db.inOne.page { // there may be more of the past before the last that stand
			more, upTo = true, page[len(page)-1].ID
			page = slices.DeleteFunc(page, func(m workflow.Member) bool { return m.ID > upTo })
		}
		return nil
	})
	slices.SortFunc(page, func(a, b workflow.Member) int { return strings.Compare(a.ID, b.ID) })
	return page, upTo, more, err
}

// rows appends the accounts of a query.
func (r *snapshotReading) rows(
	ctx context.Context, tx *sql.Tx, page []workflow.Member, query string, args ...any,
) ([]workflow.Member, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return page, err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	for rows.Next() {
		var place int
		m, err := r.products.scanAccount(r.snapshot.Population, rows, &place)
		if err != nil {
			return page, err
		}
		r.fill(&m, place)
		page = append(page, m)
	}
	return page, rows.Err()
}

// fill puts in what lies in strips.
func (r *snapshotReading) fill(m *workflow.Member, place int) {
	m.LastActive, m.Owner = r.days.get(place, activeSlot), r.days.get(place, ownerSlot)
	m.Products = slices.Clone(m.Products)
	for i := range m.Products {
		m.Products[i].LastActive = r.days.get(place, productSlot+i)
	}
}

// SnapshotProducts returns the products that the accounts of a snapshot can use.
func (db *DB) SnapshotProducts(ctx context.Context, id int64) (list []workflow.Product, err error) {
	err = db.read(ctx, fmt.Sprintf("read the products of snapshot %d", id), func(tx *sql.Tx) error {
		s, err := snapshotIn(ctx, tx, id)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT key, name, url FROM snapshot_product WHERE id IN (
				SELECT i.value FROM (SELECT DISTINCT products FROM (`+fmt.Sprintf(rowsOf, "products", "true")+`)) a, json_each(a.products) i)`,
			s.Population, id)
		list, err = collect(rows, err, func(row scanner) (p workflow.Product, err error) {
			err = row.Scan(&p.Key, &p.Name, &p.URL)
			return p, err
		})
		return err
	})
	report.SortProducts(list)
	return list, err
}
