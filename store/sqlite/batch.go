package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

var _ store.Driver = (*DB)(nil)

// batchNames are the columns of a batch, in the order of batchAll.
var batchNames = names(batchAll(&workflow.Batch{}))

// batchAll returns the columns of a batch: its own, and a group for each of its parts.
func batchAll(b *workflow.Batch) []column {
	return append([]column{
		{"number", &b.Number}, {"org_id", &b.OrgID}, {"state", &b.State}, {"revision", &b.Revision},
	}, batchParts(b)...)
}

// decisionNames are the columns of a decision, in the order of decisionAll.
var decisionNames = names(decisionAll(&workflow.Decision{}))

func decisionAll(d *workflow.Decision) []column {
	return []column{
		{"person", &d.Person.ID},
		{"name", &d.Person.Name},
		{"email", &d.Person.Email},
		{"verdict", &d.Verdict},
		{"digest", &d.Digest},
		{"reason", &d.Reason},
		{"at", moment{&d.At}},
	}
}

func batchParts(b *workflow.Batch) []column {
	return slices.Concat(requestPart(&b.BatchRequest), planPart(&b.BatchPlan), approvalPart(&b.BatchApproval),
		runPart(&b.BatchRun))
}

func requestPart(r *workflow.BatchRequest) []column {
	return []column{
		{"token", &r.Token},
		{"requester_id", &r.Requester.ID},
		{"requester_name", &r.Requester.Name},
		{"requester_email", &r.Requester.Email},
		{"author_id", &r.Author.ID},
		{"author_name", &r.Author.Name},
		{"author_email", &r.Author.Email},
		{"agent", &r.Agent},
		{"reason", &r.Reason},
		{"own_reason", &r.OwnReason},
		{"verb", &r.Verb},
		{"times", document{&r.When}},
		{"source", document{&r.Source}},
		{"follows", reference{&r.Follows}},
		{"link", &r.Link},
		{"rows", &r.Rows},
		{"header", document{&r.Header}},
		{"ignored", document{&r.Ignored}},
		{"created", moment{&r.Created}},
	}
}

func planPart(p *workflow.BatchPlan) []column {
	return []column{
		{"checked", &p.Checked}, {"digest", &p.Digest}, {"traits", document{&p.Traits}}, {"planned", moment{&p.Planned}},
	}
}

func approvalPart(a *workflow.BatchApproval) []column { // decisions have a table of their own
	return []column{
		{"approvals", &a.Approvals},
		{"why", document{&a.Why}},
		{"emergency", &a.Emergency},
		{"dropped", document{&a.Dropped}},
		{"expires", moment{&a.Expires}},
		{"approved", moment{&a.Approved}},
	}
}

func runPart(r *workflow.BatchRun) []column {
	return []column{
		{"started", moment{&r.Started}},
		{"ended", moment{&r.Ended}},
		{"stop", document{&r.Stop}},
		{"paused_from", &r.PausedFrom},
		{"resumed", moment{&r.Resumed}},
		{"resumed_by", document{&r.ResumedBy}},
		{"restarted", document{&r.Restarted}},
		{"run", &r.Run},
		{"released", document{&r.Released}},
		{"over", &r.Over},
		{"retry", document{&r.Retry}},
		{"parked", document{&r.Parked}},
		{"ending", document{&r.Ending}},
	}
}

// Create records a request in state planning, gives it the next number and revision 1. Its delivery
// counts as seen from then on; one that was seen before is workflow.ErrTaken. A batch whose Create
// failed is not to be used again.
func (db *DB) Create(
	ctx context.Context, b *workflow.Batch, rows []workflow.Row, original []byte, rule func(following []*workflow.Batch) error,
) error {
	var number int64
	err := db.writeBatch(ctx, "record a request", func(ctx context.Context, tx *writing) (err error) {
		if err := mayCreate(ctx, tx, b, rule); err != nil {
			return err
		}
		number, err = insertBatch(ctx, tx, b, rows, original)
		return err
	})
	if err != nil {
		return err
	}
	b.Number, b.Revision = number, firstRevision
	return nil
}

// firstRevision is that of a batch as it was asked for.
const firstRevision int64 = 1

// insertBatch writes a request with its events and gives it the next number.
func insertBatch(ctx context.Context, tx *writing, b *workflow.Batch, rows []workflow.Row, original []byte) (number int64, err error) {
	hash := b.Source.SHA256
	if original != nil {
		hash = store.HexSum(original)
	}
	b.Source.SHA256 = hash
	b.Rows, b.Run = len(rows), max(b.Run, 1)
	first := firstRevision
	columns := append([]column{{"org_id", &b.OrgID}, {"state", &b.State}, {"revision", &first}}, batchParts(b)...)
	err = tx.QueryRowContext(ctx, "INSERT INTO batch ("+names(columns)+") VALUES ("+marks(columns)+") RETURNING number",
		places(columns)...).Scan(&number)
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO request_file (batch, sha256, bytes) VALUES (?, ?, ?)", number, hash, original)
	if err != nil {
		return 0, err
	}
	if err := pin(ctx, tx, number, b.Source.Report); err != nil {
		return 0, err
	}
	if err := addRows(ctx, tx, number, rows); err != nil {
		return 0, err
	}
	if err := addDecisions(ctx, tx, number, 0, b.Decisions); err != nil {
		return 0, err
	}
	if err := touchFollowed(ctx, tx, b); err != nil {
		return 0, err
	}
	sum := &store.Checksum{}
	if _, sum.Batch, err = sumBatch(ctx, tx, number); err != nil {
		return 0, err
	}
	sum.Asked = store.SumRows(rows)
	return number, writeEvents(ctx, tx, number, b.TakeEvents(), sum)
}

// bring writes the batches that a rule brought, each with its plan.
func bring(ctx context.Context, tx *writing, all []workflow.Brought) error {
	for _, each := range all {
		rows := make([]workflow.Row, len(each.Changes))
		for i := range each.Changes {
			rows[i] = each.Changes[i].Asked
		}
		number, err := insertBatch(ctx, tx, each.Batch, rows, nil)
		if err != nil {
			return err
		}
		if _, err := savePlan(ctx, tx, number, each.Changes, nil, each.Seal); err != nil {
			return err
		}
	}
	return nil
}

// AddRows gives a batch its rows that was created without any. What the log says was asked for are
// these rows from then on.
func (db *DB) AddRows(ctx context.Context, number int64, rows []workflow.Row) (b *workflow.Batch, err error) {
	err = db.writeBatch(ctx, fmt.Sprintf("record the rows of batch %d", number), func(ctx context.Context, tx *writing) error {
		was, err := tx.standing(ctx, number)
		if err != nil {
			return err
		}
		before := copyOfBatch(was.batch)
		if before.State != workflow.Planning || before.Rows != 0 {
			return workflow.NewStateError(before, workflow.Planning)
		}
		if err := addRows(ctx, tx, number, rows); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE batch SET rows = ? WHERE number = ?", len(rows), number); err != nil {
			return err
		}
		before.Rows = len(rows)
		tx.forget(number)
		b = copyOfBatch(before)
		b.Checked, b.Revision = 0, before.Revision+1
		b.Record(workflow.Event{At: time.Now(), Actor: workflow.Bot, Kind: workflow.EventRows, Data: workflow.EventData(map[string]any{
			"rows": len(rows),
		})})
		if err := saveBatch(ctx, tx, before, b); err != nil {
			return err
		}
		sum := &store.Checksum{Asked: store.SumRows(rows)}
		stored, batchSum, err := sumBatch(ctx, tx, number)
		if err != nil {
			return err
		}
		sum.Batch = batchSum
		tx.stand(&standing{batch: stored, behind: true})
		return writeEvents(ctx, tx, number, b.TakeEvents(), sum)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// mayCreate takes the delivery and asks the rule.
func mayCreate(
	ctx context.Context, tx *writing, b *workflow.Batch, rule func(following []*workflow.Batch) error,
) error {
	if err := takeDelivery(ctx, tx, b); err != nil || rule == nil {
		return err
	}
	following, err := loadFollowing(ctx, tx, b.Follows)
	if err != nil {
		return err
	}
	return rule(following)
}

// Batch loads one batch; workflow.ErrNoBatch when there is none of that number.
func (db *DB) Batch(ctx context.Context, number int64) (b *workflow.Batch, err error) {
	err = db.read(ctx, fmt.Sprintf("load batch %d", number), func(tx *sql.Tx) error {
		b, err = loadBatch(ctx, tx, number)
		return err
	})
	return b, err
}

// List returns the batches in any of the states (all when none is named), newest first, at most
// limit (0 = all).
func (db *DB) List(ctx context.Context, limit int, states ...workflow.State) (list []*workflow.Batch, err error) {
	err = db.read(ctx, "list batches", func(tx *sql.Tx) error {
		if len(states) == 0 {
			states = workflow.States()
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT `+batchNames+` FROM batch
			WHERE state IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?`, array(states), orAll(limit))
		if list, err = collect(rows, err, scanBatch); err != nil {
			return err
		}
		return loadDecisions(ctx, tx, list...)
	})
	return list, err
}

// Following returns the batches that were made of the given one, oldest first.
func (db *DB) Following(ctx context.Context, number int64) (list []*workflow.Batch, err error) {
	err = db.read(ctx, fmt.Sprintf("list what follows batch %d", number), func(tx *sql.Tx) error {
		list, err = loadFollowing(ctx, tx, number)
		return err
	})
	return list, err
}

func loadFollowing(ctx context.Context, tx reading, number int64) ([]*workflow.Batch, error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+batchNames+" FROM batch WHERE follows = ? ORDER BY number", number)
	list, err := collect(rows, err, scanBatch)
	if err != nil {
		return nil, err
	}
	return list, loadDecisions(ctx, tx, list...)
}

// Approve is Update with the accounts that other batches have touched since the moment, read in the
// same transaction.
func (db *DB) Approve(
	ctx context.Context, number int64, since time.Time, rule func(*workflow.Batch, workflow.Touched) error,
) (b *workflow.Batch, err error) {
	err = db.writeBatch(ctx, fmt.Sprintf("approve batch %d", number), func(ctx context.Context, tx *writing) error {
		asked, err := tx.standing(ctx, number)
		if err != nil {
			return err
		}
		var touched workflow.Touched
		people := []string{asked.batch.Requester.ID, asked.batch.Author.ID}
		if touched.Own, err = loadTouched(ctx, tx, since, people, number); err != nil {
			return err
		}
		if touched.All, err = loadTouched(ctx, tx, since, nil, number); err != nil {
			return err
		}
		var sum *store.Checksum
		b, sum, err = changeBatch(ctx, tx, number, func(b *workflow.Batch) error { return rule(b, touched) })
		if err != nil {
			return err
		}
		if err := writeEvents(ctx, tx, number, b.TakeEvents(), sum); err != nil {
			return err
		}
		return bring(ctx, tx, b.TakeBrought())
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Update loads the batch, applies the rule and writes batch, new decisions and events. An error of
// the rule leaves everything as it was and comes back as it is. What the rule brought (Batch.Bring)
// is written with it. A batch that ends gives up its holds; one that a rule opens again gets none
// back. A second decision of one person on one digest
// is workflow.ErrAlready.
func (db *DB) Update(ctx context.Context, number int64, rule func(*workflow.Batch) error) (b *workflow.Batch, err error) {
	err = db.gatherBatch(ctx, fmt.Sprintf("update batch %d", number), func(ctx context.Context, tx *writing) error {
		var p *store.Checksum
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		if err := writeEvents(ctx, tx, number, b.TakeEvents(), p); err != nil {
			return err
		}
		return bring(ctx, tx, b.TakeBrought())
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Original returns the bytes of the request; workflow.ErrGone when they were deleted
// (PruneOriginals).
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

// changeBatch returns the inside of every change to a batch: load, rule, write. Its events are
// still to be written (writeEvents), with what the caller adds to the checksum.
func changeBatch(
	ctx context.Context, tx *writing, number int64, rule func(*workflow.Batch) error,
) (*workflow.Batch, *store.Checksum, error) {
	before, err := tx.standing(ctx, number)
	if err != nil {
		return nil, nil, err
	}
	b := copyOfBatch(before.batch)
	if err := rule(b); err != nil {
		return nil, nil, err
	}
	b.Number, b.Revision = number, before.batch.Revision+1
	same := sameBatch(before.batch, b)
	if same && b.Checked == before.batch.Checked {
		tx.stand(before.raised())
		return b, &store.Checksum{}, nil
	}
	if err := saveBatch(ctx, tx, before.batch, b); err != nil {
		return nil, nil, err
	}
	p := &store.Checksum{}
	stored, sum, err := sumBatch(ctx, tx, number)
	if err != nil {
		return nil, nil, err
	}
	if !same {
		p.Batch = sum
	}
	tx.stand(&standing{batch: stored, behind: true})
	return b, p, nil
}

// sumBatch returns a batch and its checksum as it is stored, not as a rule left it.
func sumBatch(ctx context.Context, tx *writing, number int64) (*workflow.Batch, *store.BatchSum, error) {
	b, err := loadBatch(ctx, tx, number)
	if err != nil {
		return nil, nil, err
	}
	var request string
	err = tx.QueryRowContext(ctx, "SELECT sha256 FROM request_file WHERE batch = ?", number).Scan(&request)
	if err != nil {
		return nil, nil, err
	}
	sum, err := store.SumBatch(b, request)
	return b, sum, err
}

// copyOfBatch shares nothing with the batch that a rule, or whoever it is given to, could write to.
func copyOfBatch(b *workflow.Batch) *workflow.Batch {
	out := *b
	out.TakeEvents()
	out.Header, out.Ignored, out.Why = slices.Clone(b.Header), slices.Clone(b.Ignored), slices.Clone(b.Why)
	out.Decisions, out.Dropped, out.Parked = slices.Clone(b.Decisions), slices.Clone(b.Dropped), slices.Clone(b.Parked)
	out.Stop.Rows = slices.Clone(b.Stop.Rows)
	t := &out.Traits
	t.Actions, t.Domains, t.Groups = slices.Clone(t.Actions), slices.Clone(t.Domains), slices.Clone(t.Groups)
	t.Asked, t.NoGroups, t.Accounts = slices.Clone(t.Asked), slices.Clone(t.NoGroups), maps.Clone(t.Accounts)
	t.AdminChanges, t.Touched = slices.Clone(t.AdminChanges), slices.Clone(t.Touched)
	for i := range t.AdminChanges {
		c := &t.AdminChanges[i]
		c.Domains, c.Groups = slices.Clone(c.Domains), slices.Clone(c.Groups)
	}
	if b.Released != nil {
		released := *b.Released
		out.Released = &released
	}
	if b.ResumedBy != nil {
		resumed := *b.ResumedBy
		out.ResumedBy = &resumed
	}
	if b.Restarted != nil {
		restarted := *b.Restarted
		restarted.Rows = slices.Clone(b.Restarted.Rows)
		out.Restarted = &restarted
	}
	if b.Source.Move != nil {
		move := *b.Source.Move
		move.Except = slices.Clone(move.Except)
		out.Source.Move = &move
	}
	if b.Retry != nil {
		retry := *b.Retry
		out.Retry = &retry
	}
	if b.Ending != nil {
		ending := *b.Ending
		out.Ending = &ending
	}
	return &out
}

// sameBatch reports whether a rule left everything of a batch as it was that a checksum covers.
func sameBatch(before, after *workflow.Batch) bool {
	a, b := *before, *after
	b.Revision, b.Checked = a.Revision, a.Checked
	a.TakeEvents()
	b.TakeEvents()
	return reflect.DeepEqual(a, b)
}

// writeEvents writes the events of a transaction on a batch with the checksum of what it did. What
// no event tells of gets one.
func writeEvents(ctx context.Context, tx *writing, number int64, events []workflow.Event, p *store.Checksum) error {
	if len(events) == 0 && !p.Empty() {
		events = []workflow.Event{{Actor: workflow.Bot, Kind: store.EventRecorded}}
	}
	for i := range events {
		events[i].Batch = number // unknown when a new batch recorded them
	}
	_, err := addEvents(ctx, tx, events, p)
	return err
}

func loadBatch(ctx context.Context, tx reading, number int64) (*workflow.Batch, error) {
	b, err := scanBatch(tx.QueryRowContext(ctx, "SELECT "+batchNames+" FROM batch WHERE number = ?", number))
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
	return &b, row.Scan(places(batchAll(&b))...)
}

// saveBatch writes what a rule made of a batch, but for its events. A batch that the rule ended
// gives up its holds.
func saveBatch(ctx context.Context, tx *writing, before, b *workflow.Batch) error {
	if !reflect.DeepEqual(before.BatchRequest, b.BatchRequest) {
		return fmt.Errorf("batch %d: a rule changed what was asked for", b.Number)
	}
	had := len(before.Decisions)
	if len(b.Decisions) < had || !slices.EqualFunc(before.Decisions, b.Decisions[:had], sameDecision) {
		return fmt.Errorf("batch %d: a rule changed a decision that was made", b.Number)
	}
	behind := true
	columns := slices.Concat([]column{{"org_id", &b.OrgID}, {"state", &b.State}, {"revision", &b.Revision}, {"behind", &behind}},
		planPart(&b.BatchPlan), approvalPart(&b.BatchApproval), runPart(&b.BatchRun))
	_, err := tx.ExecContext(ctx, "UPDATE batch SET ("+names(columns)+") = ("+marks(columns)+") WHERE number = ?",
		append(places(columns), b.Number)...)
	if err != nil {
		return err
	}
	if err := addDecisions(ctx, tx, b.Number, had, b.Decisions[had:]); err != nil {
		return err
	}
	if before.State.Open() && !b.State.Open() {
		if _, err := tx.ExecContext(ctx, "DELETE FROM hold WHERE batch = ?", b.Number); err != nil {
			return err
		}
	}
	if before.State != b.State || had != len(b.Decisions) || (before.Released == nil) != (b.Released == nil) {
		return touchFollowed(ctx, tx, b)
	}
	return nil
}

// touchFollowed raises the revision of the batch that this one was made of: its card tells what
// became of this one.
func touchFollowed(ctx context.Context, tx *writing, b *workflow.Batch) error {
	if b.Follows == 0 {
		return nil
	}
	return tx.touch(ctx, b.Follows)
}

func sameDecision(a, b workflow.Decision) bool {
	return a.Person == b.Person && a.Verdict == b.Verdict && a.Digest == b.Digest && a.Reason == b.Reason && a.At.Equal(b.At)
}

func addDecisions(ctx context.Context, tx *writing, number int64, had int, decisions []workflow.Decision) error {
	for i, d := range decisions {
		seq := had + i + 1
		columns := append([]column{{"batch", &number}, {"seq", &seq}}, decisionAll(&d)...)
		_, err := tx.ExecContext(ctx, "INSERT INTO decision ("+names(columns)+") VALUES ("+marks(columns)+")", places(columns)...)
		if breaksUnique(err) {
			return workflow.ErrAlready
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func loadDecisions(ctx context.Context, tx reading, batches ...*workflow.Batch) error {
	if len(batches) == 0 {
		return nil
	}
	of := make(map[int64]*workflow.Batch, len(batches))
	numbers := make([]int64, 0, len(batches))
	for _, b := range batches {
		of[b.Number] = b
		numbers = append(numbers, b.Number)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT batch, `+decisionNames+` FROM decision
		WHERE batch IN (SELECT value FROM json_each(?)) ORDER BY batch, seq`, text(numbers))
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var number int64
		var d workflow.Decision
		err := row.Scan(append([]any{&number}, places(decisionAll(&d))...)...)
		if b := of[number]; b != nil && err == nil {
			b.Decisions = append(b.Decisions, d)
		}
		return struct{}{}, err
	})
	return err
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
