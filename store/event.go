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
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
)

// entry is an event as it stands in the log. The hash covers everything but itself, and by Prev all that came before.
type entry struct {
	Seq   int64
	At    string // momentForm
	Batch int64
	Row   int64
	Actor string
	Kind  string
	Data  string // canonical JSON
	Prev  string // the hash before, "" for the first
	Hash  string
}

const entryColumns = "seq, at, batch, row, actor, kind, data, prev, hash"

// text is what is hashed: the entry without its hash as JSON with its keys sorted and no white space. The facts stand in
// it as they are stored, to the letter, so that nothing about them can be changed.
func (e entry) text() []byte {
	out := make([]byte, 0, 160+len(e.Data))
	out = append(out, `{"actor":`...)
	out = append(out, quote(e.Actor)...)
	out = append(out, `,"at":`...)
	out = append(out, quote(e.At)...)
	out = append(out, `,"batch":`...)
	out = strconv.AppendInt(out, e.Batch, 10)
	out = append(out, `,"data":`...)
	out = append(out, e.Data...)
	out = append(out, `,"kind":`...)
	out = append(out, quote(e.Kind)...)
	out = append(out, `,"prev":`...)
	out = append(out, quote(e.Prev)...)
	out = append(out, `,"row":`...)
	out = strconv.AppendInt(out, e.Row, 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, e.Seq, 10)
	return append(out, '}')
}

// sum is the SHA-256, in hex, of the text.
func (e entry) sum() string { return hexSum(e.text()) }

func hexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func quote(s string) string { return text(s) }

// canonical spells a value in one way: keys sorted, no white space, numbers as they were, nothing escaped that need not be
// but U+2028 and U+2029 (encoding/json).
func canonical(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// facts is the canonical form of an event's facts, with what the event proves of the tables where there is such.
func facts(e workflow.Event, p *proof) (string, error) {
	object := map[string]any{}
	if len(e.Data) > 0 {
		dec := json.NewDecoder(bytes.NewReader(e.Data))
		dec.UseNumber()
		if err := dec.Decode(&object); err != nil {
			return "", err
		}
	}
	if !p.empty() {
		object[proofMember] = p
	}
	return canonical(object)
}

// Head is where the log of events ended at some moment. Somebody who keeps one elsewhere can prove later that the log
// still has all that it had then.
type Head struct {
	Seq  int64
	Hash string
}

// LogEvent writes down what belongs to no change of a batch: a refused click, a start of the program.
func (db *DB) LogEvent(ctx context.Context, e workflow.Event) error {
	return db.write(ctx, "log an event", func(tx *sql.Tx) error {
		_, err := addEvents(ctx, tx, []workflow.Event{e}, nil)
		return err
	})
}

// addEvents appends to the chain, and gives its new head. The last of the events carries the proof. The transaction is
// immediate, so that nobody else can take the next number.
func addEvents(ctx context.Context, tx *sql.Tx, events []workflow.Event, p *proof) (Head, error) {
	head, err := lastHead(ctx, tx)
	if err != nil || len(events) == 0 {
		return head, err
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO event ("+entryColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return head, err
	}
	defer func() { _ = insert.Close() }() // ends with the transaction anyway
	for i, e := range events {
		if e.At.IsZero() {
			e.At = time.Now()
		}
		var proved *proof
		if i == len(events)-1 {
			proved = p
		}
		told, err := facts(e, proved)
		if err != nil {
			return head, fmt.Errorf("encode the facts of event %s: %w", e.Kind, err)
		}
		line := entry{
			Seq: head.Seq + 1, At: e.At.UTC().Format(momentForm), Batch: e.Batch, Row: int64(e.Row), Actor: e.Actor,
			Kind: e.Kind, Data: told, Prev: head.Hash,
		}
		head = Head{Seq: line.Seq, Hash: line.sum()}
		_, err = insert.ExecContext(ctx, line.Seq, line.At, line.Batch, line.Row, line.Actor, line.Kind, line.Data,
			line.Prev, head.Hash)
		if err != nil {
			return head, err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO event_head (one, seq, hash) VALUES (1, ?, ?)
		ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`, head.Seq, head.Hash)
	return head, err
}

// lastHead is the end of the log. Where the log was cut off behind our back the head that is kept apart from it counts:
// the next event then leaves the gap in the log for ever.
func lastHead(ctx context.Context, tx *sql.Tx) (head Head, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT seq, hash FROM (SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1)
		UNION ALL SELECT seq, hash FROM event_head
		ORDER BY seq DESC LIMIT 1`).Scan(&head.Seq, &head.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return head, err
}

func scanEntry(row scanner) (e entry, err error) {
	err = row.Scan(&e.Seq, &e.At, &e.Batch, &e.Row, &e.Actor, &e.Kind, &e.Data, &e.Prev, &e.Hash)
	return e, err
}
