package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/sheet"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// org is the organisation of these requests.
const org = "11111111-2222-3333-4444-555555555555"

// New addresses that are easily taken for others: those on a domain of nobody are blocked and say
// what they look like, those on our own domain may run and carry a warning.
func TestCheckFlagsOddAddresses(t *testing.T) {
	o := workflowtest.NewOrganisation(workflowtest.Managed("1", "ann@old.example"), workflowtest.Managed("2", "bo@old.example"), workflowtest.Managed("3", "cy@old.example"))
	plan := checkRows(t, o, plan.Checker{},
		row(2, "ann@old.example", "ann@nеw.example"), // a Cyrillic е in the domain
		row(3, "bo@old.example", "bо@new.example"),   // a Cyrillic о in the name
		row(4, "cy@old.example", "cy@new.example"))
	want := []string{"2 blocked unverified", "3 ready odd_address", "4 ready "}
	if got := findings(plan); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	first, second := plan.Changes[0], plan.Changes[1]
	if words := first.Reason.Words(); !strings.Contains(words, "(xn--nw-nlc.example)") || !strings.Contains(words, "looks like new.example") {
		t.Errorf("blocked with %q", words)
	}
	if cell := sheet.PlanRow(second, "")[7]; cell != "look twice at the new address: Cyrillic letters among others (U+043E)" {
		t.Errorf("the plan file says %q", cell)
	}
	second.Reason = workflow.Reason{} // it runs: the plan file says the same
	if cell := sheet.PlanRow(second, "")[7]; !strings.Contains(cell, "look twice") {
		t.Errorf("once it runs the plan file says %q", cell)
	}
}

// Everything that is taken in has a bound, and what is over it is said.
func TestSizesAreBounded(t *testing.T) {
	long := strings.Repeat("é", 40_000)
	var wide []string
	for i := range 300 {
		wide = append(wide, fmt.Sprintf("column %d %s", i, long[:2000]))
	}
	sheet, err := sheet.ReadCSV([]byte("email,new_email,message,"+strings.Join(wide, ",")+"\na@x.example,b@x.example,"+long+"\n"),
		"", org, workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	if p := sheet.Rows[0].Problem; !strings.Contains(p, "cell 3 has more than 32,767 characters") {
		t.Errorf("a message of 40,000 characters: %q", p)
	}
	if n := len(sheet.Ignored); n != 51 || len(strings.Join(sheet.Ignored, "")) > 20_000 {
		t.Errorf("%d ignored columns of %d bytes", n, len(strings.Join(sheet.Ignored, "")))
	}
}

// Values that nobody can see, or that turn the order of reading about, are refused with their
// number.
func TestInvisibleValuesAreRefused(t *testing.T) {
	for cells, want := range map[string]string{
		"a\u202e@x.example,b@x.example,":       "U+202E",
		"a@x.example,b\u200b@x.example,":       "U+200B",
		"a@x.example,b\u3164@x.example,":       "U+3164",
		"a@x.example,b@x.example,see \u202e x": "turns the order of letters about",
	} {
		sheet, err := sheet.ReadCSV([]byte("email,new_email,message\n"+cells+"\n"), "", org, workflow.ReadLimits{})
		if err != nil {
			t.Fatal(err)
		}
		if p := sheet.Rows[0].Problem; !strings.Contains(p, want) {
			t.Errorf("%q: problem %q, want %q", cells, p, want)
		}
	}
}

// FuzzWriteCSV: no cell of a file that we write begins a formula, and what we write we read back.
func FuzzWriteCSV(f *testing.F) {
	f.Add("=HYPERLINK(\"http://evil\")", "\t+1", "'@x")
	f.Add("-2+3", "\r=1", "a\"b;c,d\ne")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		cells := []string{a, b, c}
		var out bytes.Buffer
		if err := sheet.WriteCSV(&out, []string{"x", "y", "note"}, slices.Values([][]string{cells})); err != nil {
			t.Fatal(err)
		}
		for _, cell := range cells {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") && !bytes.Contains(out.Bytes(), []byte("'"+cell[:1])) {
				t.Errorf("%q is a formula in %q", cell, out.String())
			}
		}
	})
}
