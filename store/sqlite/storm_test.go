package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

var (
	stormSeed  = flag.Uint64("storm-seed", 0, "the seed of TestNothingAcknowledgedIsLost; 0 draws one")
	stormLives = flag.Int("storm-lives", 2, "how many lives it plays")
)

// errCut is what every statement may come back with.
var errCut = errors.New("cut")

// errNo is a rule's refusal.
var errNo = errors.New("no")

// storm plays writers against faults. dice and what it knows are under mu.
type storm struct {
	t    *testing.T
	path string
	db   *DB

	mu      sync.Mutex
	dice    *rand.Rand
	faulty  bool
	acked   map[string]bool // events that were acknowledged
	refused map[string]bool // events of writes that a rule refused, or that another fault of their own ended
	posts   map[string]int64
	copies  []*crashed
	cuts    int

	others sync.RWMutex // held by other programs while they write
}

// crashed is the file as it was at one moment, and what had been acknowledged by then.
type crashed struct {
	path    string
	acked   map[string]bool
	refused map[string]bool
	posts   map[string]int64
}

func (s *storm) chance(one int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dice.IntN(one) == 0
}

func (s *storm) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dice.IntN(n)
}

// statement is called before each statement of the writer, and reports whether it fails.
func (s *storm) statement() error {
	s.mu.Lock()
	cut := s.faulty && s.dice.IntN(60) == 0
	crash := s.faulty && len(s.copies) < 12 && s.dice.IntN(100) == 0
	if cut {
		s.cuts++
	}
	s.mu.Unlock()
	if crash {
		s.crash()
	}
	if cut {
		return errCut
	}
	return nil
}

// crash keeps the file as it is: what a process leaves that is killed now. Nobody writes meanwhile, as it is the writer's
// turn. What is behind the last commit in the log is not on disk yet, and may be anything after a power cut.
func (s *storm) crash() {
	if !s.others.TryLock() {
		return // it may wait for this turn
	}
	defer s.others.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &crashed{
		path:  filepath.Join(s.t.TempDir(), "countersign.db"),
		acked: maps.Clone(s.acked), refused: maps.Clone(s.refused), posts: maps.Clone(s.posts),
	}
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(s.path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			s.t.Error(err)
		}
		if suffix != "" && len(raw) > 0 {
			end := committed(raw)
			tail := raw[end:]
			if len(tail) > 0 && s.dice.IntN(2) == 0 {
				tail = tail[:s.dice.IntN(len(tail))]
				for i := range tail {
					tail[i] = byte(s.dice.Uint32())
				}
			}
			raw = raw[:end+len(tail)]
		}
		if err := os.WriteFile(c.path+suffix, raw, 0o600); err != nil {
			s.t.Error(err)
		}
	}
	s.copies = append(s.copies, c)
}

// committed returns where the last commit in a write-ahead log ends (https://www.sqlite.org/fileformat2.html#walformat).
func committed(wal []byte) int {
	const header, frame = 32, 24 + 4096
	end := min(header, len(wal))
	for at := header; at+frame <= len(wal); at += frame {
		if string(wal[at+8:at+16]) != string(wal[16:24]) { // the salts of an earlier round
			break
		}
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			end = at + frame
		}
	}
	return end
}

// stormConn is a connection of the writer whose statements fail.
type stormConn struct {
	*keepingConn
	storm *storm
}

func (c stormConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if query == "ROLLBACK" {
		return c.keepingConn.ExecContext(ctx, query, args)
	}
	if err := c.storm.statement(); err != nil {
		if query != "COMMIT" || c.storm.chance(2) {
			return nil, err
		}
		// It goes through and reports an error.
		return nil, errors.Join(err, ignored(c.keepingConn.ExecContext(ctx, query, args)))
	}
	return c.keepingConn.ExecContext(ctx, query, args)
}

func ignored(_ driver.Result, err error) error { return err }

func (c stormConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.storm.statement(); err != nil {
		return nil, err
	}
	return c.keepingConn.QueryContext(ctx, query, args)
}

type stormConnector struct {
	connector
	storm *storm
}

func (c stormConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return stormConn{conn.(*keepingConn), c.storm}, nil
}

// In random order of writers, with a disk that is full, other programs that hold the file, statements that fail between any
// two lines, commits that go through and say they did not, and crashes: no write that was acknowledged is lost, none that was
// refused is there, and the log proves the tables. The seed is printed.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	for range *stormLives {
		seed := *stormSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { playStorm(t, seed) })
	}
}

func playStorm(t *testing.T, seed uint64) {
	s := &storm{
		t: t, path: filepath.Join(t.TempDir(), "countersign.db"), dice: rand.New(rand.NewPCG(seed, 0)),
		acked: map[string]bool{}, refused: map[string]bool{}, posts: map[string]int64{},
	}
	s.db = openAt(t, s.path)
	if err := s.db.writer.Close(); err != nil {
		t.Fatal(err)
	}
	plain, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		t.Fatal(err)
	}
	dsn := strings.Replace(dsn(s.path, "immediate", writerCache, false), "5000", "20", 1) // ms until it is busy
	s.db.writer = sql.OpenDB(stormConnector{connector{plain.Driver(), dsn}, s})
	s.db.writer.SetMaxOpenConns(1)
	changes, hold := renames(12)
	for range 2 {
		b := sealed(t, s.db, changes, hold...)
		move(t, s.db, b.Number, workflow.Approved, workflow.Running)
		hold = nil
	}
	other := openAt(t, s.path)
	s.mu.Lock()
	s.faulty = true
	s.mu.Unlock()
	var workers sync.WaitGroup
	for worker := range inFlight {
		workers.Go(func() {
			for n := range 60 {
				s.write(fmt.Sprintf("%d/%d", worker, n), fmt.Sprintf("post/%d", worker), int64(n+1))
			}
		})
	}
	workers.Go(func() { s.beside(other) })
	workers.Wait()
	s.mu.Lock()
	s.faulty = false
	s.mu.Unlock()
	if err := s.db.LogEvent(t.Context(), workflow.Event{Actor: "the end", Kind: "storm"}); err != nil {
		t.Errorf("after the storm: %v", err)
	}
	s.crash()
	for _, c := range s.copies {
		c.check(t)
	}
	t.Logf("%d writes acknowledged, %d refused, %d cuts, %d crashes", len(s.acked), len(s.refused), s.cuts, len(s.copies))
	if len(s.acked) < 100 || s.cuts < 5 || len(s.copies) < 1 {
		t.Error("there was no storm")
	}
}

// write does one random thing, and notes how it was answered.
func (s *storm) write(id, post string, version int64) {
	ctx := s.t.Context()
	if s.chance(10) {
		short, cancel := context.WithTimeout(ctx, time.Duration(s.roll(2000))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	fault := s.roll(12) // of the write itself
	step := func(b *workflow.Batch, c *workflow.Change) error {
		b.Record(workflow.Event{Row: c.Row, Actor: id, Kind: "storm"})
		c.Attempts++
		switch fault {
		case 0:
			return errNo
		case 1:
			c.Name += "x" // of the plan
		case 2:
			c.State = "nonsense"
		case 3, 4:
			c.State = workflow.ChangeFailed
		case 5:
			b.Stop.Note = id
		}
		return nil
	}
	number := int64(1 + s.roll(2))
	var err error
	own := fault < 3
	switch s.roll(8) {
	case 0:
		own = false
		err = s.db.LogEvent(ctx, workflow.Event{Actor: id, Kind: "storm"})
	case 1:
		own = false
		p := workflow.Post{Key: post, Batch: number, Channel: "C", Version: version}
		if err = s.db.SavePost(ctx, p); err == nil {
			s.mu.Lock()
			s.posts[post] = version
			s.mu.Unlock()
		}
		return
	case 2:
		own = fault == 0
		_, err = s.db.Update(ctx, number, func(b *workflow.Batch) error {
			b.Record(workflow.Event{Actor: id, Kind: "storm"})
			b.Stop.Note = id
			if own {
				return errNo
			}
			return nil
		})
	case 3:
		own = fault == 0
		b := newBatch()
		b.Record(workflow.Event{Actor: id, Kind: "storm"})
		err = s.db.Create(ctx, b, nil, nil, func([]*workflow.Batch) error {
			if own {
				return errNo
			}
			return nil
		})
	default:
		_, _, err = s.db.UpdateChange(ctx, number, 1+s.roll(12), step)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && own:
		s.t.Errorf("%s: what cannot be written was acknowledged", id)
	case err == nil:
		s.acked[id] = true
	case own, errors.Is(err, errNo):
		s.refused[id] = true
	}
}

// beside is another program: it writes, and holds the file for longer than the writer waits; now and then the disk is full.
func (s *storm) beside(other *DB) {
	for n := range 15 {
		time.Sleep(time.Duration(s.roll(20)) * time.Millisecond) // real files wait in real time
		s.others.RLock()
		id := fmt.Sprintf("beside/%d", n)
		if err := other.LogEvent(s.t.Context(), workflow.Event{Actor: id, Kind: "storm"}); err == nil {
			s.mu.Lock()
			s.acked[id] = true
			s.mu.Unlock()
		}
		if n%5 == 0 {
			if tx, err := other.writer.BeginTx(s.t.Context(), nil); err == nil {
				time.Sleep(30 * time.Millisecond)
				_ = tx.Rollback()
			}
		}
		s.others.RUnlock()
		if n%6 == 3 {
			s.fill()
		}
	}
}

// fill has the writer find the disk full for a while.
func (s *storm) fill() {
	limit := func(pages int) {
		err := s.db.write(context.Background(), "limit the file", func(ctx context.Context, tx *writing) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		})
		_ = err // a cut: then it is not limited, or another connection follows, which is not
	}
	limit(1) // no page more than there are
	time.Sleep(5 * time.Millisecond)
	for range 3 {
		limit(1 << 30)
	}
}

// check opens what a crash left and looks for what was acknowledged.
func (c *crashed) check(t *testing.T) {
	t.Helper()
	db := openAt(t, c.path)
	a, err := db.Audit(t.Context())
	a.Findings = slices.DeleteFunc(a.Findings, func(f store.Finding) bool { // the plans of this test have made-up ones
		return strings.Contains(f.What, "its digest is not that of its plan")
	})
	if err != nil || !a.Whole() {
		t.Errorf("audit: %v, %v", a.Findings, err)
	}
	there := map[string]bool{}
	attempts := map[[2]int64]int{}
	err = db.Events(t.Context(), func(line []byte) error {
		var e struct {
			Actor, Kind string
			Batch, Row  int64
		}
		err := json.Unmarshal(line, &e)
		if e.Kind == "storm" {
			if there[e.Actor] {
				t.Errorf("%s is there twice", e.Actor)
			}
			there[e.Actor] = true
			attempts[[2]int64{e.Batch, e.Row}]++
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for id := range c.acked {
		if !there[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id := range c.refused {
		if there[id] {
			t.Errorf("%s was refused and is there", id)
		}
	}
	for key, version := range c.posts {
		if p, ok, err := db.Post(t.Context(), key); !ok || p.Version < version || err != nil {
			t.Errorf("%s shows version %d, want %d or later; %v", key, p.Version, version, err)
		}
	}
	for number := int64(1); number <= 2; number++ {
		rows, err := db.Changes(t.Context(), number, 0, 0)
		if err != nil {
			t.Error(err)
		}
		for _, r := range rows {
			if want := attempts[[2]int64{number, int64(r.Row)}]; r.Attempts != want {
				t.Errorf("batch %d row %d has %d attempts, the log %d", number, r.Row, r.Attempts, want)
			}
		}
		counted, err := db.Summary(t.Context(), number)
		if err != nil || counted.State() != len(rows) {
			t.Errorf("batch %d: %d rows are counted of %d, %v", number, counted.State(), len(rows), err)
		}
	}
	var head store.Head
	if head, err = db.LogHead(t.Context()); err != nil || head != a.Head {
		t.Errorf("the head is %v, the log ends with %v; %v", head, a.Head, err)
	}
}
