package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/store/storetest"
	"github.com/countersign/countersign/workflow"
)

// A whole life: asked for, planned, approved, run with a failure and a row that nothing became of,
// done; beside it a batch that was rejected, a report, and two lists that were compared. The database is closed when it is given
// back.
func lived(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign.db")
	db, err := Open(t.Context(), Config{Path: path, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	first, second := liveBatch(t, db), liveBatch(t, db)
	decide(t, db, first, alice, workflow.Approve)
	runRow(t, db, first, 2, workflow.ChangeDone)
	runRow(t, db, first, 3, workflow.ChangeFailed)
	endRows(t, db, first)
	decide(t, db, second, alice, workflow.Reject)
	run, err := db.CreateRun(t.Context(), report.Run{Report: "nightly", Kind: report.ManagedAccounts, Due: noon, State: report.RunRunning})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.UpdateRun(t.Context(), run.ID, func(r *report.Run) error {
		r.State, r.Finished = report.RunDone, noon
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range []string{"hr.csv", "hr-2.csv"} {
		_, err := db.NumberList(t.Context(), report.SentList{
			Delivery: fmt.Sprintf("file/%d", i), FileName: file, By: hana.ID, Author: "U0GUS", At: noon, Content: []byte("email\n" + file + "\n"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.LogEvent(t.Context(), workflow.Event{At: noon, Actor: "U0GUS", Kind: "refused"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// liveBatch asks for a batch of two renames, one deactivation and a blocked row, and seals it.
func liveBatch(t *testing.T, db *DB) int64 {
	t.Helper()
	before, err := db.List(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	asked := func(row int, cells ...string) workflow.Row {
		values := workflow.Of(workflow.ColumnEmail, cells[0]).With(workflow.ColumnNewEmail, cells[1])
		return workflow.Row{Line: row, Action: workflow.Rename, Values: values, Cells: append(cells, "desk 7")}
	}
	var changes []workflow.Change
	var steps []workflow.Step
	for row := 2; row < 5; row++ {
		id := fmt.Sprintf("%d-%d", len(before)+1, row)
		s := workflow.Step{
			Seq: row - 1, Row: row, Action: workflow.Rename, AccountID: id,
			Expect: workflow.Of(workflow.FieldStatus, "active").With(workflow.FieldEmail, id+"@x"),
			Set:    workflow.Of(workflow.FieldEmail, id+"@y"),
		}
		steps = append(steps, s)
		changes = append(changes, workflow.Change{
			Row: row, Action: workflow.Rename, AccountID: id, Name: "N",
			Expect: workflow.Of(workflow.FieldEmail, id+"@x"), Set: s.Set, Steps: []workflow.Step{s},
			State: workflow.ChangeReady, Asked: asked(row, s.Expect.Get(workflow.FieldEmail), s.Set.Get(workflow.FieldEmail)),
		})
	}
	changes = append(changes, workflow.Change{
		Row: 5, Action: workflow.Rename, Expect: workflow.Of(workflow.FieldEmail, "z@x"), State: workflow.ChangeBlocked,
		Reason: workflow.NewReason(workflow.ReasonNoAccount, "z@x", ""), Asked: asked(5, "z@x", ""),
	})
	b := &workflow.Batch{
		OrgID: "org", State: workflow.Planning,
		BatchRequest: workflow.BatchRequest{
			Requester: hana, Author: hana, Reason: "new names", Created: noon,
			Source: workflow.Source{Kind: workflow.SourceFile, FileName: "a.csv"},
		},
	}
	b.Record(workflow.Event{At: noon, Actor: hana.ID, Kind: workflow.EventAsked, Data: json.RawMessage(`{"author":"U0HANA"}`)})
	if err := db.Create(t.Context(), b, storetest.Asked(changes), []byte("email,new_email\na@x.example,a@y.example\n"), nil); err != nil {
		t.Fatal(err)
	}
	_, err = db.SavePlan(t.Context(), b.Number, changes, nil, func(b *workflow.Batch) error {
		b.Digest, b.Approvals, b.Planned = workflow.PlanDigest(b, steps), 1, noon
		b.Record(workflow.Event{At: noon, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: json.RawMessage(
			fmt.Sprintf(`{"digest":%q,"approvals":1}`, b.Digest))})
		return b.Move(workflow.AwaitingApproval)
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Number
}

func decide(t *testing.T, db *DB, number int64, who workflow.Person, verdict workflow.Verdict) {
	t.Helper()
	_, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		b.Decisions = append(b.Decisions, workflow.Decision{Person: who, Verdict: verdict, Digest: b.Digest, At: noon})
		b.Record(workflow.Event{At: noon, Actor: who.ID, Kind: string(verdict), Data: json.RawMessage(fmt.Sprintf(`{"digest":%q}`, b.Digest))})
		if verdict == workflow.Reject {
			b.Ended = noon
			return b.Move(workflow.Rejected)
		}
		if err := b.Move(workflow.Approved); err != nil {
			return err
		}
		return b.Move(workflow.Running)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func runRow(t *testing.T, db *DB, number int64, row int, to workflow.ChangeState) {
	t.Helper()
	for _, next := range []workflow.ChangeState{workflow.ChangeRunning, to} {
		_, _, err := db.UpdateChange(t.Context(), number, row, func(b *workflow.Batch, c *workflow.Change) error {
			kind := string(next)
			if next == workflow.ChangeRunning {
				kind = workflow.EventCalling
				c.Attempts++
				c.Called = noon
			} else {
				c.Finished = noon
			}
			b.Record(workflow.Event{At: noon, Row: row, Actor: workflow.Bot, Kind: kind})
			return c.Move(next)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// endRows ends the batch; what is ready is skipped, and no event but the store's own records it.
func endRows(t *testing.T, db *DB, number int64) {
	t.Helper()
	_, err := db.UpdateChanges(t.Context(), number, workflow.ChangeReady, func(c *workflow.Change) error {
		c.Reason = workflow.NewReason(workflow.ReasonNotRun, "cancelled", "Hana")
		return c.Move(workflow.ChangeSkipped)
	}, func(b *workflow.Batch) error {
		b.Ended = noon
		return b.Move(workflow.Done)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tamper writes into a closed database as somebody would who can write the file: its triggers are
// taken off first and put back afterwards, so that they do not give it away.
func tamper(t *testing.T, path string, statements ...string) {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	pool.SetMaxOpenConns(1)
	triggers, err := schema(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for name := range triggers {
		if strings.HasPrefix(name, "trigger ") {
			exec("DROP " + name)
		}
	}
	for _, s := range statements {
		exec(s)
	}
	for name, made := range triggers {
		if strings.HasPrefix(name, "trigger ") {
			exec(made)
		}
	}
}

func audit(t *testing.T, path string, anchors ...store.Head) store.Audited {
	t.Helper()
	db, err := OpenReadOnly(t.Context(), Config{Path: path, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	a, err := db.Audit(t.Context(), anchors...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// entries reads the log of a closed database.
func entries(t *testing.T, path string) []store.Entry {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pool.QueryContext(t.Context(), "SELECT "+entryColumns+" FROM event ORDER BY seq")
	all, err := collect(rows, err, scanEntry)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAuditOfWhatIsWhole(t *testing.T) {
	path := lived(t)
	log := entries(t, path)
	last := log[len(log)-1]
	a := audit(t, path, store.Head{Seq: last.Seq, Hash: last.Hash}, store.Head{Seq: 3, Hash: log[2].Hash[:12]}, store.Head{Seq: 0, Hash: log[4].Hash})
	if !a.Whole() || a.Batches != 2 || a.Rows != 8 || a.Head != (store.Head{Seq: last.Seq, Hash: last.Hash}) {
		t.Errorf("%+v, want 2 whole batches of 8 rows and the head %d", a, last.Seq)
	}
}

// Any column of any event is changed, one at a time, and the first finding names that event.
func TestAuditFindsAnyChangeOfAnyEvent(t *testing.T) {
	whole := lived(t)
	log := entries(t, whole)
	f := newForger(t, whole)
	before, _ := f.begin()
	for column, to := range map[string]string{
		"at":    "replace(at, '2026', '2025')",
		"batch": "batch + 1",
		"row":   "row + 1",
		"actor": "actor || 'X'",
		"kind":  "kind || 's'",
		"prev":  "replace(hex(zeroblob(32)), '00', 'ab')",
		"hash":  "replace(hex(zeroblob(32)), '00', 'ab')",
		"data":  "replace(data, '{', '{ ')", // nothing but a space
	} {
		for _, e := range log {
			found, changed := f.look(before, func() {
				f.exec(fmt.Sprintf("UPDATE event SET %s = %s WHERE seq = %d", column, to, e.Seq))
			})
			if !changed || len(found) == 0 || !strings.HasPrefix(found[0], fmt.Sprintf("event %d", e.Seq)) {
				t.Errorf("%s of event %d was changed (%t); found: %v", column, e.Seq, changed, found)
			}
		}
	}
}

func TestAuditFindsTampering(t *testing.T) {
	whole := lived(t)
	raw, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	log := entries(t, whole)
	end := len(log)
	for name, test := range map[string]struct {
		statements []string
		want       string // of the first finding
	}{
		"first event deleted": {[]string{"DELETE FROM event WHERE seq = 1"}, "event 2, batch 1: comes after event 0"},
		"event in the middle deleted": {
			[]string{"DELETE FROM event WHERE seq = 5"}, "event 6, batch 1: comes after event 4",
		},
		"last event deleted": {
			[]string{fmt.Sprintf("DELETE FROM event WHERE seq = %d", end)},
			fmt.Sprintf("event %d: is missing, and all behind it up to event %d", end, end),
		},
		"all events deleted": {[]string{"DELETE FROM event"}, "event 1: is missing"},
		"the end cut off, with the head put back": {
			[]string{
				"DELETE FROM event WHERE seq > 6",
				"UPDATE event_head SET seq = 6, hash = (SELECT hash FROM event WHERE seq = 6)",
			}, "event 12: the log does not have the head that a report ended with",
		},
		"the same, and the reports forgotten": {
			[]string{
				"DELETE FROM event WHERE seq > 6", "DELETE FROM report_run",
				"UPDATE event_head SET seq = 6, hash = (SELECT hash FROM event WHERE seq = 6)",
			}, "event 5, batch 1: the log says", // the tables know more
		},
		"an event put in": {
			[]string{
				"UPDATE event SET seq = seq + 100 WHERE seq > 4", "UPDATE event SET seq = seq - 99 WHERE seq > 100",
				"INSERT INTO event SELECT 5, at, batch, row, 'U0EVE', kind, data, hash, 'new' FROM event WHERE seq = 4",
			}, "event 5, batch 2: is not what was written",
		},
		"an event put behind the end": {
			[]string{
				"INSERT INTO event SELECT seq + 1, at, batch, row, actor, kind, data, hash, 'new' FROM event ORDER BY seq DESC LIMIT 1",
			}, fmt.Sprintf("event %d: is not what was written", end+1),
		},
		"two events exchanged": {
			[]string{
				"UPDATE event SET seq = -1 WHERE seq = 4", "UPDATE event SET seq = 4 WHERE seq = 5",
				"UPDATE event SET seq = 5 WHERE seq = -1",
			}, "event 4, batch 1: does not follow",
		},
		"the head alone":      {[]string{"UPDATE event_head SET hash = 'x'"}, "is not the end that was kept apart"},
		"the head taken away": {[]string{"DELETE FROM event_head"}, "is not the end that was kept apart"},

		"an approval forged":   {[]string{forgedApproval}, "batch 2: the batch or its decisions are not"},
		"an approval deleted":  {[]string{"DELETE FROM decision WHERE batch = 1"}, "batch 1: the batch or its decisions are not"},
		"who approved":         {[]string{"UPDATE decision SET person = 'U0EVE'"}, "batch 1: the batch or its decisions are not"},
		"a batch's state":      {[]string{"UPDATE batch SET state = 'approved' WHERE number = 2"}, "batch 2: the log says rejected, the batch says approved"},
		"a batch's requester":  {[]string{"UPDATE batch SET requester_id = 'U0EVE' WHERE number = 1"}, "batch 1: the batch or its decisions"},
		"a batch's reason":     {[]string{"UPDATE batch SET reason = 'x' WHERE number = 1"}, "batch 1: the batch or its decisions"},
		"a batch's digest":     {[]string{"UPDATE batch SET digest = 'x' WHERE number = 1"}, "batch 1: the batch or its decisions"},
		"approvals needed":     {[]string{"UPDATE batch SET approvals = 0 WHERE number = 2"}, "batch 2: the batch or its decisions"},
		"a step":               {[]string{"UPDATE change SET wanted = replace(wanted, '@y', '@evil')"}, "batch 1: its plan is not the one that was sealed"},
		"a step's order":       {[]string{"UPDATE change SET steps = replace(steps, '\"seq\":1', '\"seq\":9')"}, "batch 1: its plan is not the one that was sealed"},
		"a step's place":       {[]string{"UPDATE change SET steps = replace(steps, '{\"seq', '{\"place\":\"x\",\"seq')"}, "batch 1: its plan is not"},
		"a row's old address":  {[]string{"UPDATE change SET expected = '{\"email\":\"x\"}' WHERE batch = 1 AND row = 2"}, "batch 1: its plan is not"},
		"a row as it was sent": {[]string{"UPDATE request_row SET cells = json_set(cells, '$[1]', 'x') WHERE batch = 1 AND row = 2"}, "batch 1: its rows are not what was asked for"},
		"an ignored cell":      {[]string{"UPDATE request_row SET ignored = json_set(ignored, '$[0]', 'x') WHERE batch = 1 AND row = 2"}, "batch 1: its rows are not what was asked for"},
		"ignored cells gone":   {[]string{"UPDATE request_row SET ignored = NULL WHERE batch = 1 AND row = 2"}, "batch 1, row 2: cells of it were deleted, and its request was not"},
		"a row put in":         {[]string{rowAsked, rowPutIn}, "batch 2: its plan is not"},
		"a plan put in":        {[]string{rowPutIn}, "batch 2, row 9: a plan of a row that was not asked for"},
		"a count":              {[]string{"UPDATE change_count SET n = n + 1 WHERE state = 'done'"}, "batch 1: its changes are not as many as was counted"},
		"a count taken away":   {[]string{"DELETE FROM change_count WHERE state = 'done'"}, "batch 1: its changes are not as many as was counted"},
		"a count put in": {
			[]string{"INSERT INTO change_count SELECT batch, 'x', action, code, effect, n FROM change_count WHERE state = 'done'"},
			"batch 1: its changes are not as many as was counted",
		},
		"a row deleted":          {[]string{"DELETE FROM change WHERE batch = 1 AND row = 2"}, "batch 1, row 2: is missing"},
		"a failure made good":    {[]string{"UPDATE change SET state = 'done' WHERE state = 'failed'"}, "batch 1, row 3: the log says failed, the row says done"},
		"a skipped row done":     {[]string{"UPDATE change SET state = 'done' WHERE state = 'skipped'"}, "row 4: the log says skipped, the row says done"},
		"a row's attempts":       {[]string{"UPDATE change SET attempts = 7 WHERE batch = 1 AND row = 2"}, "batch 1, row 2: what became of it"},
		"when a row was done":    {[]string{"UPDATE change SET finished = replace(finished, '2026', '2025')"}, "batch 1, row 2: what became of it"},
		"why a row is blocked":   {[]string{"UPDATE change SET code = 'taken' WHERE row = 5"}, "batch 1: its plan is not"},
		"a blocked row ready":    {[]string{"UPDATE change SET state = 'ready' WHERE row = 5"}, "batch 1: its plan is not"},
		"the request":            {[]string{"UPDATE request_file SET bytes = x'00' WHERE batch = 1"}, "batch 1: its request is not what was sent"},
		"the request's hash":     {[]string{"UPDATE request_file SET sha256 = 'x' WHERE batch = 1"}, "batch 1: the batch or its decisions"},
		"a compared list":        {[]string{"UPDATE comparison SET bytes = x'00' WHERE number = 1"}, "comparison 1: its list is not what was sent"},
		"a compared list's hash": {[]string{"UPDATE comparison SET sha256 = 'x', bytes = NULL WHERE number = 1"}, "comparison 1 is not what the log says"},
		"a list's author":        {[]string{"UPDATE comparison SET author = 'U0EVE' WHERE number = 2"}, "comparison 2 is not what the log says"},
		"a list deleted":         {[]string{"DELETE FROM comparison WHERE number = 1"}, "comparison 1 is missing"},
		"a list put in": {
			[]string{"INSERT INTO comparison SELECT 3, 'x', person, author, at, file_name, sha256, bytes FROM comparison WHERE number = 2"},
			"comparison 3: the log does not tell of it",
		},
		"the last batch deleted": {
			[]string{
				"DELETE FROM change WHERE batch = 2", "DELETE FROM decision WHERE batch = 2",
				"DELETE FROM request_file WHERE batch = 2", "DELETE FROM batch WHERE number = 2",
			}, "batch 2: is missing",
		},

		"a trigger dropped": {[]string{"DROP TRIGGER IF EXISTS x", "CREATE TRIGGER x BEFORE DELETE ON post BEGIN SELECT 1; END"}, "trigger x in the database is none of ours"},
		"an index dropped":  {[]string{"DROP INDEX event_batch"}, "index event_batch is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			tamper(t, path, test.statements...)
			a := audit(t, path)
			if a.Whole() || !strings.Contains(a.Findings[0].String(), test.want) {
				t.Errorf("found %v, want %q first", a.Findings, test.want)
			}
		})
	}
}

const (
	forgedApproval = `INSERT INTO decision (batch, seq, person, name, email, verdict, digest, reason, at)
		SELECT 2, 2, 'U0EVE', '', '', 'approve', digest, '', NULL FROM batch WHERE number = 2`
	rowAsked = `INSERT INTO request_row (id, action, cells, ignored, ignored_sha256, meaning, given, problem)
		SELECT id + 7, action, cells, ignored, ignored_sha256, meaning, given, problem FROM request_row WHERE batch = 2 AND row = 2`
	rowPutIn = `INSERT INTO change (id, action, account_id, name, expected, wanted, steps, effect,
			outcomes, state, code, facts, attempts, called, finished, back)
		SELECT id + 7, action, account_id, name, expected, wanted, steps, effect,
			outcomes, state, code, facts, attempts, called, finished, back FROM change WHERE batch = 2 AND row = 2`
)

// A trigger that is gone is found, though nothing else was touched.
func TestAuditFindsAMissingTrigger(t *testing.T) {
	path := lived(t)
	pool, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), "DROP TRIGGER event_stays"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	a := audit(t, path)
	if a.Whole() || !strings.Contains(a.Findings[0].What, "trigger event_stays is missing") {
		t.Errorf("found %v", a.Findings)
	}
}

// Who can write the file and takes the trouble to compute all hashes anew, with every row that
// agrees, leaves a database that is whole in itself. Only a head of the log that was kept elsewhere
// shows it.
func TestOnlyAnAnchorFindsATailWrittenAnew(t *testing.T) {
	path := lived(t)
	log := entries(t, path)
	anchor := store.Head{Seq: log[len(log)-1].Seq, Hash: log[len(log)-1].Hash}
	early := store.Head{Seq: 2, Hash: log[1].Hash}
	statements := []string{"DELETE FROM report_run", "DELETE FROM event WHERE seq > 3"}
	head := store.Head{Seq: 3, Hash: log[2].Hash}
	for _, e := range log[3:] {
		if e.Kind == "refused" {
			e.Actor = "U0HANA" // it was not Gus
		}
		e.Prev = head.Hash
		head = store.Head{Seq: e.Seq, Hash: e.Sum()}
		statements = append(statements, fmt.Sprintf("INSERT INTO event VALUES (%d, '%s', %d, %d, '%s', '%s', '%s', '%s', '%s')",
			e.Seq, e.At, e.Batch, e.Row, e.Actor, e.Kind, e.Data, e.Prev, head.Hash))
	}
	statements = append(statements, fmt.Sprintf("UPDATE event_head SET hash = '%s'", head.Hash))
	tamper(t, path, statements...)
	if a := audit(t, path); !a.Whole() {
		t.Fatalf("the forger was careless: %v", a.Findings)
	}
	if a := audit(t, path, early); !a.Whole() {
		t.Errorf("a head from before the forgery does not hold: %v", a.Findings)
	}
	a := audit(t, path, anchor)
	if a.Whole() || a.Findings[0].Seq != anchor.Seq {
		t.Errorf("found %v, want event %d", a.Findings, anchor.Seq)
	}
}

// A call that was not approved is found even where everything agrees, as if the program itself had
// made it.
func TestAuditFindsACallWithoutApproval(t *testing.T) {
	db := open(t)
	number := liveBatch(t, db)
	_, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		b.Record(workflow.Event{At: noon, Actor: hana.ID, Kind: "approve", Data: json.RawMessage(fmt.Sprintf(`{"digest":%q}`, b.Digest))})
		return b.Move(workflow.Approved)
	})
	if err != nil {
		t.Fatal(err)
	}
	runRow(t, db, number, 2, workflow.ChangeDone)
	a, err := db.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, f := range a.Findings {
		said = append(said, f.String())
	}
	want := []string{
		"event 3, batch 1: is an approval by U0HANA, who asked for it",
		"event 4, batch 1, row 2: a call with 0 approvals where 1 were needed",
	}
	if !slices.Equal(said, want) {
		t.Errorf("found %q, want %q", said, want)
	}
}

// Approvals that do not count any more, and rules that ask for more than the plan did, are heeded.
func TestAuditHeedsWhatWasAskedForSince(t *testing.T) {
	db := open(t)
	bob := workflow.Person{ID: "U0BOB"}
	record := func(number int64, actor, kind, data string) {
		t.Helper()
		_, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
			b.Record(workflow.Event{At: noon, Actor: actor, Kind: kind, Data: json.RawMessage(data)})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dropped, more, right := liveBatch(t, db), liveBatch(t, db), liveBatch(t, db)
	for _, number := range []int64{dropped, more, right} {
		decide(t, db, number, alice, workflow.Approve)
	}
	record(dropped, workflow.Bot, workflow.EventDropped, `{"person":"U0ALICE"}`)
	record(more, workflow.Bot, workflow.EventNeedsMore, `{"approvals":2}`)
	record(right, workflow.Bot, workflow.EventNeedsMore, `{"approvals":2}`)
	b, err := db.Batch(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	record(right, bob.ID, "approve", fmt.Sprintf(`{"digest":%q}`, b.Digest))
	for _, number := range []int64{dropped, more, right} {
		runRow(t, db, number, 2, workflow.ChangeDone)
	}
	a, err := db.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, f := range a.Findings {
		_, what, _ := strings.Cut(f.String(), ", ")
		said = append(said, what)
	}
	want := []string{
		fmt.Sprintf("batch %d, row 2: a call with 0 approvals where 1 were needed", dropped),
		fmt.Sprintf("batch %d, row 2: a call with 1 approvals where 2 were needed", more),
	}
	if !slices.Equal(said, want) {
		t.Errorf("found %q, want %q", said, want)
	}
}

// A log that was cut off shows it for ever: what is written afterwards leaves the gap.
func TestCutLogKeepsItsGap(t *testing.T) {
	path := lived(t)
	tamper(t, path, "DELETE FROM event WHERE seq > 8")
	db := openAt(t, path)
	if err := db.LogEvent(t.Context(), workflow.Event{At: noon, Kind: "started"}); err != nil {
		t.Fatal(err)
	}
	a, err := db.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.Whole() || !strings.Contains(a.Findings[0].What, "comes after event 8; what stood between is missing") {
		t.Errorf("found %v", a.Findings)
	}
}

func TestTriggersKeepTheLog(t *testing.T) {
	path := lived(t)
	db := openAt(t, path)
	for _, statement := range []string{
		"UPDATE event SET actor = 'x'",
		"DELETE FROM event",
		"INSERT OR REPLACE INTO event SELECT seq, at, batch, row, 'x', kind, data, prev, hash FROM event WHERE seq = 2",
		"REPLACE INTO event SELECT seq, at, batch, row, 'x', kind, data, prev, hash FROM event ORDER BY seq DESC LIMIT 1",
		"UPDATE event_head SET seq = seq - 1",
		"UPDATE event_head SET hash = 'x'",
		"DELETE FROM event_head",
		"INSERT OR REPLACE INTO decision SELECT batch, seq, 'U0EVE', name, email, verdict, digest, reason, at FROM decision LIMIT 1",
		"DELETE FROM batch",
		"UPDATE request_file SET bytes = x'00'",
		"UPDATE request_file SET sha256 = 'x', bytes = NULL",
		"DELETE FROM request_file",
	} {
		if _, err := db.writer.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s went through", statement)
		}
	}
}

const planPutIn = `INSERT INTO change (id, action, account_id, name, effect, state, code, attempts, back)
	SELECT id, 'rename', 'x', '', '', 'ready', '', 0, 0 FROM request_row WHERE row = 2`
