package sheet

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// ResultsHeader returns the first line of batch-42-results.csv.
func ResultsHeader() []string {
	return []string{
		"row", "action", "account_id", "old_email", "new_email", "status", "reason", "attempts", "finished_at",
		"via", "message", "group", "name", "site", "place", "until", "new_name", "directory", "products", "steps",
	}
}

// ResultRow returns what became of one row of the request, under ResultsHeader: status is the
// state's word, the reason is a sentence, the time RFC 3339 in UTC and empty when nothing was
// finished.
func ResultRow(c workflow.Change) []string {
	return []string{
		strconv.Itoa(c.Row), string(c.Action), c.AccountID, c.OldEmail(), c.NewEmail(), string(c.State), c.Reason.Words(),
		strconv.Itoa(c.Attempts), fileTime(c.Finished), c.Via(), c.Message(), groups(c), c.Name,
		site(c), each(c, func(s workflow.Step) string { return string(s.Place) }),
		each(c, func(s workflow.Step) string { return s.Until }), c.Set.Get(workflow.FieldName),
		directory(c), c.Set.Get(workflow.FieldProducts), stepWords(c),
	}
}

// each is what the steps of a change say of something, each value once, separated by ";".
func each(c workflow.Change, of func(workflow.Step) string) string {
	var out []string
	for _, s := range c.Steps {
		if value := of(s); value != "" && !slices.Contains(out, value) {
			out = append(out, value)
		}
	}
	return strings.Join(out, "; ")
}

// groups are those that the row names, else those that its steps are about, by their ids.
func groups(c workflow.Change) string {
	return cmp.Or(c.Group(), each(c, groupOf))
}

// site is that of the steps; where there is none to make, that of the row.
func site(c workflow.Change) string {
	return cmp.Or(each(c, func(s workflow.Step) string { return s.Site }), c.Asked.Values.Get(workflow.ColumnSite))
}

// directory is that of the steps; where there is none to make, that of the row.
func directory(c workflow.Change) string {
	return cmp.Or(each(c, func(s workflow.Step) string { return s.Directory }), c.Asked.Values.Get(workflow.ColumnDirectory))
}

// groupOf is the id of the group that a step is about, "" where it is about none.
func groupOf(s workflow.Step) string {
	for field := range s.Set.Keys() {
		if kind, id, _ := strings.Cut(string(field), ":"); kind == "group" {
			return id
		}
	}
	return ""
}

// stepWords say what became of each step of a change that has several.
func stepWords(c workflow.Change) string {
	if len(c.Steps) < 2 {
		return ""
	}
	words := make([]string, len(c.Steps))
	for i, s := range c.Steps {
		o := c.Outcome(i)
		words[i] = strings.TrimSpace(string(s.Action)+" "+c.StepGroup(i)) + ": " + string(cmp.Or(o.State, c.State))
		if why := o.Reason.Words(); why != "" {
			words[i] += " (" + why + ")"
		}
	}
	return strings.Join(words, "; ")
}

// PlanHeader returns the first line of batch-42-plan.csv.
func PlanHeader() []string {
	return []string{
		"row", "action", "account_id", "name", "old_email", "new_email", "status", "reason", "via", "message", "group",
		"effect", "new_name", "place", "directory", "site", "products", "at", "until", "returns", "seal",
	}
}

// PlanRow returns what the plan says about one row of the request, under PlanHeader, whatever
// became of the row since: what has steps was ready. Every row has the plan's seal, so that a
// sorted or filtered copy still says of which plan it is.
func PlanRow(c workflow.Change, seal string) []string {
	state := c.State
	if len(c.Steps) > 0 {
		state = workflow.ChangeReady
	}
	return []string{
		strconv.Itoa(c.Row), string(c.Action), c.AccountID, c.Name, c.OldEmail(), c.NewEmail(), string(state), PlanReason(c),
		c.Via(), c.Message(), groups(c), effectWords(c.Effects), c.Set.Get(workflow.FieldName),
		each(c, func(s workflow.Step) string { return string(s.Place) }), directory(c),
		site(c), c.Set.Get(workflow.FieldProducts),
		each(c, func(s workflow.Step) string { return s.At }), each(c, func(s workflow.Step) string { return s.Until }), returns(c), seal,
	}
}

// PlanReason returns what the plan says about why a row cannot run, or what to look at before it does.
func PlanReason(c workflow.Change) string {
	if len(c.Steps) == 0 || c.Reason.Code.Warns() {
		return c.Reason.Words()
	}
	if what := workflow.OddAddress(c.NewEmail(), nil); what != "" { // the row has got another reason since
		return workflow.NewReason(workflow.ReasonOddAddress, what).Words()
	}
	return ""
}

// returns says what takes a change back at its end, "" for one that has none.
func returns(c workflow.Change) string {
	if c.Until() == "" {
		return ""
	}
	back, _ := action.Return(&c)
	words := make([]string, len(back))
	for i, b := range back {
		words[i] = string(b.Step.Action)
	}
	return strings.Join(words, "; ")
}

// The columns that the file of bad rows adds; ReadCSV ignores both.
const (
	columnLine    = "line"
	columnProblem = "problem"
)

// BadRowsHeader returns the first line of batch-42-bad-rows.csv: the columns of the sent file, and
// line and problem behind them. A file that ends with these two, as one that was corrected and sent
// again does, gets them once. A request without a file (header nil) has the columns of a file that
// could be sent.
func BadRowsHeader(header []string) []string {
	if len(header) == 0 {
		header = []string{
			string(workflow.ColumnAction), string(workflow.ColumnAccountID), "old_email", string(workflow.ColumnNewEmail), string(workflow.ColumnMessage),
			string(workflow.ColumnGroup), string(workflow.ColumnNewName),
		}
	}
	return append(slices.Clone(ownColumnsCut(header)), columnLine, columnProblem)
}

// BadRow returns one unreadable or blocked row under BadRowsHeader of the same header: the cells as
// sent, its line and what is wrong. Cells beyond the columns come behind these two, so that nothing
// of the row is lost and it stays a bad row until somebody has put them in their place.
func BadRow(c workflow.Change, header []string) []string {
	cells := c.Asked.Cells
	if len(header) == 0 {
		cells = []string{string(c.Action), c.AccountID, c.OldEmail(), c.NewEmail(), c.Message(), c.Group(), c.Set.Get(workflow.FieldName)}
	}
	width := len(BadRowsHeader(header)) - 2 // without line and problem
	out := make([]string, width, max(width, len(cells))+2)
	copy(out, cells)
	out = append(out, strconv.Itoa(c.Row), c.Reason.Words())
	if sent := max(width, len(header)); len(cells) > sent {
		out = append(out, cells[sent:]...)
	}
	return out
}

// ownColumnsCut returns the header without the two columns that an earlier file of bad rows put
// behind it.
func ownColumnsCut(header []string) []string {
	n := len(header)
	if n >= 2 && workflow.FoldName(header[n-2]) == columnLine && workflow.FoldName(header[n-1]) == columnProblem {
		return header[:n-2]
	}
	return header
}

// fileTime returns how files write a time, "" for the zero time.
func fileTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// effectWords returns side effects as files write them.
func effectWords(effects []workflow.Effect) string {
	words := make([]string, len(effects))
	for i, e := range effects {
		kind, what, _ := strings.Cut(string(e), ":")
		words[i] = strings.TrimSpace(strings.ReplaceAll(kind, "_", " ") + " " + strings.ReplaceAll(what, ",", ", "))
	}
	return strings.Join(words, "; ")
}
