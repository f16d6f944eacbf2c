package sqlite

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/store"
)

var everyValue = flag.Bool("every-value", false, "give each column every other value that comes to mind")

// auditedTables are the tables that the log is a witness for, and itself.
var auditedTables = []string{"event", "event_head", "batch", "request_file", "decision", "request_row", "change", "comparison"}

// notProved are the columns whose change no audit finds, and why it does not matter
// (docs/security.md says the same).
var notProved = map[string]string{
	"batch.revision": "says what was drawn in Slack, and counts on",
	"batch.behind":   "says what was drawn in Slack, too",
	"batch.checked":  "counts while the check goes on",
	"event_head.one": "is the key of the only row",
}

// forger is a closed database under the hands of somebody who can write the file: without triggers,
// checks and foreign keys. What they do is undone after each look.
type forger struct {
	t    *testing.T
	pool *sql.DB
	tx   *sql.Tx
}

func newForger(t *testing.T, path string) *forger {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=ignore_check_constraints(1)&_pragma=foreign_keys(0)")
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	made, err := schema(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	for name := range made {
		if strings.HasPrefix(name, "trigger ") {
			if _, err := pool.ExecContext(t.Context(), "DROP "+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &forger{t: t, pool: pool}
}

// look has do change something and audits what it made. changed is false when all audited tables
// say what they said before.
func (f *forger) look(before string, do func(), anchors ...store.Head) (found []string, changed bool) {
	f.t.Helper()
	var err error
	if f.tx, err = f.pool.BeginTx(f.t.Context(), nil); err != nil {
		f.t.Fatal(err)
	}
	defer func() {
		if err := f.tx.Rollback(); err != nil {
			f.t.Error(err)
		}
	}()
	do()
	if f.all() == before {
		return nil, false
	}
	var a store.Audited
	if err := store.Audit(newSource(f.t.Context(), f.tx), &a, anchors...); err != nil {
		return []string{err.Error()}, true // it cannot even be read: audit verify ends with that
	}
	for _, finding := range a.Findings {
		found = append(found, finding.String())
	}
	return found, true
}

// exec reports whether SQLite did it: keys stay unique and types strict.
func (f *forger) exec(statement string, args ...any) bool {
	_, err := f.tx.ExecContext(f.t.Context(), statement, args...)
	return err == nil
}

func (f *forger) query(query string) (out [][]any) {
	f.t.Helper()
	rows, err := f.tx.QueryContext(f.t.Context(), query)
	if err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	names, err := rows.Columns()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err = collect(rows, nil, func(row scanner) ([]any, error) {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		return values, row.Scan(into...)
	})
	if err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	return out
}

// all returns what the audited tables say, but for what is not proved.
func (f *forger) all() string {
	var out strings.Builder
	for _, table := range auditedTables {
		var columns []string
		for _, c := range f.columns(table) {
			if notProved[table+"."+c] == "" {
				columns = append(columns, c)
			}
		}
		fmt.Fprintf(&out, "%s %q\n", table, f.query("SELECT "+strings.Join(columns, ", ")+" FROM "+table+" ORDER BY 1, 2"))
	}
	return out.String()
}

func (f *forger) columns(table string) (names []string) {
	for _, row := range f.query("SELECT name FROM pragma_table_info('" + table + "')") {
		names = append(names, row[0].(string))
	}
	return names
}

func (f *forger) rows(table string) (ids []int64) {
	for _, row := range f.query("SELECT rowid FROM " + table + " ORDER BY rowid") {
		ids = append(ids, row[0].(int64))
	}
	return ids
}

// others returns values that a column may get instead of one.
func (f *forger) others(table, column string, value any) []any {
	var out []any
	switch v := value.(type) {
	case int64:
		out = []any{v + 1, -v - 1, int64(0)}
	case string:
		out = []any{v + "x", v + " ", "", "{}", "[]", "null", strings.ToUpper(v), "2026-11-24T00:00:00.000000000Z", nil}
		if v != "" {
			out = append(out, v[1:], strings.Replace(v, v[:1], "z", 1))
		}
	case []byte:
		out = []any{append(slices.Clone(v), 'x'), []byte{}}
	default:
		out = []any{"", "x", "{}", "[]", "null", int64(0), int64(7), "2026-11-24T00:00:00.000000000Z"}
	}
	for _, row := range f.query("SELECT DISTINCT " + column + " FROM " + table) {
		out = append(out, row[0])
	}
	return out
}

// begin returns what all tables say before anybody touches them, and the head of the log.
func (f *forger) begin() (before string, head store.Head) {
	f.t.Helper()
	f.look("", func() {
		before = f.all()
		last := f.query("SELECT seq, hash FROM event_head")[0]
		head = store.Head{Seq: last[0].(int64), Hash: last[1].(string)}
	})
	return before, head
}

// Every column of every row of every audited table is given other values, one at a time: each
// change is found, but for the few columns that are named. Which values is up to a seed, which is
// printed; -every-value tries all that come to mind.
func TestAuditFindsEveryChangedColumn(t *testing.T) {
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	f := newForger(t, lived(t))
	before, _ := f.begin()
	tried, unproved := 0, map[string]bool{}
	type place struct {
		table, column string
		row           int64
	}
	var places []place
	f.look(before, func() {
		for _, table := range auditedTables {
			for _, row := range f.rows(table) {
				for _, column := range f.columns(table) {
					places = append(places, place{table, column, row})
				}
			}
		}
	})
	for i, p := range places {
		if testing.Short() && i%8 != int(seed%8) { // under the race detector SQLite is slow
			continue
		}
		name := p.table + "." + p.column
		var values []any
		f.look(before, func() {
			value := f.query(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = %d", p.column, p.table, p.row))[0][0]
			values = f.others(p.table, p.column, value)
		})
		if !*everyValue {
			dice.Shuffle(len(values), func(i, k int) { values[i], values[k] = values[k], values[i] })
			values = values[:min(len(values), 4)]
		}
		for _, value := range values {
			found, changed := f.look(before, func() {
				f.exec("UPDATE "+p.table+" SET "+p.column+" = ? WHERE rowid = ?", value, p.row)
			})
			switch {
			case !changed:
				unproved[name] = unproved[name] || notProved[name] != ""
			case len(found) == 0:
				t.Errorf("seed %d: %s of row %d became %q, and nothing was found", seed, name, p.row, value)
			default:
				tried++
			}
		}
	}
	t.Logf("seed %d: %d changes of %d cells were found", seed, tried, len(places))
	if !testing.Short() && (tried < 2*len(places) || len(unproved) < len(notProved)) {
		t.Errorf("seed %d: %d changes of %d cells were found; not found: %v", seed, tried, len(places), unproved)
	}
}

// Whatever a random hand does to the tables is found: rows changed, deleted, put in, exchanged, and
// the log cut off with its head put right. The seed is printed.
func TestAuditFindsRandomTampering(t *testing.T) {
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	f := newForger(t, lived(t))
	before, head := f.begin()
	rounds := 400
	if testing.Short() {
		rounds = 40
	}
	tried, byAnchor := 0, 0
	for range rounds {
		var did []string
		hand := func() { did = f.tamperAtRandom(dice, did) }
		again := dice.Uint64()
		replay := func() {
			did = nil
			dice = rand.New(rand.NewPCG(again, 0))
			for range 1 + dice.IntN(4) {
				hand()
			}
		}
		found, changed := f.look(before, replay)
		if !changed {
			continue
		}
		tried++
		if len(found) > 0 {
			continue
		}
		// Nothing in the database tells: then the end of the log is gone, with nothing but events
		// that no table knows of.
		byAnchor++
		if len(did) == 0 || !slices.ContainsFunc(did, func(s string) bool { return strings.HasPrefix(s, "cut") }) {
			t.Errorf("seed %d: %q was not found", seed, did)
		}
		if found, _ := f.look(before, replay, head); len(found) == 0 {
			t.Errorf("seed %d: %q was not found, though a head was kept elsewhere", seed, did)
		}
	}
	t.Logf("seed %d: %d of %d rounds changed something and were found, %d of them by a head kept elsewhere alone",
		seed, tried, rounds, byAnchor)
	if tried < rounds/2 {
		t.Errorf("seed %d: only %d rounds changed something", seed, tried)
	}
}

// tamperAtRandom does one thing to the tables, and adds in words what it was.
func (f *forger) tamperAtRandom(dice *rand.Rand, did []string) []string {
	table := auditedTables[dice.IntN(len(auditedTables))]
	ids := f.rows(table)
	if len(ids) == 0 {
		return did
	}
	id := ids[dice.IntN(len(ids))]
	columns := f.columns(table)
	column := columns[dice.IntN(len(columns))]
	switch dice.IntN(6) {
	case 0, 1:
		value := f.query(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = %d", column, table, id))[0][0]
		values := f.others(table, column, value)
		value = values[dice.IntN(len(values))]
		if f.exec("UPDATE "+table+" SET "+column+" = ? WHERE rowid = ?", value, id) {
			did = append(did, fmt.Sprintf("%s.%s of %d = %q", table, column, id, value))
		}
	case 2:
		if f.exec(fmt.Sprintf("DELETE FROM %s WHERE rowid = %d", table, id)) {
			did = append(did, fmt.Sprintf("deleted %d of %s", id, table))
		}
	case 3: // a copy under another key
		key := map[string]string{
			"event": "seq", "event_head": "one", "batch": "number", "request_file": "batch", "decision": "seq", "request_row": "id", "change": "id",
			"comparison": "number",
		}[table]
		var from []string
		for _, c := range columns {
			switch c {
			case key:
				c += " + " + fmt.Sprint(1+dice.IntN(20))
			case "hash", "delivery":
				c = "'copy' || " + c
			}
			from = append(from, c)
		}
		if f.exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE rowid = %d", table, strings.Join(columns, ", "), strings.Join(from, ", "), table, id)) {
			did = append(did, fmt.Sprintf("put a copy of %d into %s", id, table))
		}
	case 4: // two events exchange their places
		events := f.rows("event")
		if len(events) < 2 {
			return did
		}
		a, b := events[dice.IntN(len(events))], events[dice.IntN(len(events))]
		f.exec("UPDATE event SET seq = -1 WHERE seq = ?", a)
		f.exec("UPDATE event SET seq = ? WHERE seq = ?", a, b)
		f.exec("UPDATE event SET seq = ? WHERE seq = -1", b)
		did = append(did, fmt.Sprintf("exchanged events %d and %d", a, b))
	case 5: // the end is cut off, the head of the log is put right, and reports forget theirs
		events := f.rows("event")
		if len(events) < 2 {
			return did
		}
		last := events[len(events)-1-dice.IntN(min(len(events)-1, 3))]
		f.exec("DELETE FROM event WHERE seq >= ?", last)
		f.exec("DELETE FROM report_run")
		f.exec("UPDATE event_head SET (seq, hash) = (SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1)")
		did = append(did, fmt.Sprintf("cut the log from %d", last))
	}
	return did
}
