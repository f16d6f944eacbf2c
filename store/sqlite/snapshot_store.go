package sqlite

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// store writes what is different, and then the row of the snapshot, with which it is there. Where
// little is different, all of it is one transaction.
func (t *taking) store(ctx context.Context, s report.Snapshot) (report.Snapshot, error) {
	s.ID, s.Figures = t.id, t.figures()
	addresses := t.db.spool("addresses", spoolInPieces)
	defer addresses.close()
	gone, err := t.gone(ctx)
	if err != nil {
		return report.Snapshot{}, err
	}
	accounts, stopAccounts := t.storeAccounts(addresses)
	defer stopAccounts()
	who, stopAddresses := storeAddresses(addresses)
	defer stopAddresses()
	strips, stopStrips := t.storeActivity(ctx)
	defer stopStrips()
	err = t.db.inPieces(ctx, "take a snapshot", once(t.note), once(t.storeProducts), accounts, who, t.storeGone(gone), strips,
		once(func(ctx context.Context, tx *writing) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO snapshot (id, taken_at, read_at, report, population, figures) VALUES (?, ?, ?, ?, ?, ?)",
				s.ID, when(s.At), when(s.Read), s.Report, s.Population, document{&s.Figures})
			if err != nil {
				return err
			}
			return t.end(ctx, tx)
		}))
	if err != nil {
		return report.Snapshot{}, err
	}
	return s, nil
}

// note notes that rows of the snapshot are being written.
func (t *taking) note(ctx context.Context, tx *writing) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO snapshot_begun (population, id) VALUES (?, ?) ON CONFLICT DO UPDATE SET id = excluded.id",
		t.population, t.id)
	return err
}

// storeProducts writes the products that are new.
func (t *taking) storeProducts(ctx context.Context, tx *writing) error {
	for i, p := range t.products.list[t.products.stored:] {
		_, err := tx.ExecContext(ctx, "INSERT INTO snapshot_product (id, key, name, url) VALUES (?, ?, ?, ?)",
			t.products.stored+i+1, p.Key, p.Name, p.URL)
		if err != nil {
			return err
		}
	}
	return nil
}

// moveAccount writes down how an account was until the snapshot before.
const moveAccount = `
	INSERT INTO snapshot_account_past
		(population, account_id, first_snapshot, last_snapshot, place, name, email, type, status, billable, products)
	SELECT population, account_id, first_snapshot, ?2, place, name, email, type, status, billable, products
	FROM snapshot_account WHERE population = ?1 AND account_id = ?3`

// storeAccounts writes the accounts that are new or different, and gathers who has which address.
func (t *taking) storeAccounts(addresses *spool) (w work, stop func()) {
	t.accounts.sort() // before anybody waits for it
	next, stop := iter.Pull2(t.accounts.sorted())
	added := &insertion{
		into:   "snapshot_account (population, first_snapshot, account_id, place, name, email, type, status, billable, products)",
		shared: []any{t.population, t.id}, own: 8,
	}
	step := func(ctx context.Context, tx *writing) (bool, error) {
		r, err, more := next()
		if err != nil || !more {
			return false, err
		}
		a, err := accountOf(r)
		if err == nil && a.email != "" && t.population == report.ManagedPopulation {
			t.buffer = append(append(append(t.buffer[:0], workflow.AddressKey(a.email)...), 0), a.id...)
			err = addresses.add(t.buffer, nil)
		}
		if err != nil {
			return false, err
		}
		if t.seen[a.place]&stands != 0 {
			return true, t.change(ctx, tx, a)
		}
		return true, added.add(ctx, tx, a.id, a.place, a.name, a.email, a.kind, a.status, a.billable, a.products)
	}
	return work{step, added.flush}, stop
}

// change writes how an account is from now on, where that is different.
func (t *taking) change(ctx context.Context, tx *writing, a account) error {
	result, err := tx.ExecContext(ctx, moveAccount+" AND (name, email, type, status, billable, products) <> (?4, ?5, ?6, ?7, ?8, ?9)",
		t.population, t.before, a.id, a.name, a.email, a.kind, a.status, a.billable, a.products)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE snapshot_account SET first_snapshot = ?, name = ?, email = ?, type = ?, status = ?, billable = ?, products = ?
		WHERE population = ? AND account_id = ?`,
		t.id, a.name, a.email, a.kind, a.status, a.billable, a.products, t.population, a.id)
	return err
}

// storeAddresses writes who has which address, in their order.
func storeAddresses(addresses *spool) (w work, stop func()) {
	next, stop := iter.Pull2(addresses.sorted())
	added := &insertion{into: "snapshot_address (key, account_id)", own: 2, tail: " ON CONFLICT DO NOTHING"}
	return work{func(ctx context.Context, tx *writing) (bool, error) {
		r, err, more := next()
		if err != nil || !more {
			return false, err
		}
		key, id, _ := strings.Cut(string(r.key), "\x00")
		return true, added.add(ctx, tx, key, id)
	}, added.flush}, stop
}

// gone returns the accounts that stand and did not come.
func (t *taking) gone(ctx context.Context) (gone []string, err error) {
	if !slices.ContainsFunc(t.seen, func(s seen) bool { return s&(stands|listed) == stands }) {
		return nil, nil
	}
	err = t.db.standing(ctx, t.population, func(row *standingRow) error {
		if t.seen[row.place]&(stands|listed) == stands {
			gone = append(gone, string(row.id))
		}
		return nil
	})
	return gone, err
}

// storeGone writes down which accounts are no longer there.
func (t *taking) storeGone(gone []string) work {
	return each(gone, func(ctx context.Context, tx *writing, id string) error {
		if _, err := tx.ExecContext(ctx, moveAccount, t.population, t.before, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM snapshot_account WHERE population = ? AND account_id = ?", t.population, id)
		return err
	})
}
