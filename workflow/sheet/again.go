package sheet

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Again looks once more at rows that were read before, in place. What was wrong with them by the
// settings or by this program of that time, another organisation or an action that was not built, is
// wrong no more where it holds no more; what was wrong with the file stays. verb is the one that they
// were read with, and orgID the organisation that is ours now. Rows without cells are of a command.
func Again(rows []workflow.Row, header []string, verb workflow.ActionName, orgID string) {
	r := newRowReader(newSheetColumns(header), 0, verb, orgID, nil)
	for i := range rows {
		row := &rows[i]
		org := row.Values.Get(workflow.ColumnOrgID)
		other := org != "" && !strings.EqualFold(org, orgID)
		switch {
		case row.Problem == "" && other: // the settings name another one since
			row.Problem = workflow.OtherOrgProblem(org)
		case row.Problem == "" || !ofItsTime(row, other):
		case len(row.Cells) > 0:
			r.given = row.Values
			var again workflow.Row
			r.read(&csvRecord{line: row.Line, cells: slices.Clone(row.Cells)}, &again)
			*row = again
		}
	}
}

// ofItsTime reports whether a part of what is wrong with a row holds no more. other says that its
// organisation is not ours.
func ofItsTime(row *workflow.Row, other bool) bool {
	org := row.Values.Get(workflow.ColumnOrgID)
	was := org != "" && strings.Contains(row.Problem, workflow.OtherOrgProblem(org))
	return was && !other || action.Built(row.Action) && strings.Contains(row.Problem, unsupportedAction(row.Action))
}
