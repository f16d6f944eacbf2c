package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// findingsAtMost is how many findings an audit lists; one is enough to know, and many tell the kind of it.
const findingsAtMost = 100

// ChainError says where the log of events is not what was written.
type ChainError struct {
	Seq  int64
	What string
}

func (e *ChainError) Error() string { return fmt.Sprintf("event %d: %s", e.Seq, e.What) }

// Finding is one thing that an audit found wrong.
type Finding struct {
	Seq   int64 // the event, 0 when it is about none
	Batch int64 // 0 when it is about none
	Row   int   // 0 when it is about none
	What  string
}

func (f Finding) String() string {
	var where []string
	if f.Seq != 0 {
		where = append(where, fmt.Sprintf("event %d", f.Seq))
	}
	if f.Batch != 0 {
		where = append(where, fmt.Sprintf("batch %d", f.Batch))
	}
	if f.Row != 0 {
		where = append(where, fmt.Sprintf("row %d", f.Row))
	}
	if len(where) == 0 {
		return f.What
	}
	return strings.Join(where, ", ") + ": " + f.What
}

// Audited is what an audit looked at and found.
type Audited struct {
	Head     Head // the last event
	Batches  int
	Rows     int // of the batches
	Findings []Finding
	More     int // findings that are not listed
}

// Whole says that nothing was found.
func (a Audited) Whole() bool { return len(a.Findings) == 0 }

func (a *Audited) find(f Finding) {
	if len(a.Findings) == findingsAtMost {
		a.More++
		return
	}
	a.Findings = append(a.Findings, f)
}

// Audit reads everything that the log of events can prove, as of one moment, and says what does not hold:
//
//   - the chain: every event is what was written, follows from the one before it, and none is missing up to the head that is
//     kept apart from the log, and up to each of the heads that reports ended with;
//   - the anchors, heads of the log that were kept outside: it still has each of them;
//   - the tables: batches, decisions, plans and what became of every row are what the log says they are, digests are those
//     of the plans, requests have their hashes, and no call went out that enough people had not approved;
//   - the file: its schema with all triggers is ours, and its pages and indexes are in order.
//
// Where the chain is broken the tables are not compared, for they would be compared with nothing.
func (db *DB) Audit(ctx context.Context, anchors ...Head) (a Audited, err error) {
	if err := db.auditFile(ctx, &a); err != nil {
		return a, err
	}
	err = db.read(ctx, "audit the log of events", func(tx *sql.Tx) error { return auditLog(ctx, tx, &a, anchors) })
	return a, err
}

// auditLog looks at the log and, where it is whole, at the tables.
func auditLog(ctx context.Context, tx *sql.Tx, a *Audited, anchors []Head) error {
	inner, err := reportHeads(ctx, tx)
	if err != nil {
		return err
	}
	before := len(a.Findings)
	if err := auditChain(ctx, tx, a, anchors, inner); err != nil {
		return err
	}
	if len(a.Findings) > before {
		return nil
	}
	return auditTables(ctx, tx, a)
}

// VerifyEvents reads the whole log and says how many events it has and the hash of the last, or, by a *ChainError, where
// one was changed, put in or taken out.
func (db *DB) VerifyEvents(ctx context.Context) (count int64, head string, err error) {
	var a Audited
	err = db.read(ctx, "verify the events", func(tx *sql.Tx) error { return auditChain(ctx, tx, &a, nil, nil) })
	if err == nil && !a.Whole() {
		err = &ChainError{Seq: a.Findings[0].Seq, What: a.Findings[0].What}
	}
	return a.Head.Seq, a.Head.Hash, err
}

// auditChain walks through the log from its first event.
func auditChain(ctx context.Context, tx *sql.Tx, a *Audited, anchors, inner []Head) error {
	wanted := anchored{told: map[Head]bool{}}
	wanted.add(anchors, "the log does not have the head that was given")
	wanted.add(inner, "the log does not have the head that a report ended with")
	rows, err := tx.QueryContext(ctx, "SELECT "+entryColumns+" FROM event ORDER BY seq")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return err
		}
		if what := chainFault(e, a.Head); what != "" {
			a.find(Finding{Seq: e.Seq, Batch: e.Batch, What: what})
		}
		a.Head = Head{Seq: e.Seq, Hash: e.Hash}
		wanted.pass(a.Head)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := auditEnd(ctx, tx, a); err != nil {
		return err
	}
	wanted.report(a)
	return nil
}

// chainFault says what is wrong with an event that stands behind the given one.
func chainFault(e entry, before Head) string {
	_, badTime := time.Parse(momentForm, e.At)
	switch {
	case e.Seq != before.Seq+1:
		return fmt.Sprintf("comes after event %d; what stood between is missing", before.Seq)
	case e.Prev != before.Hash:
		return "does not follow from the event before it"
	case e.Hash != e.sum(), badTime != nil, !json.Valid([]byte(e.Data)):
		return "is not what was written"
	}
	return ""
}

// auditEnd compares the end of the log with the head that is kept apart from it.
func auditEnd(ctx context.Context, tx *sql.Tx, a *Audited) error {
	rows, err := tx.QueryContext(ctx, "SELECT seq, hash FROM event_head ORDER BY seq DESC")
	heads, err := collect(rows, err, func(row scanner) (h Head, err error) {
		err = row.Scan(&h.Seq, &h.Hash)
		return h, err
	})
	if err != nil {
		return err
	}
	var kept Head
	if len(heads) > 0 {
		kept = heads[0]
	}
	switch {
	case len(heads) > 1:
		a.find(Finding{Seq: kept.Seq, What: "is one of several ends that are kept apart from the log, where there is one"})
	case kept == a.Head:
	case kept.Seq > a.Head.Seq:
		what := fmt.Sprintf("is missing, and all behind it up to event %d: the log was cut off", kept.Seq)
		a.find(Finding{Seq: a.Head.Seq + 1, What: what})
	default:
		a.find(Finding{Seq: a.Head.Seq, What: "is not the end that was kept apart from the log"})
	}
	return nil
}

// anchored are heads that the log must have.
type anchored struct {
	heads []Head
	what  map[Head]string
	told  map[Head]bool
}

func (w *anchored) add(heads []Head, what string) {
	if w.what == nil {
		w.what = map[Head]string{}
	}
	for _, h := range heads {
		w.heads = append(w.heads, h)
		w.what[h] = what
	}
}

// pass notes an event that the log has. A head may be given by the beginning of its hash, and without its number.
func (w *anchored) pass(have Head) {
	for _, h := range w.heads {
		if (h.Seq == 0 || h.Seq == have.Seq) && strings.HasPrefix(have.Hash, h.Hash) {
			w.told[h] = true
		}
	}
}

func (w *anchored) report(a *Audited) {
	for _, h := range w.heads {
		if !w.told[h] {
			a.find(Finding{Seq: h.Seq, What: fmt.Sprintf("%s (%s…): events were taken away or written anew", w.what[h], cut(h.Hash))})
		}
	}
}

func cut(hash string) string { return hash[:min(len(hash), 12)] }

// reportHeads are the heads that reports ended with.
func reportHeads(ctx context.Context, tx *sql.Tx) ([]Head, error) {
	rows, err := tx.QueryContext(ctx, "SELECT log_seq, log_hash FROM report_run WHERE log_seq > 0 ORDER BY id")
	return collect(rows, err, func(row scanner) (h Head, err error) {
		err = row.Scan(&h.Seq, &h.Hash)
		return h, err
	})
}

// Events calls fn with every event in order, as a line of JSON: what is hashed, with the hash as its last member.
func (db *DB) Events(ctx context.Context, fn func(line []byte) error) error {
	return db.read(ctx, "export the events", func(tx *sql.Tx) error { return eachEvent(ctx, tx, 0, fn) })
}

// eachEvent walks through the log, or through that of one batch.
func eachEvent(ctx context.Context, tx *sql.Tx, batch int64, fn func(line []byte) error) error {
	query, args := "SELECT "+entryColumns+" FROM event ORDER BY seq", []any(nil)
	if batch != 0 {
		query, args = "SELECT "+entryColumns+" FROM event WHERE batch = ? ORDER BY seq", []any{batch}
	}
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return err
		}
		line := e.text()
		line = append(line[:len(line)-1], `,"hash":`+quote(e.Hash)+"}\n"...)
		if err := fn(line); err != nil {
			return err
		}
	}
	return rows.Err()
}

// LogHead is the head of the log as it is now.
func (db *DB) LogHead(ctx context.Context) (head Head, err error) {
	err = db.read(ctx, "read the head of the log", func(tx *sql.Tx) error {
		head, err = lastHead(ctx, tx)
		return err
	})
	return head, err
}
