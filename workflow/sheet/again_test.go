package sheet_test

import (
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// What was wrong with a row by the settings or the program of its time is looked at anew; what is wrong with the file stays.
func TestRowsAreLookedAtAgain(t *testing.T) {
	const ours, theirs = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
	const file = "account_id,action,org_id,new_email\n" +
		"712020:a,deactivate," + theirs + ",\n" + // ours since
		"712020:b,deactivate," + ours + ",\n" + // ours no more
		"712020:c,deactivate,,\n" +
		"712020:d,rename," + theirs + ",no address\n" +
		"712020:e,\"deactivate\" x,,\n" +
		"712020:f,delete," + theirs + ",\n"
	s, err := sheet.ReadCSV([]byte(file), "", ours, workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	before := s.Rows[4].Problem
	if before == "" {
		t.Fatal("a quote inside a cell is no problem")
	}
	sheet.Again(s.Rows, s.Header, "", theirs)
	whole, err := sheet.ReadCSV([]byte(file), "", theirs, workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range s.Rows {
		want := whole.Rows[i].Problem
		if row.Problem != want || row.Action != whole.Rows[i].Action {
			t.Errorf("line %d: %s, problem %q; the file read now says %q", row.Line, row.Action, row.Problem, want)
		}
	}
	if s.Rows[4].Problem != before {
		t.Errorf("the problem of the file became %q", s.Rows[4].Problem)
	}
}

// A row that an earlier build could not do, and that this one can, is checked for all that the action needs.
func TestAnActionThatIsBuiltSince(t *testing.T) {
	s, err := sheet.ReadCSV([]byte("account_id,action,new_email\n712020:a,rename,no address\n712020:b,rename,b@new.example\n"), "", "",
		workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	whole := s.Rows[0].Problem
	for i := range s.Rows {
		s.Rows[i].Problem = workflow.NewReason(workflow.ReasonNotSupported, "rename").Words()
	}
	sheet.Again(s.Rows, s.Header, "", "")
	if s.Rows[0].Problem != whole || s.Rows[1].Problem != "" {
		t.Errorf("problems %q and %q, want %q and none", s.Rows[0].Problem, s.Rows[1].Problem, whole)
	}
}
