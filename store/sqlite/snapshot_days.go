package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"github.com/countersign/countersign/report"
)

// stripRow is a strip of a population.
type stripRow struct {
	id int64
	lettered
}

// stripsAt calls fn with the strips of a snapshot from one number up to another, in their order. Only
// one row of each is looked at, however many nights there are.
func stripsAt(
	ctx context.Context, tx reading, population report.Population, snapshot, from, to int64, fn func(stripRow) error,
) error {
	rows, err := tx.QueryContext(ctx, `
		WITH RECURSIVE number (n) AS (
			SELECT (SELECT min(strip) FROM snapshot_activity WHERE population = ?1 AND strip >= ?3)
			UNION ALL
			SELECT (SELECT min(strip) FROM snapshot_activity WHERE population = ?1 AND strip > n) FROM number WHERE n < ?4
		)
		SELECT strip, base, days, texts FROM number CROSS JOIN snapshot_activity a
		WHERE n < ?4 AND population = ?1 AND strip = n AND first_snapshot = (
			SELECT max(first_snapshot) FROM snapshot_activity l WHERE l.population = ?1 AND l.strip = n AND l.first_snapshot <= ?2)`,
		population, snapshot, from, to)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var s stripRow
		err := row.Scan(&s.id, &s.base, &s.days, &s.texts)
		if err == nil {
			err = fn(s)
		}
		return struct{}{}, err
	})
	return err
}

// strips returns the numbers of all strips of a population.
func (db *DB) strips(ctx context.Context, population report.Population) (ids []int64, err error) {
	err = db.read(ctx, "look for activity", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			WITH RECURSIVE number (n) AS (
				SELECT (SELECT min(strip) FROM snapshot_activity WHERE population = ?1)
				UNION ALL
				SELECT (SELECT min(strip) FROM snapshot_activity WHERE population = ?1 AND strip > n) FROM number WHERE n IS NOT NULL
			)
			SELECT n FROM number WHERE n IS NOT NULL`, population)
		ids, err = collect(rows, err, func(row scanner) (id int64, err error) {
			err = row.Scan(&id)
			return id, err
		})
		return err
	})
	return ids, err
}

// SnapshotOwners counts the accounts of a snapshot by owner. It reads the strips of owners alone: an
// account that is not in the snapshot has no letter in them.
func (db *DB) SnapshotOwners(ctx context.Context, id int64) (owners map[string]int, err error) {
	err = db.read(ctx, fmt.Sprintf("count the owners in snapshot %d", id), func(tx *sql.Tx) error {
		s, err := snapshotIn(ctx, tx, id)
		if err != nil {
			return err
		}
		owners = map[string]int{"": s.Figures[report.FigureAccounts]}
		days := newActivity()
		rows, err := tx.QueryContext(ctx, `
			WITH RECURSIVE block (n) AS (
				SELECT 0
				UNION ALL
				SELECT n + 1 FROM block WHERE n < (SELECT max(strip) >> ?3 FROM snapshot_activity WHERE population = ?1)
			)
			SELECT a.base, a.days, a.texts FROM block CROSS JOIN snapshot_activity a
			WHERE a.population = ?1 AND a.strip = (n << ?3) + ?4 AND a.first_snapshot = (
				SELECT max(first_snapshot) FROM snapshot_activity l
				WHERE l.population = ?1 AND l.strip = (n << ?3) + ?4 AND l.first_snapshot <= ?2)`,
			s.Population, id, slotBits, ownerSlot)
		_, err = collect(rows, err, func(row scanner) (struct{}, error) {
			var l lettered
			if err := row.Scan(&l.base, &l.days, &l.texts); err != nil {
				return struct{}{}, err
			}
			marks, err := days.read(l)
			if err != nil {
				return struct{}{}, err
			}
			for _, m := range marks {
				if m != noMark {
					owners[days.word(m)]++
					owners[""]--
				}
			}
			return struct{}{}, nil
		})
		return err
	})
	if owners[""] == 0 {
		delete(owners, "")
	}
	return owners, err
}

// storeActivity writes the strips in which something is different.
func (t *taking) storeActivity(ctx context.Context) (w work, stop func()) {
	next, stop := iter.Pull2(t.differentStrips(ctx))
	added := &insertion{
		into: "snapshot_activity (population, first_snapshot, strip, base, days, texts)", shared: []any{t.population, t.id}, own: 4,
	}
	return work{func(ctx context.Context, tx *writing) (bool, error) {
		s, err, more := next()
		if err != nil || !more || s == nil {
			return more, err
		}
		return true, added.add(ctx, tx, s.id, s.base, s.days, s.texts)
	}, added.flush}, stop
}

// differentStrips returns the strips that are not as they stand, and nil after each block of them, so that a walk that finds
// none can be left, too.
func (t *taking) differentStrips(ctx context.Context) iter.Seq2[*stripRow, error] {
	return func(yield func(*stripRow, error) bool) {
		slots := productSlot + t.width
		for block := 0; block*stripPlaces < len(t.seen); block++ {
			stood := map[int64]lettered{}
			err := t.db.read(ctx, "read activity", func(tx *sql.Tx) error {
				return stripsAt(ctx, tx, t.population, t.before, strip(block, 0), strip(block+1, 0), func(s stripRow) error {
					stood[s.id], slots = s.lettered, max(slots, int(s.id-strip(block, 0))+1)
					return nil
				})
			})
			if err == nil {
				err = t.keepOwners(block, stood[strip(block, ownerSlot)])
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for slot := range slots {
				id := strip(block, slot)
				now := lettered{texts: "[]"}
				if s := t.days.strips[id]; s != nil {
					now = t.days.spell(s)
				}
				before, was := stood[id]
				if now != before && (was || now.days != "") && !yield(&stripRow{id, now}, nil) {
					return
				}
			}
			if !yield(nil, nil) {
				return
			}
		}
	}
}

// keepOwners has accounts whose owner was not read keep the one that is known.
func (t *taking) keepOwners(block int, stood lettered) error {
	if stood.days == "" {
		return nil
	}
	owners, err := t.days.read(stood)
	if err != nil {
		return err
	}
	id := strip(block, ownerSlot)
	now := t.days.strips[id]
	if now == nil {
		now = new([stripPlaces]mark)
		t.days.strips[id] = now
	}
	for i, m := range owners {
		if place := block*stripPlaces + i; now[i] == noMark && place < len(t.seen) && t.seen[place]&(stands|listed) == stands|listed {
			now[i] = m
		}
	}
	return nil
}
