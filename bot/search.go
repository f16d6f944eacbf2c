package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// Nights are the nightly snapshots (report.Snapshots).
type Nights interface {
	ListSnapshots(ctx context.Context, query report.SnapshotQuery) ([]report.Snapshot, error)
	SnapshotMembers(ctx context.Context, id int64) iter.Seq2[workflow.Member, error]
}

const (
	hitsMost = 20
	// nightFor is how long the newest snapshot is taken for the newest without a look.
	nightFor = 30 * time.Second
	nightMax = time.Minute // to read one
)

// nightSearch finds accounts in the newest snapshot by a piece of name or address. It holds what is
// searched, of one snapshot at a time: a letter more in a menu must not read a directory anew.
type nightSearch struct {
	mu      sync.Mutex
	looked  time.Time
	id      int64 // of the snapshot; 0 for none
	people  []searched
	reading bool
}

// searched is an account as a search knows it.
type searched struct {
	id, name, email string
	status          workflow.AccountStatus
	folded          string // name and address, folded as addresses are
	address         string // the address alone
	plain           string // the name without accents and marks
}

// fits reports whether a word, folded as the account is, stands somewhere in its name or address; a name
// may be typed without its accents.
func (s *searched) fits(w word) bool {
	return strings.Contains(s.folded, w.folded) || w.plain != "" && strings.Contains(s.plain, w.plain)
}

// begins reports whether name or address begin with a word.
func (s *searched) begins(w word) bool {
	return strings.HasPrefix(s.folded, w.folded) || strings.HasPrefix(s.address, w.folded) || w.plain != "" && strings.HasPrefix(s.plain, w.plain)
}

// word is one that somebody types.
type word struct{ folded, plain string }

// wordsOf are the words of what somebody types.
func wordsOf(text string) (words []word) {
	for typed := range strings.FieldsSeq(text) {
		w := word{folded: workflow.GroupKey(typed)}
		if !strings.Contains(typed, "@") { // else it is no name
			w.plain = workflow.NameKey(typed)
		}
		words = append(words, w)
	}
	return words
}

// found returns at most so many accounts that a text fits, active ones and those that begin with it
// first; ok is false where there is no snapshot. It goes through the people once.
func (n *nightSearch) found(text string, most int) (hits []searched, ok bool) {
	n.mu.Lock()
	people, ok := n.people, n.id != 0
	n.mu.Unlock()
	words := wordsOf(text)
	if len(words) == 0 {
		return nil, ok
	}
	var ranks [4][]searched // the best first
	for i := range people {
		p := &people[i]
		if len(ranks[0]) == most {
			break
		}
		if slices.ContainsFunc(words, func(w word) bool { return !p.fits(w) }) {
			continue
		}
		rank := 0
		if p.status != workflow.StatusActive {
			rank = 2
		}
		if !p.begins(words[0]) {
			rank++
		}
		if len(ranks[rank]) < most {
			ranks[rank] = append(ranks[rank], *p)
		}
	}
	hits = slices.Concat(ranks[:]...)
	return hits[:min(len(hits), most)], ok
}

// refresh reads the newest snapshot where another one is held. One reader does; others search what is
// held meanwhile.
func (n *nightSearch) refresh(ctx context.Context, nights Nights) error {
	n.mu.Lock()
	if n.reading || time.Since(n.looked) < nightFor {
		n.mu.Unlock()
		return nil
	}
	n.reading = true
	held := n.id
	n.mu.Unlock()
	// Whoever searches first may wait in vain; the next letter finds what was read.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), nightMax, errors.New("to read a snapshot took over "+nightMax.String()))
	defer cancel()
	id, people, err := readNight(ctx, nights, held)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reading = false
	if err == nil {
		n.looked = time.Now()
		if id != held {
			n.id, n.people = id, people
		}
	}
	return err
}

// readNight reads the newest snapshot, unless it is the one that is held.
func readNight(ctx context.Context, nights Nights, held int64) (id int64, people []searched, err error) {
	newest, err := nights.ListSnapshots(ctx, report.SnapshotQuery{Limit: 1})
	if err != nil || len(newest) == 0 || newest[0].ID == held {
		if len(newest) > 0 {
			id = newest[0].ID
		}
		return id, nil, err
	}
	for m, err := range nights.SnapshotMembers(ctx, newest[0].ID) {
		if err != nil {
			return 0, nil, fmt.Errorf("read the snapshot to search in: %w", err)
		}
		people = append(people, searched{
			id: m.ID, name: m.Name, email: m.Email, status: m.Status,
			folded: workflow.GroupKey(m.Name + " " + m.Email), address: workflow.GroupKey(m.Email), plain: workflow.NameKey(m.Name),
		})
	}
	slices.SortFunc(people, func(a, b searched) int { return cmp.Or(cmp.Compare(a.folded, b.folded), cmp.Compare(a.id, b.id)) })
	return newest[0].ID, people, nil
}

// offered are the entries of a menu as Slack takes them; none is an empty list.
type offered struct {
	Options []*slack.OptionBlockObject `json:"options"`
}

// suggest finds people as somebody types, for whoever may ask.
func (b *Bot) suggest(ctx context.Context, s suggestion, by sender) any {
	out := offered{Options: []*slack.OptionBlockObject{}}
	if c, ok := view.ParseCarried(s.View.Metadata); ok {
		by.Channel = c.Channel
	}
	if _, err := b.actor(ctx, by); err != nil {
		b.log.Info().Err(err).Str("person", by.Person).Msg("a search is refused")
		return out
	}
	hits, err := b.search(ctx, s.Text)
	if err != nil {
		b.log.Warn().Err(err).Msg("search for people")
	}
	for _, h := range hits {
		if option := view.PersonOption(h.id, h.name, h.email, h.status); option != nil {
			out.Options = append(out.Options, option)
		}
	}
	return out
}

// search finds accounts in the newest snapshot; without one it asks Atlassian.
func (b *Bot) search(ctx context.Context, text string) ([]searched, error) {
	err := b.night.refresh(ctx, b.cfg.Store)
	hits, ok := b.night.found(text, hitsMost)
	if ok || err != nil {
		return hits, err
	}
	accounts, err := b.cfg.Engine.SearchAccounts(ctx, text, hitsMost)
	for _, a := range accounts {
		hits = append(hits, searched{id: a.ID, name: a.Name, email: a.Email, status: a.Status})
	}
	return hits, err
}
