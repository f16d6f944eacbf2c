package sheet_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
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
	for _, mark := range marks {
		f.Add([]byte(mark + "\"account" + mark + "_id\"" + mark + ",new_email,\n1,.a@b.example\n"))
	}
	f.Add([]byte("sep=;\remail;\"x\ny\"\r\n\"a;b\nc@x.example\";\"\"\"q\"\" ;\n'=1;\"open"))
	f.Add([]byte("\xFF\xFEe\x00m\x00a\x00i\x00l\x00\r\x00\n\x00\x00\xD8"))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := sheet.ReadCSV(data, workflow.Rename, ourOrg, workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 1000})
		if err != nil {
			refused, isFile := errors.AsType[*sheet.FileError](err)
			_, isLimit := errors.AsType[*workflow.LimitError](err)
			if !isLimit && (!isFile || refused.Problem == "" || refused.Remedy == "") {
				t.Errorf("error without words: %#v", err)
			}
			return
		}
		// A mark before the text changes nothing.
		marked, err := sheet.ReadCSV(append([]byte("\u2060"), data...), workflow.Rename, ourOrg, workflow.ReadLimits{})
		if isPlain := !bytes.ContainsAny(data[:min(len(data), 4)], "\xEF\xFE\xFF\x00"); isPlain && err != nil {
			t.Errorf("with a mark before it: %v", err)
		} else if isPlain && len(marked.Rows) != len(read.Rows) {
			t.Errorf("with a mark before it: %d rows, want %d", len(marked.Rows), len(read.Rows))
		}
		line := 0
		for _, row := range read.Rows {
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
		if read.Dialect.Encoding == "utf-8" && !strings.Contains(string(data), `"`) {
			everyLineIsARow(t, string(data), read)
		}
	})
}

// everyLineIsARow compares a sheet with its text, cut at the line breaks: without quotes every line
// behind the header that holds anything is a row.
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

// blank reports whether a cell holds nothing but spaces and invisible characters.
func blank(cell string) bool {
	return strings.TrimFunc(cell, func(r rune) bool {
		return unicode.In(r, unicode.White_Space, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point) || r == 0x2800
	}) == ""
}

// manyRows returns a file of n renames as an export would have them.
func manyRows(n int) []byte {
	var b strings.Builder
	b.WriteString("account_id,old_email,new_email,Department,Office\r\n")
	for i := range n {
		fmt.Fprintf(&b, "712020:5f0c1e0a-%04x-4000-8000-%012x,", i%65536, i)
		fmt.Fprintf(&b, "person.%d@old.example,person.%d@new.example,\"Sales, %d\",Berlin\r\n", i, i, i%100)
	}
	return []byte(b.String())
}

// BenchmarkReadCSV100k reads and checks 100,000 rows. It reports rows a second, the live heap that
// the sheet takes beside the file (MB), and the processor's time as a multiple of what encoding/csv
// needs to cut the same bytes alone, the best of each.
func BenchmarkReadCSV100k(b *testing.B) {
	const rows = 100_000
	data := manyRows(rows)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var read *workflow.Sheet
	before := heap()
	best := time.Hour
	for b.Loop() {
		start := spent(b)
		var err error
		read, err = sheet.ReadCSV(data, "", ourOrg, workflow.ReadLimits{MaxRows: rows})
		if err != nil || len(read.Rows) != rows || read.Rows[rows-1].Problem != "" {
			b.Fatalf("read: %v", err)
		}
		best = min(best, spent(b)-start)
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(rows/each.Seconds(), "rows/s")
	b.ReportMetric((heap()-before)/1e6, "MB-held")
	b.ReportMetric(float64(best)/float64(standardTime(b, data)), "x-encoding/csv")
	runtime.KeepAlive(read)
}

// BenchmarkReadCSVLineEnds reads the same rows with each kind of line end, and reports the processor's time as a
// multiple of that with line feeds, the best of each: no kind may cost a look at the whole file for each line.
func BenchmarkReadCSVLineEnds(b *testing.B) {
	const rows = 50_000
	crlf := manyRows(rows)
	files := map[string][]byte{
		"lf": bytes.ReplaceAll(crlf, []byte("\r\n"), []byte("\n")), "crlf": crlf, "cr": bytes.ReplaceAll(crlf, []byte("\r\n"), []byte("\r")),
	}
	best := map[string]time.Duration{}
	for b.Loop() {
		for kind, data := range files {
			start := spent(b)
			read, err := sheet.ReadCSV(data, "", ourOrg, workflow.ReadLimits{MaxRows: rows})
			if err != nil || len(read.Rows) != rows || read.Rows[rows-1].Problem != "" {
				b.Fatalf("%s: %v", kind, err)
			}
			if took := spent(b) - start; best[kind] == 0 || took < best[kind] {
				best[kind] = took
			}
		}
	}
	b.ReportMetric(float64(best["crlf"])/float64(best["lf"]), "x-crlf")
	b.ReportMetric(float64(best["cr"])/float64(best["lf"]), "x-cr")
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// standardTime returns the best of twenty runs of encoding/csv over the same bytes.
func standardTime(b *testing.B, data []byte) time.Duration {
	b.Helper()
	best := time.Hour
	for range 20 {
		start := spent(b)
		r := csv.NewReader(strings.NewReader(string(data)))
		for {
			if _, err := r.Read(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, spent(b)-start)
	}
	return best
}

// spent is what the process has taken of the processor: what else the machine does is not in it.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
