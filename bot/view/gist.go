package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/workflow"
)

const (
	gistKinds = 40 // different things of a kind that a gist tells apart
	gistShown = 3  // of these the card names
)

// Gist is what all rows of a plan come to, beside the counts: what moves where, what people get, and
// which open batches hold rows. A plan never changes, so it is made once for each. The zero Gist is
// of no rows, and a nil one of a plan that was not read.
type Gist struct {
	moves    tallies // "old.example → new.example", of addresses
	messages tallies // that people will read
	products tallies
	groups   tallies
	sites    tallies
	holders  tallies // numbers of batches
}

// tallies counts equal things, in the order in which they came.
type tallies struct {
	words  []string
	counts []int
	others int // of kinds that are not told apart
}

func (t *tallies) add(word string) {
	if word == "" {
		return
	}
	i := slices.Index(t.words, word)
	switch {
	case i >= 0:
		t.counts[i]++
	case len(t.words) == gistKinds:
		t.others++
	default:
		t.words, t.counts = append(t.words, word), append(t.counts, 1)
	}
}

// one returns the only thing there is, "" where there are several or none.
func (t *tallies) one() string {
	if len(t.words) == 1 && t.others == 0 {
		return t.words[0]
	}
	return ""
}

// kinds is how many different things there are at least.
func (t *tallies) kinds() int { return len(t.words) + min(t.others, 1) }

// Add takes in a row of the plan.
func (g *Gist) Add(ch *workflow.Change) {
	switch {
	case ch.State == workflow.ChangeBlocked && ch.Reason.Code == workflow.ReasonHeld:
		g.holders.add(ch.Reason.Fact(0))
		return
	case !slices.Contains(PlannedStates(), ch.State):
		return
	}
	if old, to := workflow.Domain(ch.OldEmail()), workflow.Domain(ch.NewEmail()); ch.Action == workflow.Rename && old != "" && to != "" {
		g.moves.add(plainDomain(old) + " → " + plainDomain(to))
	}
	g.messages.add(ch.Message())
	g.products.add(ch.Set.Get(workflow.FieldProducts))
	g.groups.add(ch.Group())
	g.sites.add(ch.Asked.Values.Get(workflow.ColumnSite))
}

func (g *Gist) group() string {
	if g == nil {
		return ""
	}
	if n := g.groups.kinds(); n > 1 {
		return number(n) + " groups"
	}
	return oneLine(g.groups.one(), tableCell)
}

// fromTo says what becomes what, for the card's second line: "old.example → new.example".
func (g *Gist) fromTo() string {
	if g == nil || len(g.moves.words) == 0 {
		return ""
	}
	shown := g.moves.words[:min(len(g.moves.words), gistShown)]
	text := strings.Join(shown, ", ")
	if more := g.moves.kinds() - len(shown); more > 0 {
		text += " and " + many(more, "other move", "other moves")
	}
	return text
}

// gets says what people will get by the plan, a line each: the messages that they read, the groups
// and the products that they are given.
func (g *Gist) gets(planned int) []string {
	if g == nil {
		return nil
	}
	var out []string
	for i, m := range g.messages.words[:min(len(g.messages.words), gistShown)] {
		out = append(out, ":envelope: Message to "+share(g.messages.counts[i], planned)+": “"+quoted(m, messageText)+"”")
	}
	if more := g.messages.kinds() - gistShown; more > 0 {
		out = append(out, "and "+moreOf(g.messages, more, "other message", "other messages")+"; the plan has all of them")
	}
	if g.groups.kinds() > 1 {
		out = append(out, "Groups: "+g.groups.list(func(s string) string { return s }))
	}
	if len(g.products.words) > 0 {
		out = append(out, "Products: "+g.products.list(func(s string) string { return strings.ReplaceAll(s, ";", ", ") }))
	}
	if g.sites.kinds() > 0 {
		out = append(out, plural(g.sites.kinds(), "Site: ", "Sites: ")+g.sites.list(func(s string) string { return s }))
	}
	return out
}

// moreOf counts other kinds; those that are not told apart are at least so many.
func moreOf(t tallies, n int, one, more string) string {
	if t.others > 0 {
		return "at least " + many(n, one, more)
	}
	return many(n, one, more)
}

// share names so many of all: "all 8", "3 of 8".
func share(n, of int) string {
	switch {
	case n >= of && of == 1:
		return "the person"
	case n >= of:
		return "all " + number(n)
	}
	return number(n) + " of " + number(of)
}

// list names the first of these, each with its count where they are not all the same.
func (t *tallies) list(show func(string) string) string {
	var out []string
	for i, word := range t.words[:min(len(t.words), gistShown)] {
		text := quoted(show(word), tableCell)
		if t.kinds() > 1 {
			text += " (" + number(t.counts[i]) + ")"
		}
		out = append(out, text)
	}
	if more := t.kinds() - gistShown; more > 0 {
		out = append(out, "and "+moreOf(*t, more, "other", "others"))
	}
	return strings.Join(out, ", ")
}

// held says by which open batches rows are held: "3 held by #4".
func (g *Gist) held() []string {
	if g == nil {
		return nil
	}
	var out []string
	for i, holder := range g.holders.words[:min(len(g.holders.words), gistShown)] {
		if _, err := strconv.ParseInt(holder, 10, 64); err == nil {
			out = append(out, number(g.holders.counts[i])+" held by #"+holder)
		}
	}
	if more := g.holders.kinds() - gistShown; more > 0 {
		rest := g.holders.others
		for _, n := range g.holders.counts[gistShown:] {
			rest += n
		}
		out = append(out, number(rest)+" held by other open batches")
	}
	return out
}

// heldAll reports whether so many rows are all that are known to be held.
func (g *Gist) heldAll(rows int) bool {
	if g == nil {
		return false
	}
	n := g.holders.others
	for _, count := range g.holders.counts {
		n += count
	}
	return n > 0 && n == rows
}
