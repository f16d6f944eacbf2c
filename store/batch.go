package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

var _ workflow.Store = (*DB)(nil)

const batchColumns = `number, org_id, state, revision, requester_id, requester_name, requester_email,
	author_id, author_name, author_email, reason, verb, source, follows, rows, checked, ignored, digest, approvals,
	created, planned, expires, approved, started, ended, stop, paused_from, resumed, ending, link, lines, run, retry, parked,
	why, emergency, traits, dropped`

// Create records a request in state planning, gives it the next number and revision 1. Its delivery counts as seen from
// then on; one that was seen before is workflow.ErrTaken. A batch whose Create failed is not to be used again.
func (db *DB) Create(ctx context.Context, b *workflow.Batch, original []byte) error {
	hash := hexSum(original)
	if b.Source.SHA256 == "" {
		b.Source.SHA256 = hash
	}
	events := b.TakeEvents()
	var number int64
	err := db.write(ctx, "record a request", func(tx *sql.Tx) error {
		if err := takeDelivery(ctx, tx, b); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `
			INSERT INTO batch (org_id, state, revision, requester_id, requester_name, requester_email,
				author_id, author_name, author_email, reason, verb, source, follows, rows, checked, ignored, digest, approvals,
				created, planned, expires, approved, started, ended, stop, paused_from, resumed, ending, link, lines, run, retry,
				parked, why, emergency, traits, dropped)
			VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			RETURNING number`,
			b.OrgID, b.State, b.Requester.ID, b.Requester.Name, b.Requester.Email,
			b.Author.ID, b.Author.Name, b.Author.Email, b.Reason, b.Verb, text(b.Source), follows(b), b.Rows, b.Checked,
			array(b.Ignored), b.Digest, b.Approvals, when(b.Created), when(b.Planned), when(b.Expires), when(b.Approved),
			when(b.Started), when(b.Ended), text(b.Stop), b.PausedFrom, when(b.Resumed), ending(b), b.Link, lines(b),
			max(b.Run, 1), retry(b), parked(b), array(b.Why), b.Emergency, text(b.Traits), array(b.Dropped)).Scan(&number)
		if err != nil {
			return err
		}
		if original == nil {
			original = []byte{} // a nil slice would be NULL, which means deleted
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO request_file (batch, sha256, bytes) VALUES (?, ?, ?)", number, hash, original)
		if err != nil {
			return err
		}
		if err := addDecisions(ctx, tx, number, 0, b.Decisions); err != nil {
			return err
		}
		if err := touchFollowed(ctx, tx, b); err != nil {
			return err
		}
		proved, err := proveBatch(ctx, tx, number, b.State)
		if err != nil {
			return err
		}
		return tell(ctx, tx, number, events, &proof{Batch: proved})
	})
	if err != nil {
		return err
	}
	b.Number, b.Revision, b.Run = number, 1, max(b.Run, 1)
	return nil
}

// Batch loads one batch; workflow.ErrNoBatch when there is none of that number.
func (db *DB) Batch(ctx context.Context, number int64) (b *workflow.Batch, err error) {
	err = db.read(ctx, fmt.Sprintf("load batch %d", number), func(tx *sql.Tx) error {
		b, err = loadBatch(ctx, tx, number)
		return err
	})
	return b, err
}

// List gives the batches in any of the states (all when none is named), newest first, at most limit (0 = all).
func (db *DB) List(ctx context.Context, limit int, states ...workflow.State) (list []*workflow.Batch, err error) {
	err = db.read(ctx, "list batches", func(tx *sql.Tx) error {
		if len(states) == 0 {
			states = workflow.States()
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT `+batchColumns+` FROM batch
			WHERE state IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?`, array(states), orAll(limit))
		if list, err = collect(rows, err, scanBatch); err != nil {
			return err
		}
		return loadDecisions(ctx, tx, list...)
	})
	return list, err
}

// Following gives the batches that were made of the given one, oldest first.
func (db *DB) Following(ctx context.Context, number int64) (list []*workflow.Batch, err error) {
	err = db.read(ctx, fmt.Sprintf("list what follows batch %d", number), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+batchColumns+" FROM batch WHERE follows = ? ORDER BY number", number)
		if list, err = collect(rows, err, scanBatch); err != nil {
			return err
		}
		return loadDecisions(ctx, tx, list...)
	})
	return list, err
}

// Update loads the batch, applies the rule and writes batch, new decisions and events. An error of the rule leaves
// everything as it was and comes back as it is. A batch that ends gives up its holds; one that a rule opens again gets
// none back. A second decision of one person on one digest is workflow.ErrAlready.
func (db *DB) Update(ctx context.Context, number int64, rule func(*workflow.Batch) error) (b *workflow.Batch, err error) {
	err = db.write(ctx, fmt.Sprintf("update batch %d", number), func(tx *sql.Tx) error {
		var p *proof
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		return tell(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Original gives back the bytes of the request; workflow.ErrGone when they were deleted (PruneOriginals).
func (db *DB) Original(ctx context.Context, number int64) (original []byte, err error) {
	err = db.read(ctx, fmt.Sprintf("load the request of batch %d", number), func(tx *sql.Tx) error {
		var kept bool
		err := tx.QueryRowContext(ctx, "SELECT bytes, bytes IS NOT NULL FROM request_file WHERE batch = ?", number).
			Scan(&original, &kept)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return workflow.ErrNoBatch
		case err == nil && !kept:
			return workflow.ErrGone
		}
		return err
	})
	return original, err
}

// PruneOriginals deletes the bytes of the requests of batches that ended before the moment, and says of how many. Their
// hashes and plans stay.
func (db *DB) PruneOriginals(ctx context.Context, before time.Time) (n int, err error) {
	err = db.write(ctx, "delete old requests", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE request_file SET bytes = NULL
			WHERE bytes IS NOT NULL AND batch IN (
				SELECT number FROM batch WHERE ended < ? AND state NOT IN (SELECT value FROM json_each(?)))`,
			when(before), array(openStates()))
		if err != nil {
			return err
		}
		affected, err := result.RowsAffected()
		n = int(affected)
		return err
	})
	return n, err
}

// changeBatch is the inside of every change to a batch: load, rule, write. Its events are still to be written (tell), with
// what the caller adds to the proof.
func changeBatch(
	ctx context.Context, tx *sql.Tx, number int64, rule func(*workflow.Batch) error,
) (*workflow.Batch, *proof, error) {
	b, err := loadBatch(ctx, tx, number)
	if err != nil {
		return nil, nil, err
	}
	before := *b
	before.Decisions = slices.Clone(b.Decisions)
	if err := rule(b); err != nil {
		return nil, nil, err
	}
	if err := saveBatch(ctx, tx, before, b); err != nil {
		return nil, nil, err
	}
	p := &proof{}
	if !sameBatch(before, *b) {
		p.Batch, err = proveBatch(ctx, tx, number, b.State)
	}
	return b, p, err
}

func proveBatch(ctx context.Context, tx *sql.Tx, number int64, state workflow.State) (*batchProof, error) {
	sum, err := batchSum(ctx, tx, number)
	return &batchProof{SHA256: sum, State: state}, err
}

// tell writes the events of a transaction on a batch with the proof of what it did. What no event tells of gets one.
func tell(ctx context.Context, tx *sql.Tx, number int64, events []workflow.Event, p *proof) error {
	if len(events) == 0 && !p.empty() {
		events = []workflow.Event{{Actor: workflow.Bot, Kind: recorded}}
	}
	for i := range events {
		events[i].Batch = number // unknown when a new batch recorded them
	}
	_, err := addEvents(ctx, tx, events, p)
	return err
}

func loadBatch(ctx context.Context, tx *sql.Tx, number int64) (*workflow.Batch, error) {
	b, err := scanBatch(tx.QueryRowContext(ctx, "SELECT "+batchColumns+" FROM batch WHERE number = ?", number))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, workflow.ErrNoBatch
	}
	if err != nil {
		return nil, err
	}
	return b, loadDecisions(ctx, tx, b)
}

func scanBatch(row scanner) (*workflow.Batch, error) {
	var b workflow.Batch
	var follows sql.NullInt64
	err := row.Scan(&b.Number, &b.OrgID, &b.State, &b.Revision, &b.Requester.ID, &b.Requester.Name, &b.Requester.Email,
		&b.Author.ID, &b.Author.Name, &b.Author.Email, &b.Reason, &b.Verb, document{&b.Source}, &follows, &b.Rows,
		&b.Checked, document{&b.Ignored}, &b.Digest, &b.Approvals, moment{&b.Created}, moment{&b.Planned},
		moment{&b.Expires}, moment{&b.Approved}, moment{&b.Started}, moment{&b.Ended}, document{&b.Stop}, &b.PausedFrom,
		moment{&b.Resumed}, document{&b.Ending}, &b.Link, document{&b.Lines}, &b.Run, document{&b.Retry}, document{&b.Parked},
		document{&b.Why}, &b.Emergency, document{&b.Traits}, document{&b.Dropped})
	b.Follows = follows.Int64
	if len(b.Ignored) == 0 {
		b.Ignored = nil
	}
	if len(b.Parked) == 0 {
		b.Parked = nil
	}
	if len(b.Why) == 0 {
		b.Why = nil
	}
	if len(b.Dropped) == 0 {
		b.Dropped = nil
	}
	return &b, err
}

// saveBatch writes what a rule made of a batch, but for its events. A batch that the rule ended gives up its holds.
func saveBatch(ctx context.Context, tx *sql.Tx, before workflow.Batch, b *workflow.Batch) error {
	b.Number, b.Revision = before.Number, before.Revision+1
	_, err := tx.ExecContext(ctx, `
		UPDATE batch SET org_id = ?, state = ?, revision = ?, requester_id = ?, requester_name = ?, requester_email = ?,
			author_id = ?, author_name = ?, author_email = ?, reason = ?, verb = ?, source = ?, follows = ?, rows = ?,
			checked = ?, ignored = ?, digest = ?, approvals = ?, created = ?, planned = ?, expires = ?, approved = ?,
			started = ?, ended = ?, stop = ?, paused_from = ?, resumed = ?, ending = ?, link = ?, lines = ?, run = ?, retry = ?,
			parked = ?, why = ?, emergency = ?, traits = ?, dropped = ?
		WHERE number = ?`,
		b.OrgID, b.State, b.Revision, b.Requester.ID, b.Requester.Name, b.Requester.Email,
		b.Author.ID, b.Author.Name, b.Author.Email, b.Reason, b.Verb, text(b.Source), follows(b), b.Rows, b.Checked,
		array(b.Ignored), b.Digest, b.Approvals, when(b.Created), when(b.Planned), when(b.Expires), when(b.Approved),
		when(b.Started), when(b.Ended), text(b.Stop), b.PausedFrom, when(b.Resumed), ending(b), b.Link, lines(b), b.Run,
		retry(b), parked(b), array(b.Why), b.Emergency, text(b.Traits), array(b.Dropped), b.Number)
	if err != nil {
		return err
	}
	had := len(before.Decisions)
	if len(b.Decisions) < had || !slices.EqualFunc(before.Decisions, b.Decisions[:had], sameDecision) {
		return fmt.Errorf("batch %d: a rule changed a decision that was made", b.Number)
	}
	if err := addDecisions(ctx, tx, b.Number, had, b.Decisions[had:]); err != nil {
		return err
	}
	if before.State.Open() && !b.State.Open() {
		if _, err := tx.ExecContext(ctx, "DELETE FROM hold WHERE batch = ?", b.Number); err != nil {
			return err
		}
	}
	if before.State != b.State {
		return touchFollowed(ctx, tx, b)
	}
	return nil
}

// touchFollowed raises the revision of the batch that this one was made of: its card tells what became of this one.
func touchFollowed(ctx context.Context, tx *sql.Tx, b *workflow.Batch) error {
	if b.Follows == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "UPDATE batch SET revision = revision + 1 WHERE number = ?", b.Follows)
	return err
}

func sameDecision(a, b workflow.Decision) bool {
	return a.Person == b.Person && a.Verdict == b.Verdict && a.Digest == b.Digest && a.Reason == b.Reason && a.At.Equal(b.At)
}

func addDecisions(ctx context.Context, tx *sql.Tx, number int64, had int, decisions []workflow.Decision) error {
	for i, d := range decisions {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO decision (batch, seq, person, name, email, verdict, digest, reason, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			number, had+i+1, d.Person.ID, d.Person.Name, d.Person.Email, d.Verdict, d.Digest, d.Reason, when(d.At))
		if breaksUnique(err) {
			return workflow.ErrAlready
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func loadDecisions(ctx context.Context, tx *sql.Tx, batches ...*workflow.Batch) error {
	of := make(map[int64]*workflow.Batch, len(batches))
	numbers := make([]int64, 0, len(batches))
	for _, b := range batches {
		of[b.Number] = b
		numbers = append(numbers, b.Number)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT batch, person, name, email, verdict, digest, reason, at FROM decision
		WHERE batch IN (SELECT value FROM json_each(?)) ORDER BY batch, seq`, text(numbers))
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var number int64
		var d workflow.Decision
		err := row.Scan(&number, &d.Person.ID, &d.Person.Name, &d.Person.Email, &d.Verdict, &d.Digest, &d.Reason, moment{&d.At})
		if b := of[number]; b != nil && err == nil {
			b.Decisions = append(b.Decisions, d)
		}
		return struct{}{}, err
	})
	return err
}

func follows(b *workflow.Batch) any {
	if b.Follows == 0 {
		return nil
	}
	return b.Follows
}

func ending(b *workflow.Batch) any {
	if b.Ending == nil {
		return nil
	}
	return text(b.Ending)
}

func lines(b *workflow.Batch) any {
	if b.Lines == nil {
		return nil
	}
	return text(b.Lines)
}

func parked(b *workflow.Batch) string {
	if b.Parked == nil {
		return "[]"
	}
	return text(b.Parked)
}

func retry(b *workflow.Batch) any {
	if b.Retry == nil {
		return nil
	}
	return text(b.Retry)
}

// orAll turns "0 = all" into SQLite's "-1 = all".
func orAll(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

func openStates() []workflow.State {
	return slices.DeleteFunc(workflow.States(), func(s workflow.State) bool { return !s.Open() })
}
