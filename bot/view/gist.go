package view

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
	moves       tallies // "old.example → new.example", of addresses
	messages    tallies // that people will read
	products    tallies
	groups      tallies
	sites       tallies
	directories tallies // that rows name
	holders     tallies // numbers of batches

	first *workflow.Change // the first that will run
	rows  int              // that will run
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

// addEach takes in what stands in a cell, separated by ";".
func (t *tallies) addEach(cell string) {
	var seen []string
	for part := range strings.SplitSeq(cell, ";") {
		if part = strings.TrimSpace(part); !slices.Contains(seen, part) {
			t.add(part)
			seen = append(seen, part)
		}
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
	if g.rows++; g.rows == 1 {
		first := *ch
		g.first = &first
	}
	g.messages.add(takes(ch, workflow.FieldMessage))
	g.products.addEach(takes(ch, workflow.FieldProducts))
	g.groups.addEach(takes(ch, workflow.FieldGroups))
	g.directories.add(namedDirectory(ch))
	g.sites.add(ch.Asked.Values.Get(workflow.ColumnSite))
}

// only is the one row that will run, nil where there are more or that is not known.
func (g *Gist) only() *workflow.Change {
	if g == nil || g.rows != 1 {
		return nil
	}
	return g.first
}

// group is how a title names the groups, "" where that is not known.
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
// and the products that they are given. titled are groups that the title names. cut reports whether
// something is not there as a whole.
func (g *Gist) gets(planned int, titled bool) (lines []string, cut bool) {
	if g == nil {
		return nil, false
	}
	shown := g.messages.words[:min(len(g.messages.words), gistShown)]
	for i, m := range shown {
		text := quoted(m, workflow.MaxMessage)
		if len(shown) > 1 || isLong(m) {
			var short bool
			text, short = quotedWithin(m, messageText)
			cut = cut || short
		}
		lines = append(lines, ":envelope: Message to "+share(g.messages.counts[i], planned)+": “"+text+"”")
	}
	if more := g.messages.kinds() - gistShown; more > 0 {
		lines, cut = append(lines, "and "+moreOf(g.messages, more, "other message", "other messages")), true
	}
	list := func(one, many string, t *tallies) {
		if t.kinds() > 0 {
			words, short := t.list(planned)
			lines, cut = append(lines, plural(t.kinds(), one, many)+words), cut || short
		}
	}
	if !titled || g.groups.kinds() > 1 || isCut(g.groups.one(), tableCell) {
		list("Group: ", "Groups: ", &g.groups)
	}
	list("Product: ", "Products: ", &g.products)
	list("Site: ", "Sites: ", &g.sites)
	list("Directory: ", "Directories: ", &g.directories)
	return lines, cut
}

// isLong reports whether a message cannot be quoted whole.
func isLong(message string) bool { return len(quoted(message, workflow.MaxMessage)) > mostQuoted }

// sameMessage is the message that everybody gets, "" where they differ.
func (g *Gist) sameMessage() string {
	if g == nil || g.messages.kinds() != 1 || g.messages.counts[0] != g.rows {
		return ""
	}
	return g.messages.one()
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

// list names the first of these, each with its count where not all so many rows have it. cut
// reports whether something is missing.
func (t *tallies) list(planned int) (words string, cut bool) {
	var out []string
	letters := 0
	for i, word := range t.words {
		text, short := quotedWithin(word, tableCell)
		if t.counts[i] != planned {
			text += " (" + number(t.counts[i]) + " of " + number(planned) + ")"
		}
		if letters += utf8.RuneCountInString(text); len(out) > 0 && letters > listText {
			break
		}
		out, cut = append(out, text), cut || short
	}
	if more := t.kinds() - len(out); more > 0 {
		out, cut = append(out, "and "+moreOf(*t, more, "other", "others")), true
	}
	return strings.Join(out, ", "), cut
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
