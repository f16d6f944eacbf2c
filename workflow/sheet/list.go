package sheet

import (
	"cmp"

	"github.com/countersign/countersign/workflow"
)

// List is a file that says who works here.
type List struct {
	Header []string // as sent
	Rows   []workflow.Listed
	Bad    []int  // the lines of the rows that cannot be read or name nobody
	BadWhy string // what is wrong with the first of them, as a clause
}

// ReadList reads a file that is a list of people and asks for nothing. Files and their errors are those
// of ReadCSV.
func ReadList(data []byte, orgID string, limits workflow.ReadLimits) (*List, error) {
	sheet, err := readPeople(data, listColumns, orgID, limits)
	if err != nil {
		return nil, err
	}
	columns := newSheetColumns(sheet.Header)
	list := &List{Header: sheet.Header}
	for _, row := range sheet.Rows {
		if row.Problem != "" {
			list.Bad, list.BadWhy = append(list.Bad, row.Line), cmp.Or(list.BadWhy, row.Problem)
			continue
		}
		list.Rows = append(list.Rows, workflow.Listed{
			Line: row.Line, AccountID: row.AccountID(), Email: row.Email(), Name: columns.nameOf(row.Cells), Cells: row.Cells,
		})
	}
	return list, nil
}

// readPeople reads a file for the people that it names.
func readPeople(
	data []byte, mean func(header []string) *sheetColumns, orgID string, limits workflow.ReadLimits,
) (*workflow.Sheet, error) {
	return readSheet(data, mean, workflow.Deactivate, nil, orgID, limits) // which needs nothing but the account
}

// peopleColumns finds out which columns name an account. What else a file may ask for means nothing here: it would make
// bad rows of people.
func peopleColumns(header []string) *sheetColumns {
	c := newSheetColumns(header)
	for i, column := range c.meaning {
		switch column {
		case workflow.ColumnAccountID, workflow.ColumnEmail, workflow.ColumnOrgID:
		default:
			c.meaning[i] = ""
		}
	}
	return c
}

// listColumns is peopleColumns for a list, which has no old and new addresses: one that it calls new is an address all
// the same, of a row that gives no other.
func listColumns(header []string) *sheetColumns {
	c := peopleColumns(header)
	for i, column := range newSheetColumns(header).meaning {
		if column == workflow.ColumnNewEmail {
			c.spare = append(c.spare, i)
		}
	}
	if !c.has(workflow.ColumnEmail) {
		for _, i := range c.spare {
			c.meaning[i] = workflow.ColumnEmail
		}
		c.spare = nil
	}
	return c
}
