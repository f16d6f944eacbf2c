package sheet

import (
	"github.com/countersign/countersign/workflow"
)

// List is a file that says who works here.
type List struct {
	Header []string // as sent
	Rows   []workflow.Listed
	Bad    []int // the lines of the rows that cannot be read or name nobody
}

// ReadList reads a file that is a list of people and asks for nothing. Files and their errors are those
// of ReadCSV.
func ReadList(data []byte, orgID string, limits workflow.ReadLimits) (*List, error) {
	// The verb needs nothing but the account; what else the file may ask for is not looked at.
	sheet, err := ReadCSV(data, workflow.Deactivate, orgID, limits)
	if err != nil {
		return nil, err
	}
	columns := newSheetColumns(sheet.Header)
	list := &List{Header: sheet.Header}
	for _, row := range sheet.Rows {
		email := row.Email()
		if email == "" {
			email = row.Values.Get(workflow.ColumnNewEmail)
		}
		if row.Problem != "" || row.AccountID() == "" && email == "" {
			list.Bad = append(list.Bad, row.Line)
			continue
		}
		list.Rows = append(list.Rows, workflow.Listed{
			Line: row.Line, AccountID: row.AccountID(), Email: email, Name: columns.nameOf(row.Cells), Cells: row.Cells,
		})
	}
	return list, nil
}
