package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// seenFor is how long a delivery is remembered: for longer than the bot looks back for what it
// missed (a day).
const seenFor = 48 * time.Hour

const postColumns = "key, ifnull(batch, 0), channel, ts, file, version, sending"

// Post loads what is known of one thing in Slack; ok is false when it was never sent.
func (db *DB) Post(ctx context.Context, key string) (p workflow.Post, ok bool, err error) {
	err = db.read(ctx, "load post "+key, func(tx *sql.Tx) error {
		p, err = scanPost(tx.QueryRowContext(ctx, "SELECT "+postColumns+" FROM post WHERE key = ?", key))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return p, ok, err
}

// SavePost writes a post, in the place of what was known under its key.
func (db *DB) SavePost(ctx context.Context, p workflow.Post) error {
	return db.gather(ctx, "save post "+p.Key, func(ctx context.Context, tx *writing) error {
		had, err := batchOfPost(ctx, tx, p.Key)
		if err != nil {
			return err
		}
		var batch any
		if p.Batch != 0 {
			batch = p.Batch
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO post (key, batch, channel, ts, file, version, sending) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET batch = excluded.batch, channel = excluded.channel, ts = excluded.ts,
				file = excluded.file, version = excluded.version, sending = excluded.sending`,
			p.Key, batch, p.Channel, p.TS, p.File, p.Version, when(p.Sending))
		if err != nil {
			return err
		}
		return lookBehind(ctx, tx, had, p.Batch)
	})
}

// Posts lists the posts of a batch by key; those that belong to none for 0.
func (db *DB) Posts(ctx context.Context, batch int64) (list []workflow.Post, err error) {
	err = db.read(ctx, "list posts", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx,
			"SELECT "+postColumns+" FROM post WHERE batch IS nullif(?, 0) ORDER BY key", batch)
		list, err = collect(rows, err, scanPost)
		return err
	})
	return list, err
}

// DeletePost forgets a post; one that is not known is no error.
func (db *DB) DeletePost(ctx context.Context, key string) error {
	return db.gather(ctx, "forget post "+key, func(ctx context.Context, tx *writing) error {
		had, err := batchOfPost(ctx, tx, key)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM post WHERE key = ?", key); err != nil {
			return err
		}
		return lookBehind(ctx, tx, had)
	})
}

// batchOfPost returns the batch that a post belongs to, 0 for none.
func batchOfPost(ctx context.Context, tx *writing, key string) (number int64, err error) {
	err = tx.QueryRowContext(ctx, "SELECT ifnull((SELECT batch FROM post WHERE key = ?), 0)", key).Scan(&number)
	return number, err
}

// lookBehind finds out anew whether the posts of some batches are behind. An open batch counts as
// one whatever they show, so nothing of it is written.
func lookBehind(ctx context.Context, tx *writing, numbers ...int64) error {
	for _, number := range slices.Compact(numbers) {
		if number == 0 {
			continue
		}
		s, err := tx.standing(ctx, number)
		if err != nil || s.batch.State.Open() {
			return err
		}
		if err := tx.settle(ctx); err != nil {
			return err
		}
		tx.forget(number)
		_, err = tx.ExecContext(ctx, `
			UPDATE batch AS b SET behind = NOT EXISTS (SELECT 1 FROM post p WHERE p.batch = b.number) OR EXISTS (
				SELECT 1 FROM post p WHERE p.batch = b.number AND (p.version < b.revision OR p.sending IS NOT NULL))
			WHERE number = ?`, number)
		if err != nil {
			return err
		}
	}
	return nil
}

func scanPost(row scanner) (p workflow.Post, err error) {
	err = row.Scan(&p.Key, &p.Batch, &p.Channel, &p.TS, &p.File, &p.Version, moment{&p.Sending})
	return p, err
}

// Seen remembers a delivery by its id and reports whether it is the first of that id within two
// days.
func (db *DB) Seen(ctx context.Context, id string, at time.Time) (first bool, err error) {
	err = db.gather(ctx, "remember a delivery", func(ctx context.Context, tx *writing) error {
		first, err = addSeen(ctx, tx, id, at)
		return err
	})
	return first, err
}

// WasSeen reports whether a delivery is remembered.
func (db *DB) WasSeen(ctx context.Context, id string) (seen bool, err error) {
	err = db.read(ctx, "look for a delivery", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM seen WHERE id = ?)", id).Scan(&seen)
	})
	return seen, err
}

func addSeen(ctx context.Context, tx *writing, id string, at time.Time) (first bool, err error) {
	if _, err := tx.ExecContext(ctx, "DELETE FROM seen WHERE at < ?", when(at.Add(-seenFor))); err != nil {
		return false, err
	}
	result, err := tx.ExecContext(ctx, "INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING", id, when(at))
	if err != nil {
		return false, err
	}
	added, err := result.RowsAffected()
	return added > 0, err
}

// takeDelivery remembers what brought a request. What was seen before is not taken again.
func takeDelivery(ctx context.Context, tx *writing, b *workflow.Batch) error {
	if b.Source.Delivery == "" || b.Follows != 0 {
		return nil
	}
	first, err := addSeen(ctx, tx, b.Source.Delivery, b.Created)
	if err == nil && !first {
		err = workflow.ErrTaken
	}
	return err
}

// Revisions returns number and revision of every batch whose posts may be behind: all that are
// open, those that ended and have no post yet, and those that ended and have a post that is being
// sent or shows an older revision. So whoever has looked at a post and found nothing to change
// saves it with the batch's revision as its Version, or will be told again.
func (db *DB) Revisions(ctx context.Context) (revisions map[int64]int64, err error) {
	err = db.read(ctx, "look for posts that are behind", func(tx *sql.Tx) error {
		revisions = map[int64]int64{}
		rows, err := tx.QueryContext(ctx, "SELECT number, revision FROM batch INDEXED BY batch_behind WHERE behind = 1")
		_, err = collect(rows, err, func(row scanner) (struct{}, error) {
			var number, revision int64
			err := row.Scan(&number, &revision)
			revisions[number] = revision
			return struct{}{}, err
		})
		return err
	})
	return revisions, err
}
