package bot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// What is remembered of forms that nobody has sent. It may be forgotten: what is asked for is in the
// database, and a form that is not known any more says so.
const (
	formFor      = time.Hour
	draftFor     = 24 * time.Hour // of one that was drafted for the person
	formsMost    = 500
	formContents = 64 << 20 // bytes of files and rows, over all forms
	rowSize      = 256      // bytes of a row, about
)

// openForm is a form that somebody fills in, or has had checked.
type openForm struct {
	person  string
	draft   view.Draft
	rows    []workflow.Row // of a draft with more than its lines hold
	content []byte         // of the file contentOf, as it was read; nil before
	at      time.Time
	stop    context.CancelFunc // ends the check of it; nil when none is under way
	// contentOf is the id of the file that the content is of: bytes never go with another file's
	// author.
	contentOf string
}

// lives is for how long it is remembered.
func (f *openForm) lives() time.Duration {
	if len(f.rows) > 0 || f.draft.From != "" {
		return draftFor
	}
	return formFor
}

// size is about how many bytes it takes.
func (f *openForm) size() int { return len(f.content) + rowSize*len(f.rows) }

// formStore remembers open forms by their keys, for an hour.
type formStore struct {
	mu   sync.Mutex
	open map[string]*openForm
}

// put remembers a form, and forgets what is too old or too much.
func (s *formStore) put(key string, f openForm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.at = time.Now()
	if f.stop != nil { // another check of it takes the place of the one before
		s.drop(key)
	}
	s.open[key] = &f
	bytes := 0
	for key, each := range s.open {
		if f.at.Sub(each.at) >= each.lives() {
			s.drop(key)
			continue
		}
		bytes += each.size()
	}
	for len(s.open) > formsMost || bytes > formContents && len(s.open) > 1 {
		oldest := ""
		for key, each := range s.open {
			if oldest == "" || each.at.Before(s.open[oldest].at) {
				oldest = key
			}
		}
		bytes -= s.open[oldest].size()
		s.drop(oldest)
	}
}

// get returns a form of a person; false when it is not known, or somebody else's.
func (s *formStore) get(key, person string) (openForm, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.open[key]
	if f == nil || f.person != person || time.Since(f.at) >= f.lives() {
		return openForm{}, false
	}
	return *f, true
}

// forget drops a form, and ends its check.
func (s *formStore) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
}

// drop is forget. The caller holds s.mu.
func (s *formStore) drop(key string) {
	if f := s.open[key]; f != nil && f.stop != nil {
		f.stop()
	}
	delete(s.open, key)
}

// newKey makes the key of a form, the same for nobody else.
func (b *Bot) newKey() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%016x%016x", b.cfg.Rand.Uint64(), b.cfg.Rand.Uint64())
}
