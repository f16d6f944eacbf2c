package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// ChainError says where the log of events is not what was written.
type ChainError struct {
	Seq  int64
	What string
}

func (e *ChainError) Error() string { return fmt.Sprintf("event %d: %s", e.Seq, e.What) }

// entry is an event as it is hashed. The hash covers everything but itself, and by Prev all that came before.
type entry struct {
	Seq   int64
	At    time.Time
	Batch int64
	Row   int
	Actor string
	Kind  string
	Data  string // canonical JSON
	Prev  string // the hash before, "" for the first
}

// hash is the SHA-256, in hex, of the entry's canonical JSON.
func (e entry) hash() (string, error) {
	object := map[string]any{
		"seq":   e.Seq,
		"at":    e.At.UTC().Format(momentForm),
		"batch": e.Batch,
		"row":   e.Row,
		"actor": e.Actor,
		"kind":  e.Kind,
		"data":  json.RawMessage(e.Data),
		"prev":  e.Prev,
	}
	raw, err := canonical(object)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// canonical spells JSON in one way: keys sorted, no white space, numbers as they were, nothing escaped that need not be
// but U+2028 and U+2029 (encoding/json).
func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// LogEvent writes down what belongs to no change of a batch: a refused click, a start of the program.
func (db *DB) LogEvent(ctx context.Context, e workflow.Event) error {
	return db.write(ctx, "log an event", func(tx *sql.Tx) error { return addEvents(ctx, tx, []workflow.Event{e}) })
}

// addEvents appends to the chain. The transaction is immediate, so that nobody else can take the next number.
func addEvents(ctx context.Context, tx *sql.Tx, events []workflow.Event) error {
	if len(events) == 0 {
		return nil
	}
	var seq int64
	var prev string
	err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").Scan(&seq, &prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO event (seq, at, batch, row, actor, kind, data, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // ends with the transaction anyway
	for _, e := range events {
		if e.At.IsZero() {
			e.At = time.Now()
		}
		if e.Data == nil {
			e.Data = json.RawMessage("{}")
		}
		facts, err := canonical(e.Data)
		if err != nil {
			return fmt.Errorf("encode the facts of event %s: %w", e.Kind, err)
		}
		seq++
		line := entry{
			Seq: seq, At: e.At, Batch: e.Batch, Row: e.Row, Actor: e.Actor, Kind: e.Kind, Data: string(facts), Prev: prev,
		}
		hash, err := line.hash()
		if err != nil {
			return fmt.Errorf("hash event %s: %w", e.Kind, err)
		}
		_, err = insert.ExecContext(ctx, line.Seq, when(line.At), line.Batch, line.Row, line.Actor, line.Kind, line.Data,
			line.Prev, hash)
		if err != nil {
			return err
		}
		prev = hash
	}
	return nil
}

// VerifyEvents reads the whole log and says how many events it has and the hash of the last, or, by a *ChainError, where
// one was changed, put in or taken out. That the end was cut off can only be seen from outside, by that last hash.
func (db *DB) VerifyEvents(ctx context.Context) (count int64, head string, err error) {
	err = db.read(ctx, "verify the events", func(tx *sql.Tx) error {
		count, head = 0, ""
		rows, err := tx.QueryContext(ctx,
			"SELECT seq, at, batch, row, actor, kind, data, prev, hash FROM event ORDER BY seq")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
		for rows.Next() {
			var e entry
			var hash string
			err := rows.Scan(&e.Seq, moment{&e.At}, &e.Batch, &e.Row, &e.Actor, &e.Kind, &e.Data, &e.Prev, &hash)
			if err != nil {
				return err
			}
			want, err := e.hash()
			switch {
			case e.Seq != count+1:
				return &ChainError{Seq: e.Seq, What: fmt.Sprintf("comes after event %d; what stood between is missing", count)}
			case e.Prev != head:
				return &ChainError{Seq: e.Seq, What: "does not follow from the event before it"}
			case err != nil || want != hash:
				return &ChainError{Seq: e.Seq, What: "is not what was written"}
			}
			count, head = e.Seq, hash
		}
		return rows.Err()
	})
	return count, head, err
}
