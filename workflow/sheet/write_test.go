package sheet_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

func write(t rapid.TB, header []string, rows ...[]string) string {
	t.Helper()
	var out bytes.Buffer
	if err := sheet.WriteCSV(&out, header, slices.Values(rows)); err != nil {
		t.Fatalf("WriteCSV: %v", err)
	}
	return out.String()
}

func TestWriteCSV(t *testing.T) {
	got := write(t, []string{"email", "note"},
		[]string{"a@x.example", "plain"},
		[]string{`say "hi"`, "a,b;c"},
		[]string{"=1+1", "@here"},
		[]string{"'=1", "it's"},
		[]string{"+49", "-"},
		[]string{"", " x"},
		[]string{"two\nlines", "\ttab"},
	)
	const want = "\uFEFFemail,note\r\na@x.example,plain\r\n\"say \"\"hi\"\"\",\"a,b;c\"\r\n'=1+1,'@here\r\n" +
		"''=1,it's\r\n'+49,'-\r\n,\" x\"\r\n\"two\nlines\",\"'\ttab\"\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

// A record of one empty cell must not look like a blank line.
func TestWriteCSVLoneEmptyCell(t *testing.T) {
	if got, want := write(t, []string{"email"}, []string{""}), "\uFEFFemail\r\n\"\"\r\n"; got != want {
		t.Errorf("file %q, want %q", got, want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteCSVTellsOfABrokenWriter(t *testing.T) {
	many := func(yield func([]string) bool) {
		for range 10_000 {
			if !yield([]string{"a cell that fills the buffer"}) {
				return
			}
		}
	}
	err := sheet.WriteCSV(brokenWriter{}, []string{"email"}, many)
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v, want disk full", err)
	}
}

// What WriteCSV writes, ReadCSV reads back to the cell: formulas, apostrophes, quotes, line breaks
// and all.
func TestWriteCSVRoundTrip(t *testing.T) {
	cell := rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune("'=+-@\t\r\n\",;a é"))),
	)
	rapid.Check(t, func(t *rapid.T) {
		// The columns are ones that may hold anything; "email" makes the header known, and every
		// record is not blank.
		header := []string{"email", "message", "note", "=odd"}
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []string {
			return []string{"a@x.example", cell.Draw(t, "message"), cell.Draw(t, "note"), cell.Draw(t, "odd")}
		}), 1, 20).Draw(t, "rows")
		text := write(t, header, rows...)
		sheet, err := sheet.ReadCSV([]byte(text), workflow.Deactivate, "", workflow.ReadLimits{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(header, sheet.Header); diff != "" {
			t.Fatalf("header (-want +got):\n%s", diff)
		}
		var got [][]string
		for _, row := range sheet.Rows {
			got = append(got, row.Cells)
		}
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Fatalf("cells (-want +got):\n%s\nfile:\n%q", diff, text)
		}
	})
}

func TestResultRow(t *testing.T) {
	change := workflow.Change{
		Batch: 42, Row: 7, Action: workflow.Rename, AccountID: "id:1", Name: "Ada",
		Expect: workflow.Of(workflow.FieldEmail, "a@x.example"),
		Set: workflow.Of(workflow.FieldEmail, "a@y.example").With(workflow.FieldMessage, "m").
			With(workflow.FieldGroups, "g"),
		State: workflow.ChangeFailed, Reason: workflow.NewReason(workflow.ReasonGone, "id:1"), Attempts: 2,
		Effects: []workflow.Effect{workflow.EffectSignedOut}, Finished: time.Date(2026, 11, 24, 3, 4, 5, 678, time.FixedZone("CET", 3600)),
		Steps: []workflow.Step{
			{Action: workflow.Rename, Place: workflow.PlaceAccount, Set: workflow.Of(workflow.FieldEmail, "park@x.example")},
			{Action: workflow.Rename, Place: workflow.PlaceAccount, Set: workflow.Of(workflow.FieldEmail, "a@y.example")},
		},
		Outcomes: []workflow.StepOutcome{
			{State: workflow.ChangeDone}, {State: workflow.ChangeFailed, Reason: workflow.NewReason(workflow.ReasonGone, "id:1")},
		},
	}
	join := func(cells []string) string { return strings.Join(cells, "|") }
	const gone = "account id:1 is no longer there or no longer managed; nothing was changed"

	if got, want := join(sheet.ResultsHeader()),
		"row|action|account_id|old_email|new_email|status|reason|attempts|finished_at|via|message|group|name|site|place|until|new_name|directory|products|steps"; got != want {
		t.Errorf("results header %s, want %s", got, want)
	}
	if got, want := join(sheet.ResultRow(change)),
		"7|rename|id:1|a@x.example|a@y.example|failed|"+gone+"|2|2026-11-24T02:04:05Z|park@x.example|m|g|Ada||account|||||rename: done; rename: failed ("+gone+")"; got != want {
		t.Errorf("result %s, want %s", got, want)
	}
	if got, want := join(sheet.PlanRow(change, "six words")),
		"7|rename|id:1|Ada|a@x.example|a@y.example|ready||park@x.example|m|g|signed out||account|||||||six words"; got != want {
		t.Errorf("plan %s, want %s", got, want)
	}
	if len(sheet.PlanHeader()) != len(sheet.PlanRow(change, "")) {
		t.Error("the plan's header and rows differ in width")
	}
	still := workflow.Change{
		Row: 8, Action: workflow.SiteColumns, State: workflow.ChangeUnchanged,
		Asked: workflow.Row{Values: workflow.Of(workflow.ColumnSite, "main").With(workflow.ColumnDirectory, "Main")},
	}
	if got, want := join(sheet.ResultRow(still)), "8|site-columns-reset||||unchanged||0||||||main||||Main||"; got != want {
		t.Errorf("a row without steps is %s, want %s", got, want)
	}
	if got, want := join(sheet.PlanRow(still, "")), "8|site-columns-reset|||||unchanged||||||||Main|main|||||"; got != want {
		t.Errorf("a row without steps is planned as %s, want %s", got, want)
	}
	change.Finished = time.Time{}
	if got := sheet.ResultRow(change)[8]; got != "" {
		t.Errorf("finished_at of an unfinished change is %q", got)
	}
}

// The file of bad rows can be corrected and sent again, more than once, and holds every cell that
// was sent.
func TestBadRowsComeBack(t *testing.T) {
	const first = "old_email,new_email,Department\na@x.example,bad,R&D\n" +
		"b@x.example,b@y.example,\"Sales\",North\n,\"c@y.example,x\n"
	again := func(read *workflow.Sheet) string {
		var rows [][]string
		for _, row := range read.Rows {
			if row.Problem == "" {
				t.Errorf("line %d is not bad", row.Line)
			}
			why := workflow.NewReason(workflow.ReasonUnreadable, row.Problem)
			change := workflow.Change{Row: row.Line, Asked: workflow.Row{Cells: row.Cells}, Reason: why}
			rows = append(rows, sheet.BadRow(change, read.Header))
		}
		return write(t, sheet.BadRowsHeader(read.Header), rows...)
	}
	sheet := read(t, first, "")
	second := read(t, again(sheet), "")
	if diff := cmp.Diff([]string{"old_email", "new_email", "Department", "line", "problem"}, second.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	want := [][]string{
		{"a@x.example", "bad", "R&D", "2", `new_email "bad" is not an address: it has no @`},
		{
			"b@x.example", "b@y.example", "Sales", "3",
			"the row has more cells than there are columns; put quotation marks around a value that holds a separator", "North",
		},
		{"", "\"c@y.example", "x", "4", sheet.Rows[2].Problem},
	}
	for i, row := range second.Rows {
		if diff := cmp.Diff(want[i], row.Cells); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
	}
	third := read(t, again(second), "")
	if diff := cmp.Diff(second.Header, third.Header); diff != "" {
		t.Errorf("header of the third file (-want +got):\n%s", diff)
	}
	if got, want := third.Rows[0].Cells[:4], []string{"a@x.example", "bad", "R&D", "2"}; !slices.Equal(got, want) {
		t.Errorf("the third file begins with %q, want %q", got, want)
	}
}

func TestBadRowOfACommand(t *testing.T) {
	change := workflow.Change{
		Row: 1, Action: workflow.Deactivate,
		Expect: workflow.Of(workflow.FieldEmail, "a@x.example"),
		Set:    workflow.Of(workflow.FieldMessage, "m"),
	}
	header, row := sheet.BadRowsHeader(nil), sheet.BadRow(change, nil)
	want := []string{"action", "account_id", "old_email", "new_email", "message", "group", "new_name", "line", "problem"}
	if !slices.Equal(header, want) {
		t.Errorf("header %q, want %q", header, want)
	}
	if want := []string{"deactivate", "", "a@x.example", "", "m", "", "", "1", ""}; !slices.Equal(row, want) {
		t.Errorf("row %q, want %q", row, want)
	}
}

// A row of several steps names the groups that it is about, and where its steps go.
func TestRowsOfSteps(t *testing.T) {
	change := workflow.Change{
		Row: 1, Action: workflow.Offboard, State: workflow.ChangeFailed, Set: workflow.Values{},
		Effects: []workflow.Effect{workflow.EffectTokensLost.Times(2)},
		Steps: []workflow.Step{
			{Action: workflow.Deactivate, Place: workflow.PlaceAccount, Set: workflow.Of(workflow.FieldStatus, "inactive")},
			{Action: workflow.GroupRemove, Place: workflow.PlaceDirectory, Directory: "d1", Set: workflow.Of(workflow.GroupField("g1"), "out")},
			{Action: workflow.GroupRemove, Place: workflow.PlaceDirectory, Directory: "d1", Set: workflow.Of(workflow.GroupField("g2"), "out")},
		},
	}
	cells := func(header, row []string) map[string]string {
		out := map[string]string{}
		for i, name := range header {
			out[name] = row[i]
		}
		return out
	}
	plan, result := cells(sheet.PlanHeader(), sheet.PlanRow(change, "s")), cells(sheet.ResultsHeader(), sheet.ResultRow(change))
	for name, want := range map[string]string{"group": "g1; g2", "place": "account; directory", "directory": "d1"} {
		if plan[name] != want || result[name] != want {
			t.Errorf("%s is %q in the plan and %q in the results, want %q", name, plan[name], result[name], want)
		}
	}
	if plan["effect"] != "tokens lost 2" {
		t.Errorf("effect %q", plan["effect"])
	}
	if want := "deactivate: failed; group-remove g1: failed; group-remove g2: failed"; result["steps"] != want {
		t.Errorf("steps %q, want %q", result["steps"], want)
	}
}
