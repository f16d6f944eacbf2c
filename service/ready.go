package service

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
)

const (
	// unwrittenMost is how long the database may not be written before the service is not ready.
	unwrittenMost = time.Minute
	probeEvery    = 15 * time.Second // a write of a few bytes
	probeTimeout  = 10 * time.Second // more than the database waits for another program

	probeName = "service/written" // under which the database remembers when it was last written
)

// writable knows since when a database could not be written.
type writable struct {
	write func(context.Context) error
	log   zerolog.Logger

	mu  sync.Mutex
	at  time.Time // of the last write that succeeded
	err error     // of the latest one
}

// newWritable watches what write does. The database counts as written until watch finds otherwise.
func newWritable(write func(context.Context) error, log zerolog.Logger) *writable {
	return &writable{write: write, log: log, at: time.Now()}
}

// written writes the time into the database.
func written(db store.Memory) func(context.Context) error {
	return func(ctx context.Context) error {
		return db.Remember(ctx, probeName, []byte(strconv.FormatInt(time.Now().Unix(), 10)))
	}
}

// watch writes now and then until ctx ends.
func (w *writable) watch(ctx context.Context) error {
	for {
		probe, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("the database took over %s", probeTimeout))
		err := w.write(probe)
		if err != nil && probe.Err() != nil {
			err = context.Cause(probe)
		}
		cancel()
		if ctx.Err() == nil {
			w.note(err)
		}
		if !sleep(ctx, probeEvery) {
			return nil
		}
	}
}

func (w *writable) note(err error) {
	w.mu.Lock()
	before := w.err
	if w.err = err; err == nil {
		w.at = time.Now()
	}
	w.mu.Unlock()
	switch {
	case err != nil && before == nil:
		w.log.Error().Err(err).Msg("the database cannot be written; trying again")
	case err == nil && before != nil:
		w.log.Info().Msg("the database can be written again")
	}
}

// Ready is nil unless the database could not be written for a minute.
func (w *writable) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	unwritten := time.Since(w.at)
	if w.err == nil && unwritten < unwrittenMost+probeEvery+probeTimeout || unwritten < unwrittenMost {
		return nil // a write may be under way
	}
	why := "a write does not end"
	if said, ok := errors.AsType[*store.Error](w.err); ok {
		why = said.Words()
	} else if w.err != nil {
		why = w.err.Error()
	}
	return fmt.Errorf("the database could not be written for %s: %s", unwritten.Round(time.Second), why)
}

// ready is nil when the service works: the database can be written, and Slack be worked with. The
// error names everything that is wrong, on one line.
func (s *Service) ready() error {
	err := errors.Join(s.database.Ready(), s.bot.Ready())
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}
