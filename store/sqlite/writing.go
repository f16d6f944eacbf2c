package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"fmt"
	"slices"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// batchesKnown is how many batches the writer keeps in memory.
const batchesKnown = 16

// writing is a transaction that writes. What it has in common with the ones before it is not read
// anew: the head of the log, and the batches that were written last. Their revisions, the counts of
// their changes and the head are written once, when it ends.
type writing struct {
	*sql.Conn
	db     *DB
	kept   known // with the writes that came to their end
	now    known // with the write that is under way
	marked bool  // there is a savepoint to go back to
	foul   bool  // a write failed: all is to be read again afterwards
}

// known is what the writer knows of the database beside what is on disk. A copy is independent as
// long as what it points to is replaced and not changed.
type known struct {
	version int64 // of the file, which grows when another program writes it
	head    *store.Head
	batches []*standing   // the last one used stands last
	counts  []changeCount // still to be added
	ahead   bool          // the head is still to be written
}

// standing is a batch as it is stored, with its decisions.
type standing struct {
	batch  *workflow.Batch // not to be changed, nor given away
	behind bool            // as stored
	ahead  bool            // its revision is still to be written
}

// changeCount is how many changes more, or fewer, a batch has of a kind.
type changeCount struct {
	batch int64
	group countGroup
	n     int
}

// countGroup is what changes are counted by.
type countGroup struct {
	state  workflow.ChangeState
	action workflow.ActionName
	code   workflow.ReasonCode
	effect string
}

func (k known) clone() known {
	k.batches, k.counts = slices.Clone(k.batches), slices.Clone(k.counts)
	return k
}

// beginWriting begins a transaction, with what is known from before if the file is as we left it.
func (db *DB) beginWriting(ctx context.Context) (*writing, error) {
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writing{Conn: conn, db: db}
	if _, err := w.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		w.rollback(ctx)
		return nil, err
	}
	var version int64
	if err := w.QueryRowContext(ctx, dataVersion).Scan(&version); err != nil {
		w.rollback(ctx)
		return nil, err
	}
	if db.known.version == version {
		w.kept = db.known
	}
	w.kept.version = version
	db.known = known{} // until this is committed
	return w, nil
}

// mark begins a write, which undo takes back alone where there are others.
func (w *writing) mark(ctx context.Context, others bool) (err error) {
	w.now, w.marked = w.kept.clone(), false
	if others {
		_, err = w.ExecContext(ctx, "SAVEPOINT member")
		w.marked = err == nil
	}
	return err
}

// keep ends a write that came to its end.
func (w *writing) keep(ctx context.Context) error {
	if w.marked {
		if _, err := w.ExecContext(ctx, "RELEASE member"); err != nil {
			return err
		}
	}
	w.kept = w.now
	return nil
}

// undo takes back the write under way. An error means that the others in the transaction are gone,
// too.
func (w *writing) undo(ctx context.Context) error {
	w.foul = true
	if !w.marked {
		return nil // there are no others
	}
	_, err := w.ExecContext(ctx, "ROLLBACK TO member")
	return err
}

// commit writes what was put off and commits.
func (w *writing) commit(ctx context.Context) error {
	err := w.flush(ctx, &w.kept)
	if err == nil {
		_, err = w.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		w.rollback(ctx)
		return err
	}
	if !w.foul {
		w.db.known = w.kept
	}
	_ = w.Close() // it gives the connection back, and has nothing to tell
	return nil
}

// rollback ends the transaction with nothing left of it. A connection that has none any more, or
// cannot end it, is not used again.
func (w *writing) rollback(ctx context.Context) {
	if _, err := w.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
		_ = w.Raw(func(any) error { return sqldriver.ErrBadConn }) // that is how a connection is given up
	}
	_ = w.Close() // it gives the connection back, and has nothing to tell
}

// settle writes what was put off, for a write that looks at the tables themselves.
func (w *writing) settle(ctx context.Context) error { return w.flush(ctx, &w.now) }

// flush writes what was put off.
func (w *writing) flush(ctx context.Context, k *known) error {
	for i, s := range k.batches {
		if !s.ahead {
			continue
		}
		statement := "UPDATE batch SET revision = ? WHERE number = ?"
		if !s.behind {
			statement = "UPDATE batch SET revision = ?, behind = 1 WHERE number = ?"
		}
		if _, err := w.ExecContext(ctx, statement, s.batch.Revision, s.batch.Number); err != nil {
			return err
		}
		k.batches[i] = &standing{batch: s.batch, behind: true}
	}
	for _, c := range k.counts {
		if err := w.addCount(ctx, c); err != nil {
			return err
		}
	}
	k.counts = nil
	if k.ahead {
		_, err := w.ExecContext(ctx, `INSERT INTO event_head (one, seq, hash) VALUES (1, ?, ?)
			ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`, k.head.Seq, k.head.Hash)
		if err != nil {
			return err
		}
		k.ahead = false
	}
	return nil
}

// addCount writes how many changes more or fewer there are of a kind.
func (w *writing) addCount(ctx context.Context, c changeCount) error {
	key := []any{c.n, c.batch, string(c.group.state), string(c.group.action), string(c.group.code), c.group.effect}
	switch {
	case c.n < 0:
		result, err := w.ExecContext(ctx, `UPDATE change_count SET n = n + ?1
			WHERE batch = ?2 AND state = ?3 AND action = ?4 AND code = ?5 AND effect = ?6`, key...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, fmt.Errorf("batch %d: its changes were not counted", c.batch))
		}
	case c.n > 0:
		_, err := w.ExecContext(ctx, `INSERT INTO change_count (n, batch, state, action, code, effect) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (batch, state, action, code, effect) DO UPDATE SET n = n + excluded.n`, key...)
		return err
	}
	return nil
}

// count puts off that a batch has so many changes more of the kind of a change.
func (w *writing) count(number int64, c *workflow.Change, n int) {
	group := groupOf(c)
	for i := range w.now.counts {
		if have := &w.now.counts[i]; have.batch == number && have.group == group {
			have.n += n
			return
		}
	}
	w.now.counts = append(w.now.counts, changeCount{number, group, n})
}

// groupOf returns what a change is counted by.
func groupOf(c *workflow.Change) countGroup {
	return countGroup{c.State, c.Action, c.Reason.Code, store.EffectsText(c.Effects)}
}

// standing returns the batch as it is stored; it is read only where it is not known.
func (w *writing) standing(ctx context.Context, number int64) (*standing, error) {
	for i, s := range w.now.batches {
		if s.batch.Number == number {
			w.now.batches = append(slices.Delete(w.now.batches, i, i+1), s)
			return s, nil
		}
	}
	b, err := loadBatch(ctx, w, number)
	if err != nil {
		return nil, err
	}
	s := &standing{batch: b}
	if err := w.QueryRowContext(ctx, "SELECT behind FROM batch WHERE number = ?", number).Scan(&s.behind); err != nil {
		return nil, err
	}
	w.stand(s)
	return s, nil
}

// stand takes in how a batch is stored from now on.
func (w *writing) stand(s *standing) {
	w.now.batches = slices.DeleteFunc(w.now.batches, func(o *standing) bool { return o.batch.Number == s.batch.Number })
	if i := slices.IndexFunc(w.now.batches, func(o *standing) bool { return !o.ahead }); len(w.now.batches) >= batchesKnown && i >= 0 {
		w.now.batches = slices.Delete(w.now.batches, i, i+1)
	}
	w.now.batches = append(w.now.batches, s)
}

// forget has a batch read again.
func (w *writing) forget(number int64) {
	w.now.batches = slices.DeleteFunc(w.now.batches, func(o *standing) bool { return o.batch.Number == number })
}

// touch raises the revision of a batch.
func (w *writing) touch(ctx context.Context, number int64) error {
	s, err := w.standing(ctx, number)
	if err == nil {
		w.stand(s.raised())
	}
	return err
}

// raised returns the batch with its next revision.
func (s *standing) raised() *standing {
	b := *s.batch
	b.Revision++
	return &standing{batch: &b, behind: s.behind, ahead: true}
}
