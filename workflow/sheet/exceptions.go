package sheet

import (
	"fmt"

	"github.com/countersign/countersign/workflow"
)

// ReadExceptions reads a file for the accounts that it names, which a request is to leave out. Files
// and their errors are those of ReadCSV. A row that does not say whom it means is a *FileError: an
// exception that is not understood would let somebody be changed who was to be spared.
func ReadExceptions(data []byte, orgID string, limits workflow.ReadLimits) ([]workflow.Excepted, error) {
	sheet, err := readPeople(data, peopleColumns, orgID, limits)
	if err != nil {
		return nil, err
	}
	out := make([]workflow.Excepted, len(sheet.Rows))
	for i, row := range sheet.Rows {
		out[i] = workflow.Excepted{Line: row.Line, AccountID: row.AccountID(), Email: row.Email()}
		switch {
		case row.Problem != "":
			return nil, &FileError{
				Problem: fmt.Sprintf("line %d cannot be used: %s", row.Line, row.Problem), Remedy: "correct it, and send the file again",
			}
		case out[i].AccountID == "" && out[i].Email == "":
			return nil, &FileError{
				Problem: fmt.Sprintf("line %d names no account", row.Line), Remedy: "give its address or account id, and send the file again",
			}
		}
	}
	return out, nil
}
