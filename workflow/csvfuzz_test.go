package workflow_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// FuzzReadCSV: whatever is sent, it is refused in words or every record of it becomes a row.
func FuzzReadCSV(f *testing.F) {
	examples, err := filepath.Glob(filepath.Join("testdata", "csv", "*.csv"))
	if err != nil || len(examples) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("sep=;\remail;\"x\ny\"\r\n\"a;b\nc@x.example\";\"\"\"q\"\" ;\n'=1;\"open"))
	f.Add([]byte("\xFF\xFEe\x00m\x00a\x00i\x00l\x00\r\x00\n\x00\x00\xD8"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sheet, err := workflow.ReadCSV(data, workflow.Rename, ourOrg, workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 1000})
		if err != nil {
			refused, isFile := errors.AsType[*workflow.FileError](err)
			_, isLimit := errors.AsType[*workflow.LimitError](err)
			if !isLimit && (!isFile || refused.Problem == "" || refused.Remedy == "") {
				t.Errorf("error without words: %#v", err)
			}
			return
		}
		line := 0
		for _, row := range sheet.Rows {
			if row.Line <= line {
				t.Errorf("line %d comes behind line %d", row.Line, line)
			}
			line = row.Line
			if len(row.Cells) == 0 {
				t.Errorf("line %d has no cells", row.Line)
			}
			if row.Action == "" && row.Problem == "" {
				t.Errorf("line %d has neither action nor problem", row.Line)
			}
		}
		if sheet.Dialect.Encoding == "utf-8" && !strings.Contains(string(data), `"`) {
			everyLineIsARow(t, string(data), sheet)
		}
	})
}

// everyLineIsARow compares a sheet with its text, cut at the line breaks: without quotes every line behind the header
// that holds anything is a row.
func everyLineIsARow(t *testing.T, text string, sheet *workflow.Sheet) {
	t.Helper()
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(text, "\uFEFF"))
	var want []string
	for i, line := range strings.Split(text, "\n") {
		for cell := range strings.SplitSeq(line, string(sheet.Dialect.Comma)) {
			if blank(cell) {
				continue
			}
			want = append(want, fmt.Sprint(i+1))
			break
		}
	}
	if len(want) > 0 && strings.HasPrefix(strings.ToLower(strings.TrimLeft(text, " ")), "sep=") {
		return // whether that line is the header depends on more than this
	}
	var got []string
	for _, row := range sheet.Rows {
		got = append(got, fmt.Sprint(row.Line))
	}
	if g, w := strings.Join(got, " "), strings.Join(want[1:], " "); g != w {
		t.Errorf("rows in lines %s, want %s", g, w)
	}
}

// blank says whether a cell holds nothing but spaces and invisible characters.
func blank(cell string) bool {
	return strings.Trim(cell, " \t\v\f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"+
		"\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u200e\u200f\u2060\uFEFF\u00ad") == ""
}

// manyRows is a file of n renames as an export would have them.
func manyRows(n int) []byte {
	var b strings.Builder
	b.WriteString("account_id,old_email,new_email,Department,Office\r\n")
	for i := range n {
		fmt.Fprintf(&b, "712020:5f0c1e0a-%04x-4000-8000-%012x,", i%65536, i)
		fmt.Fprintf(&b, "person.%d@old.example,person.%d@new.example,\"Sales, %d\",Berlin\r\n", i, i, i%100)
	}
	return []byte(b.String())
}

// BenchmarkReadCSV100k reads and checks 100,000 rows. It reports rows a second, the live heap that the sheet takes
// beside the file (MB), and the time as a multiple of what encoding/csv needs to cut the same bytes alone.
func BenchmarkReadCSV100k(b *testing.B) {
	const rows = 100_000
	data := manyRows(rows)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var sheet *workflow.Sheet
	before := heap()
	for b.Loop() {
		var err error
		sheet, err = workflow.ReadCSV(data, "", ourOrg, workflow.ReadLimits{MaxRows: rows})
		if err != nil || len(sheet.Rows) != rows || sheet.Rows[rows-1].Problem != "" {
			b.Fatalf("read: %v", err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(rows/each.Seconds(), "rows/s")
	b.ReportMetric((heap()-before)/1e6, "MB-held")
	b.ReportMetric(float64(each)/float64(standardTime(b, data)), "x-encoding/csv")
	runtime.KeepAlive(sheet)
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// standardTime is the best of three runs of encoding/csv over the same bytes.
func standardTime(b *testing.B, data []byte) time.Duration {
	b.Helper()
	best := time.Hour
	for range 3 {
		start := time.Now()
		r := csv.NewReader(strings.NewReader(string(data)))
		for {
			if _, err := r.Read(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, time.Since(start))
	}
	return best
}
