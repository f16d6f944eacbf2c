package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// Audit runs store.Audit, and checks the file as well, at the same time: its schema with all
// triggers is ours, and its pages and indexes are in order.
func (db *DB) Audit(ctx context.Context, anchors ...store.Head) (store.Audited, error) {
	var file, a store.Audited
	checked := make(chan error, 1)
	go func() { checked <- db.auditFile(ctx, &file) }()
	err := db.read(ctx, "audit the log of events", func(tx *sql.Tx) error { return store.Audit(newSource(ctx, tx), &a, anchors...) })
	err = cmp.Or(<-checked, err)
	a.Beside, a.More = file.Beside, a.More+file.More
	found := a.Findings
	a.Findings = nil
	for _, f := range slices.Concat(file.Findings, found) {
		a.Find(f)
	}
	return a, err
}

// VerifyEvents reads the whole log and returns how many events it has and the hash of the last, or,
// by a *store.ChainError, where one was changed, put in or taken out.
func (db *DB) VerifyEvents(ctx context.Context) (count int64, head string, err error) {
	err = db.read(ctx, "verify the events", func(tx *sql.Tx) error {
		count, head, err = store.VerifyChain(newSource(ctx, tx))
		return err
	})
	return count, head, err
}

// Events calls fn with every event in order, as a line of JSON: what is hashed, with the hash as
// its last member.
func (db *DB) Events(ctx context.Context, fn func(line []byte) error) error {
	return db.read(ctx, "export the events", func(tx *sql.Tx) error { return eachEvent(ctx, tx, 0, fn) })
}

// eachEvent walks through the log, or through that of one batch.
func eachEvent(ctx context.Context, tx *sql.Tx, batch int64, fn func(line []byte) error) error {
	for e, err := range newSource(ctx, tx).Entries(batch) {
		if err != nil {
			return err
		}
		if err := fn(e.Line()); err != nil {
			return err
		}
	}
	return nil
}

// LogHead returns the head of the log as it is now.
func (db *DB) LogHead(ctx context.Context) (head store.Head, err error) {
	err = db.read(ctx, "read the head of the log", func(tx *sql.Tx) error {
		head, err = lastHead(ctx, tx)
		return err
	})
	return head, err
}

// source is what an audit reads of the database, in one transaction.
type source struct {
	ctx  context.Context //nolint:containedctx // it lives as long as the transaction, which is one call
	tx   *sql.Tx
	rows *seenRows
}

func newSource(ctx context.Context, tx *sql.Tx) source { return source{ctx, tx, &seenRows{}} }

// seenRows is what was seen of the rows of a batch while they were read, which is not done twice.
type seenRows struct {
	batch  int64
	found  []store.Finding
	counts map[countGroup]int
}

func (s source) Entries(batch int64) iter.Seq2[store.Entry, error] {
	query, args := "SELECT "+entryColumns+" FROM event ORDER BY seq", []any(nil)
	if batch != 0 {
		query, args = "SELECT "+entryColumns+" FROM event WHERE batch = ? ORDER BY seq", []any{batch}
	}
	return func(yield func(store.Entry, error) bool) {
		rows, err := s.tx.QueryContext(s.ctx, query, args...)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
		for rows.Next() {
			if e, err := scanEntry(rows); !yield(e, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(store.Entry{}, err)
		}
	}
}

func (s source) Heads() ([]store.Head, error) {
	return s.heads("SELECT seq, hash FROM event_head ORDER BY seq DESC")
}

func (s source) ReportHeads() ([]store.Head, error) {
	return s.heads("SELECT log_seq, log_hash FROM report_run WHERE log_seq > 0 ORDER BY id")
}

func (s source) heads(query string) ([]store.Head, error) {
	rows, err := s.tx.QueryContext(s.ctx, query)
	return collect(rows, err, func(row scanner) (h store.Head, err error) {
		err = row.Scan(&h.Seq, &h.Hash)
		return h, err
	})
}

func (s source) Numbers() (have []int64, last int64, err error) {
	rows, err := s.tx.QueryContext(s.ctx, "SELECT number FROM batch ORDER BY number")
	have, err = collect(rows, err, func(row scanner) (n int64, err error) {
		err = row.Scan(&n)
		return n, err
	})
	if err != nil {
		return nil, 0, err
	}
	last, err = lastNumber(s.ctx, s.tx)
	return have, last, err
}

func (s source) LastEvents() (map[int64]int64, error) {
	last := map[int64]int64{}
	rows, err := s.tx.QueryContext(s.ctx, "SELECT number, ifnull((SELECT max(seq) FROM event WHERE batch = number), 0) FROM batch")
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var number, seq int64
		err := row.Scan(&number, &seq)
		last[number] = seq
		return struct{}{}, err
	})
	return last, err
}

func (s source) Orphans() ([]store.Finding, error) {
	rows, err := s.tx.QueryContext(s.ctx, `
		SELECT 'a plan of a row that was not asked for' AS what, batch, row FROM change WHERE id NOT IN (SELECT id FROM request_row)
		ORDER BY 2, 3`)
	unasked, err := collect(rows, err, func(row scanner) (f store.Finding, err error) {
		err = row.Scan(&f.What, &f.Batch, &f.Row)
		return f, err
	})
	if err != nil {
		return nil, err
	}
	rows, err = s.tx.QueryContext(s.ctx, `
		SELECT 'a request', batch, 0 FROM request_file WHERE batch NOT IN (SELECT number FROM batch)
		UNION ALL SELECT 'a decision', batch, 0 FROM decision WHERE batch NOT IN (SELECT number FROM batch)
		UNION ALL SELECT 'a row', batch, row FROM request_row WHERE batch NOT IN (SELECT number FROM batch)
		UNION ALL SELECT 'a row', batch, row FROM change WHERE batch NOT IN (SELECT number FROM batch)
		UNION ALL SELECT 'counts', batch, 0 FROM change_count WHERE batch NOT IN (SELECT number FROM batch)
		ORDER BY 2, 3`)
	lost, err := collect(rows, err, func(row scanner) (f store.Finding, err error) {
		var what string
		err = row.Scan(&what, &f.Batch, &f.Row)
		f.What = what + " of a batch that is not there"
		return f, err
	})
	return append(unasked, lost...), err
}

func (s source) Comparisons() iter.Seq2[store.Comparison, error] {
	return func(yield func(store.Comparison, error) bool) {
		rows, err := s.tx.QueryContext(s.ctx, `
			SELECT number, delivery, person, author, at, file_name, sha256, bytes, bytes IS NOT NULL FROM comparison ORDER BY number`)
		if err != nil {
			yield(store.Comparison{}, err)
			return
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
		for rows.Next() {
			var c store.Comparison
			err := rows.Scan(&c.Number, &c.Delivery, &c.Person, &c.Author, &c.At, &c.File, &c.SHA256, &c.Bytes, &c.Kept)
			if !yield(c, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(store.Comparison{}, err)
		}
	}
}

func (s source) Batch(number int64) (*workflow.Batch, error) { return loadBatch(s.ctx, s.tx, number) }

func (s source) Request(number int64) (sha256 string, original []byte, kept bool, err error) {
	err = s.tx.QueryRowContext(s.ctx, "SELECT sha256, bytes, bytes IS NOT NULL FROM request_file WHERE batch = ?", number).
		Scan(&sha256, &original, &kept)
	if errors.Is(err, sql.ErrNoRows) {
		err = workflow.ErrNoBatch
	}
	return sha256, original, kept, err
}

func (s source) Changes(number int64, after, limit int) ([]workflow.Change, error) {
	if s.rows.batch != number || after < 0 {
		*s.rows = seenRows{batch: number, counts: map[countGroup]int{}}
	}
	asked, planned := (&askedRow{}).columns(), changeAll(&workflow.Change{})
	rows, err := s.tx.QueryContext(s.ctx, selectChanges+" WHERE r.id > ?1 AND r.id < ?2 ORDER BY r.id LIMIT ?3",
		rowID(number, max(after, -1)), rowID(number+1, 0), limit)
	raw, into := blank(slices.Concat([]column{{name: "row"}}, asked, planned))
	scan := scanChange(number)
	return collect(rows, err, func(row scanner) (workflow.Change, error) {
		if err := row.Scan(into...); err != nil {
			return workflow.Change{}, err
		}
		c, err := scan(rawRow(raw))
		if err != nil {
			return c, err
		}
		wrong, err := differing(raw[1:len(asked)+1], toStore(c.Asked).columns())
		if err == nil && wrong == "" && c.State != workflow.ChangeAsked {
			s.rows.counts[groupOf(&c)]++
			wrong, err = differing(raw[len(asked)+1:], changeAll(&c))
		}
		if wrong != "" {
			what := "its " + wrong + " is spelled otherwise than it was written"
			s.rows.found = append(s.rows.found, store.Finding{Batch: number, Row: c.Row, What: what})
		}
		return c, err
	})
}

func (s source) Misspelled(b *workflow.Batch, each func(store.Finding)) error {
	wrong, err := s.misspelled("batch WHERE number = ?1", batchAll(b), b.Number)
	if err != nil {
		return err
	}
	if wrong != "" {
		each(store.Finding{Batch: b.Number, What: "its " + wrong + " is spelled otherwise than it was written"})
	}
	for i := range b.Decisions {
		seq := i + 1
		columns := append([]column{{"seq", &seq}}, decisionAll(&b.Decisions[i])...)
		wrong, err := s.misspelled("decision WHERE batch = ?1 ORDER BY seq LIMIT 1 OFFSET ?2", columns, b.Number, i)
		if err != nil {
			return err
		}
		if wrong != "" {
			each(store.Finding{Batch: b.Number, What: "the " + wrong + " of a decision is spelled otherwise than it was written"})
		}
	}
	if s.rows.batch != b.Number {
		return fmt.Errorf("batch %d: its rows were not read", b.Number)
	}
	for _, f := range s.rows.found {
		each(f)
	}
	return s.miscounted(b.Number, s.rows.counts, each)
}

// misspelled compares the columns of a row with what this program would write for what was read
// from them, and returns the first that differs.
func (s source) misspelled(from string, columns []column, args ...any) (name string, err error) {
	raw, into := blank(columns)
	err = s.tx.QueryRowContext(s.ctx, "SELECT "+names(columns)+" FROM "+from, args...).Scan(into...)
	if err != nil {
		return "", err
	}
	return differing(raw, columns)
}

// blank returns as many values as there are columns, and the places that a scan fills.
func blank(columns []column) (raw, into []any) {
	raw, into = make([]any, len(columns)), make([]any, len(columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	return raw, into
}

func differing(raw []any, columns []column) (name string, err error) {
	for i, c := range columns {
		if i >= len(raw) {
			return c.name, nil
		}
		want, err := c.value()
		if err != nil {
			return "", fmt.Errorf("spell %s: %w", c.name, err)
		}
		if raw[i] != want {
			return c.name, nil
		}
	}
	return "", nil
}

// miscounted compares how many changes there are of each kind with what is kept of it.
func (s source) miscounted(number int64, want map[countGroup]int, each func(store.Finding)) error {
	rows, err := s.tx.QueryContext(s.ctx, "SELECT state, action, code, effect, n FROM change_count WHERE batch = ?", number)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var g countGroup
		var n int
		err := row.Scan(&g.state, &g.action, &g.code, &g.effect, &n)
		if n != want[g] {
			each(store.Finding{Batch: number, What: "its changes are not as many as was counted"})
		}
		delete(want, g)
		return struct{}{}, err
	})
	for range want {
		each(store.Finding{Batch: number, What: "its changes are not as many as was counted"})
	}
	return err
}

// rawRow is a row of a query as the driver gave it.
type rawRow []any

// Scan gives the values to the places of scanChange.
func (r rawRow) Scan(dest ...any) error {
	for i, d := range dest {
		if err := scanRaw(r[i], d); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

func scanRaw(value, dest any) error {
	switch d := dest.(type) {
	case sql.Scanner:
		return d.Scan(value)
	case *int:
		n, ok := value.(int64)
		if !ok {
			return fmt.Errorf("it is a %T", value)
		}
		*d = int(n)
		return nil
	}
	return orNothing{dest}.Scan(value)
}
