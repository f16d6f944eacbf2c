package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// countingConn counts commits.
type countingConn struct {
	*keepingConn
	commits *atomic.Int64
}

func (c countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if query == "COMMIT" {
		c.commits.Add(1)
	}
	return c.keepingConn.ExecContext(ctx, query, args)
}

type countingConnector struct {
	connector
	commits *atomic.Int64
}

func (c countingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countingConn{conn.(*keepingConn), c.commits}, nil
}

// counted opens a database that counts its commits.
func counted(t *testing.T) (*DB, *atomic.Int64) {
	t.Helper()
	db := open(t)
	if err := db.writer.Close(); err != nil {
		t.Fatal(err)
	}
	plain, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		t.Fatal(err)
	}
	commits := new(atomic.Int64)
	db.writer = sql.OpenDB(countingConnector{connector{plain.Driver(), dsn(db.path, "immediate", writerCache, false)}, commits})
	db.writer.SetMaxOpenConns(1)
	return db, commits
}

// inLine waits until so many writes wait for their turn.
func inLine(t *testing.T, db *DB, n int) {
	t.Helper()
	for {
		db.turns.mu.Lock()
		waiting := len(db.turns.queue)
		db.turns.mu.Unlock()
		if waiting >= n {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("nobody came")
		}
		time.Sleep(time.Millisecond) // real files wait in real time
	}
}

// Writes that wait while another one is under way are committed with it, as many as may be; one that is refused, or panics,
// or whose context ended takes nothing with it, and leaves nothing.
func TestWritesThatWaitGather(t *testing.T) {
	db, commits := counted(t)
	changes, hold := renames(40)
	number := sealed(t, db, changes, hold...).Number
	commits.Store(0)
	inside, release := make(chan struct{}), make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		_, err := db.Update(t.Context(), number, func(*workflow.Batch) error {
			close(inside)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	no := errors.New("no")
	ended, cancel := context.WithCancel(t.Context())
	errs := make([]error, 24)
	for i := range errs {
		ctx := t.Context()
		if i == 7 {
			ctx = ended
		}
		writers.Go(func() {
			defer func() {
				if i == 5 && recover() != nil {
					errs[i] = no
				}
			}()
			_, _, errs[i] = db.UpdateChange(ctx, number, i+1, func(b *workflow.Batch, c *workflow.Change) error {
				c.Attempts = 100 + i
				b.Record(workflow.Event{Row: c.Row, Actor: fmt.Sprint(i), Kind: "calling-nobody"})
				switch i {
				case 3:
					return no
				case 4:
					c.State = "nonsense"
				case 5:
					panic("a rule that panics")
				}
				return nil
			})
		})
		inLine(t, db, i+1)
	}
	cancel()
	for errs7 := true; errs7; { // it leaves the line by itself
		db.turns.mu.Lock()
		errs7 = len(db.turns.queue) == len(errs)
		db.turns.mu.Unlock()
	}
	close(release)
	writers.Wait()
	for i, err := range errs {
		failed := i == 3 || i == 4 || i == 5 || i == 7
		if failed != (err != nil) || i == 3 && !errors.Is(err, no) || i == 7 && !errors.Is(err, context.Canceled) {
			t.Errorf("write %d: %v", i, err)
		}
		c, err := db.Change(t.Context(), number, i+1)
		if err != nil || (c.Attempts == 100+i) == failed {
			t.Errorf("row %d has %d attempts, %v", i+1, c.Attempts, err)
		}
	}
	if n := commits.Load(); n > 3 { // the one under way with 15 others, and what was left of 21; a panic may end one early
		t.Errorf("%d commits for %d writes", n, len(errs)+1)
	}
	b, err := db.Batch(t.Context(), number)
	if err != nil || b.Revision != 2+1+20 {
		t.Errorf("revision %d, want 23; %v", b.Revision, err)
	}
}

// What needs a transaction of its own has one, and those behind it do not overtake it.
func TestSomeWritesAreAlone(t *testing.T) {
	db, commits := counted(t)
	number := create(t, db).Number
	commits.Store(0)
	inside, release := make(chan struct{}), make(chan struct{})
	var order []int64
	var writers sync.WaitGroup
	note := func(after func()) func(*workflow.Batch) error {
		return func(b *workflow.Batch) error {
			order = append(order, b.Revision)
			after()
			return nil
		}
	}
	writers.Go(func() { _, _ = db.Update(t.Context(), number, note(func() { close(inside); <-release })) })
	<-inside
	writers.Go(func() { _, _ = db.Update(t.Context(), number, note(func() {})) })
	inLine(t, db, 1)
	writers.Go(func() { _, _ = db.SavePlan(t.Context(), number, nil, nil, note(func() {})) })
	inLine(t, db, 2)
	writers.Go(func() { _, _ = db.Update(t.Context(), number, note(func() {})) })
	inLine(t, db, 3)
	close(release)
	writers.Wait()
	if !reflect.DeepEqual(order, []int64{1, 2, 3, 4}) || commits.Load() != 3 {
		t.Errorf("in the order %v with %d commits, want them one after the other with 3", order, commits.Load())
	}
}

// Two programs write the same batch in turn: what one of them keeps in memory is read again once the other has written.
func TestWhatIsKnownIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	programs := []*DB{openAt(t, path), openAt(t, path)}
	changes, hold := renames(4)
	number := sealed(t, programs[0], changes, hold...).Number
	for n := range 12 {
		b, _, err := programs[n%2].UpdateChange(t.Context(), number, 1+n%4, func(b *workflow.Batch, c *workflow.Change) error {
			if b.Revision != int64(2+n) {
				t.Errorf("write %d sees revision %d", n, b.Revision)
			}
			c.Attempts++
			b.Stop.Note += "x"
			b.Record(workflow.Event{Row: c.Row, Actor: "somebody", Kind: "noted"})
			return nil
		})
		if err != nil || len(b.Stop.Note) != n+1 {
			t.Errorf("write %d: %d notes, %v", n, len(b.Stop.Note), err)
		}
	}
	if _, _, err := programs[0].VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}
}

// A rule may do with its batch what it likes: the one that is kept in memory stays.
func TestCopyOfABatchSharesNothing(t *testing.T) {
	var b workflow.Batch
	fill(reflect.ValueOf(&b).Elem())
	c := copyOfBatch(&b)
	if !reflect.DeepEqual(&b, c) {
		t.Fatal("it is no copy")
	}
	shared(t, "Batch", reflect.ValueOf(&b).Elem(), reflect.ValueOf(c).Elem())
	change := workflow.Change{}
	fill(reflect.ValueOf(&change).Elem())
	copied := copyOf(&change)
	shared(t, "Change", reflect.ValueOf(&change).Elem(), reflect.ValueOf(&copied).Elem())
}

// fill puts something into every field.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[time.Time]() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem())
	}
}

// shared finds memory that both values use.
func shared(t *testing.T, name string, a, b reflect.Value) {
	t.Helper()
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[time.Time]() {
				shared(t, name+"."+f.Name, a.Field(i), b.Field(i))
			}
		}
	case reflect.Pointer, reflect.Map:
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", name)
		} else if a.Kind() == reflect.Pointer {
			shared(t, name, a.Elem(), b.Elem())
		}
	case reflect.Slice:
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", name)
		} else {
			shared(t, name+"[0]", a.Index(0), b.Index(0))
		}
	}
}
