package workflow

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// ResultsHeader is the first line of batch-42-results.csv.
func ResultsHeader() []string {
	return []string{
		"row", "action", "account_id", "old_email", "new_email", "status", "reason", "attempts", "finished_at",
		"via", "message", "group", "name",
	}
}

// ResultRow is what became of one row of the request, under ResultsHeader: status is the state's word, the reason is a
// sentence, the time RFC 3339 in UTC and empty when nothing was finished.
func ResultRow(c Change) []string {
	return []string{
		strconv.Itoa(c.Row), string(c.Action), c.AccountID, c.OldEmail, c.NewEmail, string(c.State), c.Reason.Words(),
		strconv.Itoa(c.Attempts), fileTime(c.Finished), c.Via(), c.Message, c.Group, c.Name,
	}
}

// PlanHeader is the first line of batch-42-plan.csv.
func PlanHeader() []string {
	return []string{
		"row", "action", "account_id", "name", "old_email", "new_email", "status", "reason", "via", "message", "group",
		"effect", "seal",
	}
}

// PlanRow is what the plan says about one row of the request, under PlanHeader, whatever became of the row since: what has
// steps was ready. Every row has the plan's seal, so that a sorted or filtered copy still says of which plan it is.
func PlanRow(c Change, seal string) []string {
	state, reason := c.State, c.Reason.Words()
	if len(c.Steps) > 0 {
		state, reason = ChangeReady, ""
		if c.Reason.Code == ReasonOddAddress {
			reason = c.Reason.Words()
		} else if what := oddAddress(c.NewEmail, nil); what != "" { // the row has got another reason since
			reason = NewReason(ReasonOddAddress, what).Words()
		}
	}
	return []string{
		strconv.Itoa(c.Row), string(c.Action), c.AccountID, c.Name, c.OldEmail, c.NewEmail, string(state), reason,
		c.Via(), c.Message, c.Group, strings.ReplaceAll(string(c.Effect), "_", " "), seal,
	}
}

// The columns that the file of bad rows adds; ReadCSV ignores both.
const (
	columnLine    = "line"
	columnProblem = "problem"
)

// BadRowsHeader is the first line of batch-42-bad-rows.csv: the columns of the sent file, and line and problem behind
// them. A file that ends with these two, as one that was corrected and sent again does, gets them once. A request without
// a file (header nil) has the columns of a file that could be sent.
func BadRowsHeader(header []string) []string {
	if len(header) == 0 {
		header = []string{
			string(ColumnAction), string(ColumnAccountID), "old_email", string(ColumnNewEmail), string(ColumnMessage),
			string(ColumnGroup),
		}
	}
	return append(slices.Clone(ownColumnsCut(header)), columnLine, columnProblem)
}

// BadRow is one unreadable or blocked row under BadRowsHeader of the same header: the cells as sent, its line and what is
// wrong. Cells beyond the columns come behind these two, so that nothing of the row is lost and it stays a bad row until
// somebody has put them in their place.
func BadRow(c Change, header []string) []string {
	cells := c.Cells
	if len(header) == 0 {
		cells = []string{string(c.Action), c.AccountID, c.OldEmail, c.NewEmail, c.Message, c.Group}
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

// ownColumnsCut is the header without the two columns that an earlier file of bad rows put behind it.
func ownColumnsCut(header []string) []string {
	n := len(header)
	if n >= 2 && foldName(header[n-2]) == columnLine && foldName(header[n-1]) == columnProblem {
		return header[:n-2]
	}
	return header
}

// fileTime is how files write a time, "" for the zero time.
func fileTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
