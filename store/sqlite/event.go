package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

const entryColumns = "seq, at, batch, row, actor, kind, data, prev, hash"

// LogEvent writes down what belongs to no change of a batch: a refused click, a start of the
// program.
func (db *DB) LogEvent(ctx context.Context, e workflow.Event) error {
	return db.gather(ctx, "log an event", func(ctx context.Context, tx *writing) error {
		_, err := addEvents(ctx, tx, []workflow.Event{e}, nil)
		return err
	})
}

// addEvents appends to the chain, and gives its new head. The last of the events carries the proof.
// The transaction is immediate, so that nobody else can take the next number.
func addEvents(ctx context.Context, tx *writing, events []workflow.Event, p *store.Checksum) (store.Head, error) {
	head, err := tx.head(ctx)
	if err != nil || len(events) == 0 {
		return head, err
	}
	for i, e := range events {
		if e.At.IsZero() {
			e.At = time.Now()
		}
		var proved *store.Checksum
		if i == len(events)-1 {
			proved = p
		}
		told, err := store.Facts(e, proved)
		if err != nil {
			return head, fmt.Errorf("encode the facts of event %s: %w", e.Kind, err)
		}
		line := store.Entry{
			Seq: head.Seq + 1, At: e.At.UTC().Format(store.MomentForm), Batch: e.Batch, Row: int64(e.Row), Actor: e.Actor,
			Kind: e.Kind, Data: told, Prev: head.Hash,
		}
		head = store.Head{Seq: line.Seq, Hash: line.Sum()}
		_, err = tx.ExecContext(ctx, "INSERT INTO event ("+entryColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", line.Seq, line.At, line.Batch, line.Row, line.Actor, line.Kind, line.Data,
			line.Prev, head.Hash)
		if err != nil {
			return head, err
		}
	}
	tx.now.head, tx.now.ahead = &head, true
	return head, nil
}

// head returns the end of the log; it is read only where it is not known.
func (w *writing) head(ctx context.Context) (store.Head, error) {
	if w.now.head != nil {
		return *w.now.head, nil
	}
	return lastHead(ctx, w)
}

// lastHead returns the end of the log. Where the log was cut off behind our back the head that is
// kept apart from it counts: the next event then leaves the gap in the log for ever.
func lastHead(ctx context.Context, tx reading) (head store.Head, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT seq, hash FROM (SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1)
		UNION ALL SELECT seq, hash FROM event_head
		ORDER BY seq DESC LIMIT 1`).Scan(&head.Seq, &head.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return head, err
}

func scanEntry(row scanner) (e store.Entry, err error) {
	err = row.Scan(&e.Seq, &e.At, &e.Batch, &e.Row, &e.Actor, &e.Kind, &e.Data, &e.Prev, &e.Hash)
	return e, err
}
