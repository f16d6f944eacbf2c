package sqlite

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// How many bytes a spool keeps in memory before it uses its file: spoolMemory, and less where it is filled in a transaction
// that others wait for, as sorting so much takes a few milliseconds.
const (
	spoolMemory   = 8 << 20
	spoolInPieces = 2 << 20
)

// spool sorts more records than should be in memory: what does not fit goes sorted into a file, which
// is merged with the rest when it is read. Few records never touch the disk.
type spool struct {
	path    string // of its file, which only its owner can read
	limit   int
	arena   []byte
	records []spooled // in the arena, in the order they came
	file    *os.File
	written int64
	runs    []int64 // where each sorted run ends in the file
}

// spooled says where a record is: key from begin to body, its body from there to end.
type spooled struct{ begin, body, end int }

// spool returns an empty one with so many bytes of memory, and a file of its own beside the database should it need it.
func (db *DB) spool(of string, limit int) *spool {
	return &spool{path: db.path + "-" + of, limit: min(limit, db.inOne.memory)}
}

// add takes a record in; of those with the same key the last one counts.
func (s *spool) add(key, body []byte) error {
	if len(s.arena)+len(key)+len(body) > s.limit && len(s.records) > 0 {
		if err := s.spill(); err != nil {
			return fmt.Errorf("sort beside the database: %w", err)
		}
	}
	begin := len(s.arena)
	s.arena = append(append(s.arena, key...), body...)
	s.records = append(s.records, spooled{begin, begin + len(key), len(s.arena)})
	return nil
}

// sort sorts what is in memory by key, then as it came.
func (s *spool) sort() {
	slices.SortFunc(s.records, func(a, b spooled) int {
		return cmp.Or(bytes.Compare(s.arena[a.begin:a.body], s.arena[b.begin:b.body]), cmp.Compare(a.begin, b.begin))
	})
}

// spill writes what is in memory to the file.
func (s *spool) spill() (err error) {
	if s.file == nil {
		// A file that a crash left is emptied. Its name goes at once where the system lets it.
		if s.file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
		_ = os.Remove(s.path) // else close does it
	}
	s.sort()
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.written), 1<<16)
	var head [2 * binary.MaxVarintLen64]byte
	for _, r := range s.records {
		n := binary.PutUvarint(head[:], uint64(r.body-r.begin))
		n += binary.PutUvarint(head[n:], uint64(r.end-r.body))
		_, _ = w.Write(head[:n]) // Flush says it
		_, _ = w.Write(s.arena[r.begin:r.end])
		s.written += int64(n + r.end - r.begin)
	}
	s.runs = append(s.runs, s.written)
	s.arena, s.records = s.arena[:0], s.records[:0]
	return w.Flush()
}

// sorted returns the records by key, each key once with its last body. They are valid until the next
// one; no more may be added.
func (s *spool) sorted() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		cursors, err := s.cursors()
		var held record
		for err == nil && len(cursors) > 0 {
			first := 0 // of equal keys that of the earliest run
			for i := range cursors {
				if bytes.Compare(cursors[i].at.key, cursors[first].at.key) < 0 {
					first = i
				}
			}
			at := cursors[first].at
			if held.key != nil && !bytes.Equal(held.key, at.key) && !yield(held, nil) {
				return
			}
			held.key, held.body = append(held.key[:0], at.key...), append(held.body[:0], at.body...)
			var more bool
			if more, err = cursors[first].next(); !more {
				cursors = slices.Delete(cursors, first, first+1)
			}
		}
		if err != nil {
			yield(record{}, fmt.Errorf("sort beside the database: %w", err))
		} else if held.key != nil {
			yield(held, nil)
		}
	}
}

// record is one of a spool.
type record struct{ key, body []byte }

// cursor goes through a sorted run.
type cursor struct {
	at   record
	next func() (more bool, err error)
}

// cursors returns one for each run, at its first record.
func (s *spool) cursors() ([]*cursor, error) {
	var all []*cursor
	begin := int64(0)
	for _, end := range s.runs {
		c := &cursor{}
		r := bufio.NewReaderSize(io.NewSectionReader(s.file, begin, end-begin), 1<<16)
		c.next = func() (bool, error) { return c.read(r) }
		all, begin = append(all, c), end
	}
	s.sort()
	rest, c := s.records, &cursor{}
	c.next = func() (bool, error) {
		if len(rest) == 0 {
			return false, nil
		}
		r := rest[0]
		c.at, rest = record{s.arena[r.begin:r.body], s.arena[r.body:r.end]}, rest[1:]
		return true, nil
	}
	all = append(all, c)
	var failed error
	all = slices.DeleteFunc(all, func(c *cursor) bool {
		more, err := c.next()
		failed = cmp.Or(failed, err)
		return !more
	})
	return all, failed
}

// read reads the next record of a run in the file.
func (c *cursor) read(r *bufio.Reader) (bool, error) {
	key, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	body, err := binary.ReadUvarint(r)
	if err != nil {
		return false, err
	}
	c.at.key, c.at.body = slices.Grow(c.at.key[:0], int(key))[:key], slices.Grow(c.at.body[:0], int(body))[:body]
	if _, err := io.ReadFull(r, c.at.key); err != nil {
		return false, err
	}
	_, err = io.ReadFull(r, c.at.body)
	return err == nil, err
}

// close gives the file back.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()    // nothing of it is needed any more
		_ = os.Remove(s.path) // it is gone already but where open files keep their names
	}
}
