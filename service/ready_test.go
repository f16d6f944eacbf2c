package service

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
)

// A database that cannot be written is said after a minute, with what is wrong, until it can.
func TestReadyNamesADatabaseThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error // nil hangs
		want string
	}{
		{"full", &store.Error{Op: "remember", Fault: store.FaultFull, Err: errors.New("13")}, "the disk is full"},
		{"something else", errors.New("nobody knows"), "nobody knows"},
		{"hanging", nil, "the database took over 10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				w := newWritable(func(ctx context.Context) error {
					switch {
					case !broken.Load():
						return nil
					case c.err == nil:
						<-ctx.Done()
						return ctx.Err()
					}
					return c.err
				}, zerolog.Nop())
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- w.watch(ctx) }()
				time.Sleep(time.Hour)
				if err := w.Ready(); err != nil {
					t.Errorf("not ready though all is well: %v", err)
				}
				broken.Store(true)
				time.Sleep(unwrittenMost / 2)
				if err := w.Ready(); err != nil {
					t.Errorf("not ready too soon: %v", err)
				}
				time.Sleep(unwrittenMost)
				synctest.Wait()
				if err := w.Ready(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("ready says %v, want %q", err, c.want)
				}
				broken.Store(false)
				time.Sleep(probeEvery + probeTimeout)
				synctest.Wait() // for the probe that begins at this moment
				if err := w.Ready(); err != nil {
					t.Errorf("not ready though it can be written again: %v", err)
				}
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
