package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/countersign/countersign/store"
)

// togetherAtMost is how many writes are committed by one stroke.
const togetherAtMost = 16

// turns lets one write after the other have the connection that writes, first come, first served.
// Writes that wait while another one is being committed gather: they are made one after the other in
// one transaction, which the last of them commits, and each returns once that is on disk. Nobody
// waits for others to come. Each write runs in the goroutine of its caller.
type turns struct {
	mu    sync.Mutex
	taken bool
	queue []*waiting
}

// waiting is a write that waits for its turn.
type waiting struct {
	gathers bool
	turn    chan *gathering // takes one; nil stands for a transaction that is still to begin
}

// gathering is a transaction with the writes in it that came to their end and wait for the commit.
type gathering struct {
	tx      *writing
	members int
	done    chan struct{} // closed once it is committed, or will not be
	err     error         // of the commit
}

// await waits for the turn, and gives the gathering to join, if any. The turn is the caller's even
// where the error is that of the context, but for errLeft.
func (t *turns) await(ctx context.Context, gathers bool) (*gathering, error) {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil, ctx.Err()
	}
	w := &waiting{gathers: gathers, turn: make(chan *gathering, 1)}
	t.queue = append(t.queue, w)
	t.mu.Unlock()
	select {
	case g := <-w.turn:
		return g, ctx.Err()
	case <-ctx.Done():
	}
	t.mu.Lock()
	at := slices.Index(t.queue, w)
	if at >= 0 {
		t.queue = slices.Delete(t.queue, at, at+1)
	}
	t.mu.Unlock()
	if at >= 0 {
		return nil, errLeft
	}
	return <-w.turn, ctx.Err()
}

// errLeft says that the context ended while a write was in line: it has no turn.
var errLeft = errors.New("the context ended in line")

// pass gives the turn to the first in line, with a gathering only to one that may join it. Where
// nobody takes it, the turn stays with the caller if there is a gathering, and else is free.
func (t *turns) pass(g *gathering) (passed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 || g != nil && (g.members >= togetherAtMost || !t.queue[0].gathers) {
		t.taken = g != nil
		return false
	}
	first := t.queue[0]
	t.queue = slices.Delete(t.queue, 0, 1)
	first.turn <- g
	return true
}

// write runs fn in a transaction that no other writer can come between. What fn gives back is given
// back as it is, but for SQLite's own errors, which become *store.Error.
func (db *DB) write(ctx context.Context, op string, fn func(context.Context, *writing) error) error {
	return db.inTurn(ctx, op, false, fn)
}

// gather is write for what is short and comes often: it may share its transaction with others, of
// which neither knows anything. The context ends its waiting, and nothing once it has begun.
func (db *DB) gather(ctx context.Context, op string, fn func(context.Context, *writing) error) error {
	return db.inTurn(ctx, op, true, fn)
}

func (db *DB) inTurn(ctx context.Context, op string, gathers bool, fn func(context.Context, *writing) error) error {
	if db.writer == nil {
		return fmt.Errorf("%s: %w", op, store.ErrReadOnly)
	}
	g, err := db.turns.await(ctx, gathers)
	if errors.Is(err, errLeft) {
		return storeError(ctx, op, ctx.Err())
	}
	during := ctx
	if gathers {
		during = context.WithoutCancel(ctx) // an interrupted statement would take the writes of the others with it
	}
	if err == nil && g == nil {
		g, err = db.begin(during)
	}
	if err == nil {
		err = db.join(during, g, fn)
	}
	if g == nil {
		db.turns.pass(nil)
		return storeError(ctx, op, err)
	}
	// Whoever joins commits, or passes the turn on. Nobody joins a transaction that is not whole.
	if !gathers || g.members == 0 || g.err != nil || !db.turns.pass(g) {
		db.end(during, g)
	}
	if err != nil {
		return storeError(ctx, op, err)
	}
	<-g.done
	return storeError(ctx, op, g.err)
}

// begin begins a transaction.
func (db *DB) begin(ctx context.Context) (*gathering, error) {
	tx, err := db.beginWriting(ctx)
	if err != nil {
		return nil, err
	}
	return &gathering{tx: tx, done: make(chan struct{})}, nil
}

// join runs a write in the transaction of a gathering. Of one that fails nothing is left there.
func (db *DB) join(ctx context.Context, g *gathering, fn func(context.Context, *writing) error) (err error) {
	ended := false
	defer func() {
		if !ended { // fn panics: the turn goes on without it
			g.err = g.tx.undo(ctx)
			db.end(ctx, g)
		}
	}()
	if err = g.tx.mark(ctx, g.members > 0); err == nil {
		err = fn(ctx, g.tx)
	}
	if err == nil {
		err = g.tx.keep(ctx)
	}
	if err == nil {
		g.members++
	} else {
		g.err = g.tx.undo(ctx)
	}
	ended = true
	return err
}

// end commits what came together, and gives up the turn.
func (db *DB) end(ctx context.Context, g *gathering) {
	if g.err == nil && g.members > 0 {
		g.err = g.tx.commit(ctx)
	} else {
		g.tx.rollback(ctx)
	}
	close(g.done)
	db.turns.pass(nil)
}
