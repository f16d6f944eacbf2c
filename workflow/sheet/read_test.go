package sheet_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/encoding/unicode"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

const ourOrg = "11111111-2222-3333-4444-555555555555"

var wide = workflow.ReadLimits{MaxBytes: 10 << 20, MaxRows: 5000}

// read reads a file that must not be refused.
func read(t *testing.T, text string, verb workflow.ActionName) *workflow.Sheet {
	t.Helper()
	sheet, err := sheet.ReadCSV([]byte(text), verb, ourOrg, wide)
	if err != nil {
		t.Fatalf("ReadCSV: %v", err)
	}
	return sheet
}

// sameRows compares rows without their cells.
func sameRows(t *testing.T, got, want []workflow.Row) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(workflow.Row{}, "Cells"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestReadCSVExamples(t *testing.T) {
	const (
		ada = "712020:5f0c1e0a-0001-4000-8000-000000000001"
		ben = "712020:5f0c1e0a-0002-4000-8000-000000000002"
		dan = "712020:5f0c1e0a-0003-4000-8000-000000000003"
		eve = "712020:5f0c1e0a-0004-4000-8000-000000000004"
	)
	renames := []workflow.Row{
		{
			Line: 2, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, ada).With(workflow.ColumnEmail, "ada@old.example").
				With(workflow.ColumnNewEmail, "ada@new.example"),
		},
		{
			Line: 3, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, ben).With(workflow.ColumnEmail, "ben@old.example").
				With(workflow.ColumnNewEmail, "ben@new.example"),
		},
	}
	tests := []struct {
		file    string
		verb    workflow.ActionName
		rows    []workflow.Row
		ignored []string
		comma   rune
		asks    bool
	}{
		{file: "rename-bom.csv", rows: renames},
		{file: "rename-bom.csv", verb: workflow.Deactivate, rows: renames}, // columns go before the verb
		{file: "rename-trailing-comma-crlf.csv", rows: append(slices.Clone(renames), workflow.Row{
			Line: 4, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, "557058:4f9acfd2-6155-419b-8de5-5b5cf27a59a0").
				With(workflow.ColumnEmail, "cara@old.example").With(workflow.ColumnNewEmail, "cara@new.example"),
		})},
		{
			file: "rename-semicolon-by-email.csv", comma: ';', ignored: []string{"Department"},
			rows: []workflow.Row{
				{
					Line: 2, Action: workflow.Rename,
					Values: workflow.Of(workflow.ColumnEmail, "ada@old.example").
						With(workflow.ColumnNewEmail, "ada@new.example"),
				},
				{
					Line: 3, Action: workflow.Rename,
					Values: workflow.Of(workflow.ColumnEmail, "ben@old.example").
						With(workflow.ColumnNewEmail, "ben@new.example"),
				},
			},
		},
		{
			file: "suspend-with-org-id.csv", asks: true,
			rows: []workflow.Row{
				{
					Line: 2,
					Values: workflow.Of(workflow.ColumnAccountID, dan).With(workflow.ColumnEmail, "dan@new.example").
						With(workflow.ColumnOrgID, ourOrg),
				},
				{
					Line: 3,
					Values: workflow.Of(workflow.ColumnAccountID, eve).With(workflow.ColumnEmail, "eve@new.example").
						With(workflow.ColumnOrgID, ourOrg),
				},
			},
		},
		{
			file: "suspend-with-org-id.csv", verb: workflow.Deactivate,
			rows: []workflow.Row{
				{
					Line: 2, Action: workflow.Deactivate,
					Values: workflow.Of(workflow.ColumnAccountID, dan).With(workflow.ColumnEmail, "dan@new.example").
						With(workflow.ColumnOrgID, ourOrg),
				},
				{
					Line: 3, Action: workflow.Deactivate,
					Values: workflow.Of(workflow.ColumnAccountID, eve).With(workflow.ColumnEmail, "eve@new.example").
						With(workflow.ColumnOrgID, ourOrg),
				},
			},
		},
		{
			file: "suspend-with-org-id.csv", verb: workflow.Suspend,
			rows: []workflow.Row{
				{
					Line: 2, Action: workflow.Suspend,
					Values: workflow.Of(workflow.ColumnAccountID, dan).With(workflow.ColumnEmail, "dan@new.example").
						With(workflow.ColumnOrgID, ourOrg),
				},
				{
					Line: 3, Action: workflow.Suspend,
					Values: workflow.Of(workflow.ColumnAccountID, eve).With(workflow.ColumnEmail, "eve@new.example").
						With(workflow.ColumnOrgID, ourOrg),
				},
			},
		},
		{
			file: "mixed-actions.csv",
			rows: []workflow.Row{
				{
					Line: 2, Action: workflow.Rename,
					Values: workflow.Of(workflow.ColumnEmail, "ada@old.example").
						With(workflow.ColumnNewEmail, "ada@new.example"),
				},
				{
					Line: 3, Action: workflow.Deactivate,
					Values: workflow.Of(workflow.ColumnEmail, "ben@old.example").
						With(workflow.ColumnMessage, "Left the company"),
				},
				{
					Line: 4, Action: workflow.GroupAdd,
					Values: workflow.Of(workflow.ColumnEmail, "cara@old.example").With(workflow.ColumnGroup, "jira-users"),
				},
			},
		},
		{
			file: "admin-console-users-export.csv", verb: workflow.Activate,
			ignored: []string{"User name", "User status", "Added to org", "Org role"},
			rows: []workflow.Row{
				{
					Line: 2, Action: workflow.Activate,
					Values: workflow.Of(workflow.ColumnAccountID, ada).With(workflow.ColumnEmail, "ada@old.example"),
				},
				{
					Line: 3, Action: workflow.Activate,
					Values: workflow.Of(workflow.ColumnAccountID, ben).With(workflow.ColumnEmail, "ben@old.example"),
				},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.file+" "+string(test.verb), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", "csv", test.file))
			if err != nil {
				t.Fatal(err)
			}
			sheet := read(t, string(data), test.verb)
			sameRows(t, sheet.Rows, test.rows)
			if diff := cmp.Diff(test.ignored, sheet.Ignored, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ignored columns (-want +got):\n%s", diff)
			}
			if test.comma == 0 {
				test.comma = ','
			}
			if want := (workflow.Dialect{Encoding: "utf-8", Comma: test.comma}); sheet.Dialect != want {
				t.Errorf("dialect %v, want %v", sheet.Dialect, want)
			}
			if sheet.NeedsAction != test.asks {
				t.Errorf("NeedsAction is %v, want %v", sheet.NeedsAction, test.asks)
			}
		})
	}
}

// encode16 writes a text as UTF-16 with its byte order mark.
func encode16(t *testing.T, text string, order unicode.Endianness) string {
	t.Helper()
	out, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// One content in every form of spec section 4.2.
func TestReadCSVForms(t *testing.T) {
	const plain = "account_id,old_email,new_email,note\nid:1,ada@old.example,ada@new.example,x\n" +
		"id:2,ben@old.example,bén@new.example,\"y, z\"\n"
	want := []workflow.Row{
		{
			Line: 2, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, "id:1").With(workflow.ColumnEmail, "ada@old.example").
				With(workflow.ColumnNewEmail, "ada@new.example"),
		},
		{
			Line: 3, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, "id:2").With(workflow.ColumnEmail, "ben@old.example").
				With(workflow.ColumnNewEmail, "bén@new.example"),
		},
	}
	on := func(line int) []workflow.Row { // the same rows, the first on that line
		rows := slices.Clone(want)
		rows[0].Line, rows[1].Line = line, line+1
		return rows
	}
	all := strings.ReplaceAll
	tabs := all(all(all(plain, "\"y, z\"", "y"), ",", "\t"), "\n", "\r\n")
	tests := []struct {
		name, text string
		rows       []workflow.Row
		encoding   string
		comma      rune
	}{
		{name: "plain", text: plain},
		{name: "no line break at the end", text: strings.TrimSuffix(plain, "\n")},
		{name: "BOM", text: "\uFEFF" + plain},
		{name: "CRLF", text: all(plain, "\n", "\r\n")},
		{name: "CR", text: all(plain, "\n", "\r")},
		{name: "UTF-16 LE", text: encode16(t, plain, unicode.LittleEndian), encoding: "utf-16le"},
		{name: "UTF-16 BE", text: encode16(t, plain, unicode.BigEndian), encoding: "utf-16be"},
		{
			name: "UTF-16 LE, tabs, CRLF, as Excel's Unicode text", text: encode16(t, tabs, unicode.LittleEndian),
			encoding: "utf-16le", comma: '\t',
		},
		{name: "tabs", text: tabs, comma: '\t'},
		{name: "semicolons", text: all(all(plain, ",", ";"), "y; z", "y, z"), comma: ';'},
		{name: "sep line", text: "sep=;\r\n" + all(plain, ",", ";"), comma: ';', rows: on(3)},
		{name: "sep line padded", text: "\"sep=,\",,,\n" + plain, rows: on(3)},
		{name: "trailing commas", text: all(plain, "\n", ",,\n")},
		{name: "rows of commas only", text: plain + ",,,\n ,,\n"},
		{name: "blank lines before", text: "\n\n \r\n" + plain, rows: on(5)},
		{name: "all quoted", text: `"account_id","old_email","new_email"` + "\n" +
			`"id:1","ada@old.example","ada@new.example"` + "\n" + `"id:2","ben@old.example","bén@new.example"`},
		{name: "spaces around", text: " Account-ID , OLD email ,\u00a0New_Email,\n" +
			"\tid:1 ,  ada@old.example,\u00a0ada@new.example\u200b\n" +
			" \"id:2\" , \" ben@old.example \" ,\uFEFFbén@new.example\u00a0\n"},
		{name: "other names", text: "Atlassian ID,current email,TARGET-EMAIL\nid:1,ada@old.example,ada@new.example\n" +
			"id:2,ben@old.example,bén@new.example\n"},
		{name: "guarded cells", text: "account_id,old_email,new_email\nid:1,ada@old.example,ada@new.example\n" +
			"'=id,x@old.example,\n", rows: []workflow.Row{want[0], {
			Line: 3, Action: workflow.Rename,
			Values:  workflow.Of(workflow.ColumnAccountID, "=id").With(workflow.ColumnEmail, "x@old.example"),
			Problem: `account_id "=id" is not an account id: it holds '='; new_email is empty`,
		}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sheet := read(t, test.text, "")
			if test.rows == nil {
				test.rows = want
			}
			sameRows(t, sheet.Rows, test.rows)
			if test.encoding != "" && sheet.Dialect.Encoding != test.encoding {
				t.Errorf("encoding %s, want %s", sheet.Dialect.Encoding, test.encoding)
			}
			if test.comma != 0 && sheet.Dialect.Comma != test.comma {
				t.Errorf("separator %q, want %q", sheet.Dialect.Comma, test.comma)
			}
		})
	}
}

func TestReadCSVLinesOfQuotedBreaks(t *testing.T) {
	const text = "email,new_email,note\r\na@x.example,a@y.example,\"one\r\ntwo\nthree\"\r\n\r\nb@x.example,b@y.example,\r\n"
	sheet := read(t, text, "")
	sameRows(t, sheet.Rows, []workflow.Row{
		{
			Line: 2, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnNewEmail, "a@y.example"),
		},
		{
			Line: 6, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnEmail, "b@x.example").With(workflow.ColumnNewEmail, "b@y.example"),
		},
	})
	if got, want := sheet.Rows[0].Cells[2], "one\r\ntwo\nthree"; got != want {
		t.Errorf("cell %q, want %q", got, want)
	}
}

// A broken quote ends with its line; the rows around it are read.
func TestReadCSVBrokenQuotes(t *testing.T) {
	const header, good = "account_id,old_email,new_email\n", "id:9,z@old.example,z@new.example\n"
	tests := map[string]struct {
		lines string
		bad   []int
		after int // line of the good row behind
	}{
		"never closed": {"id:1,\"a@old.example,a@new.example\n", []int{2}, 3},
		"text behind":  {"id:1,\"a@old.example\"x,a@new.example\n", []int{2}, 3},
		"closed by the next quote": {
			"id:1,\"a@old.example,a@new.example\nid:2,\"b@old.example\"x,b@new.example\n", []int{2, 3}, 4,
		},
		"two stray quotes": {
			"id:1,\"a@old.example,a@new.example\nid:2,b@old.example,b@new.example\"\n", []int{2, 3}, 4,
		},
		"behind a good quoted cell": {"\"id:1\",a@old.example,\"a@new.example\n", []int{2}, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sheet := read(t, header+test.lines+good, "")
			var bad []int
			for _, row := range sheet.Rows[:len(sheet.Rows)-1] {
				if row.Problem != "" {
					bad = append(bad, row.Line)
				}
			}
			if diff := cmp.Diff(test.bad, bad); diff != "" {
				t.Errorf("bad lines (-want +got):\n%s", diff)
			}
			last := sheet.Rows[len(sheet.Rows)-1]
			sameRows(t, []workflow.Row{last}, []workflow.Row{{
				Line: test.after, Action: workflow.Rename,
				Values: workflow.Of(workflow.ColumnAccountID, "id:9").With(workflow.ColumnEmail, "z@old.example").
					With(workflow.ColumnNewEmail, "z@new.example"),
			}})
		})
	}
}

// Of a record that cannot be read, the cells are what can be told apart.
func TestReadCSVCellsOfABrokenRecord(t *testing.T) {
	sheet := read(t, "email,note,new_email\n\"a,b\",\"open,'=1,'it's\na@x.example,,b@x.example\n", "")
	want := []string{"a,b", `"open`, "=1", "'it's"}
	if diff := cmp.Diff(want, sheet.Rows[0].Cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
}

func TestReadCSVRefusesFiles(t *testing.T) {
	tests := map[string]struct{ data, problem, remedy string }{
		"empty":    {"", "the file is empty", "first line must name the columns"},
		"blank":    {"\uFEFF\r\n \r\n", "the file is empty", "first line must name the columns"},
		"XLSX":     {"PK\x03\x04\x14\x00\x06\x00", "Excel workbook (XLSX)", "save it as “CSV UTF-8"},
		"XLS":      {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00", "(XLS)", "save it as “CSV UTF-8"},
		"PDF":      {"%PDF-1.7\n", "PDF", "save it as"},
		"web page": {"\n<!DOCTYPE html><html>", "web page", "save it as"},
		"Windows-1252": {
			"email,new_email\r\na@x.example,b@x.example\r\nz\xfc@x.example,c@x.example", "line 3 is not UTF-8",
			"save it as “CSV UTF-8",
		},
		"UTF-16, no BOM": {"e\x00m\x00a\x00i\x00l\x00\n\x00", "UTF-16 without a byte order mark", "save it as"},
		"UTF-32":         {"\xFF\xFE\x00\x00e\x00\x00\x00", "UTF-32", "save it as"},
		"no known column": {
			"name,department\nAda,Research\n", `no column that is known ("name, department")`, "these are known",
		},
		"no header": {
			"ada@old.example,ada@new.example\n", "looks like a row", "put a line with the names of the columns above it",
		},
		"broken header": {"\"email,new_email\na@x.example,b@x.example\n", "the first line cannot be read", "these are known"},
		"header alone":  {"email,new_email\n\n", "no rows", "add a row"},
		"too large": {
			"email\n" + strings.Repeat("a", 10<<20), "the file has 10,485,766 bytes, more than the 10,485,760", "in parts",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			read, err := sheet.ReadCSV([]byte(test.data), "", ourOrg, wide)
			refused, ok := errors.AsType[*sheet.FileError](err)
			if !ok {
				t.Fatalf("got %v, %v; want a FileError", read, err)
			}
			if !strings.Contains(refused.Problem, test.problem) || !strings.Contains(refused.Remedy, test.remedy) {
				t.Errorf("problem %q, remedy %q; want %q, %q", refused.Problem, refused.Remedy, test.problem, test.remedy)
			}
			if strings.Contains(test.remedy, "known") && (!slices.Contains(refused.Columns, "new_email") || !slices.Contains(refused.Columns, "last name")) {
				t.Errorf("known columns are not named: %q", refused.Columns)
			}
		})
	}
}

func TestReadCSVLimit(t *testing.T) {
	text := "email,new_email\n" + strings.Repeat("a@x.example,b@x.example\n\n", 12)
	_, err := sheet.ReadCSV([]byte(text), "", ourOrg, workflow.ReadLimits{MaxRows: 10})
	limit, ok := errors.AsType[*workflow.LimitError](err)
	if !ok || *limit != (workflow.LimitError{Rows: 12, Limit: 10}) {
		t.Errorf("got %v, want both numbers, 12 and 10", err)
	}
	if _, err := sheet.ReadCSV([]byte(text), "", ourOrg, workflow.ReadLimits{MaxRows: 12}); err != nil {
		t.Errorf("as many as the limit: %v", err)
	}
}
