package sheet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// FileError says that a file was refused as a whole, in words for the person who sent it.
type FileError struct {
	Problem string   // what is wrong, a clause without a full stop
	Remedy  string   // what to do about it, likewise
	Columns []string // the columns that are known, when the file has none of them
}

func (e *FileError) Error() string {
	if len(e.Columns) > 0 {
		return fmt.Sprintf("%s; %s: %s", e.Problem, e.Remedy, strings.Join(e.Columns, ", "))
	}
	return e.Problem + "; " + e.Remedy
}

// ReadCSV reads a file as people really send it: UTF-8 with or without BOM or UTF-16 with BOM; LF,
// CRLF or CR; comma, semicolon or tab; quoted fields; trailing commas, blank lines and spaces
// around values; columns in any order.
//
// The verb is what the message with the file says is to happen, "" when it says nothing; a row's
// own action and what its columns imply go before it. The organisation is ours: a row that names
// another is a bad row. A limit of 0 is none.
//
// Every record that is not blank becomes one row of the sheet, in the order of the file, or the
// file is refused: with a *FileError, or a *LimitError when it has too many rows. A row that cannot
// be used says why in Problem. A record whose quotes are broken ends with its line and hides
// nothing behind it.
//
// A cell that begins with an apostrophe and = + - @ tab or CR loses that apostrophe, which is what
// WriteCSV put there.
func ReadCSV(data []byte, verb workflow.ActionName, orgID string, limits workflow.ReadLimits) (*workflow.Sheet, error) {
	return ReadCSVWith(data, verb, nil, orgID, limits)
}

// ReadCSVWith is ReadCSV for a message that says more than the verb, as the group: rows of that
// action which leave such a value empty have it from there.
func ReadCSVWith(
	data []byte, verb workflow.ActionName, given workflow.RowValues, orgID string, limits workflow.ReadLimits,
) (*workflow.Sheet, error) {
	return readSheet(data, newSheetColumns, verb, given, orgID, limits)
}

// readSheet is ReadCSVWith for columns that mean what somebody says of the header.
func readSheet(
	data []byte, mean func(header []string) *sheetColumns, verb workflow.ActionName, given workflow.RowValues, orgID string,
	limits workflow.ReadLimits,
) (*workflow.Sheet, error) {
	if limits.MaxBytes > 0 && len(data) > limits.MaxBytes {
		return nil, &FileError{
			Problem: fmt.Sprintf("the file has %s bytes, more than the %s that are taken", workflow.Number(len(data)), workflow.Number(limits.MaxBytes)),
			Remedy:  "send it in parts",
		}
	}
	text, encoding, err := decodeFile(data)
	if err != nil {
		return nil, err
	}
	scan, header, err := readHeader(text)
	if err != nil {
		return nil, err
	}
	columns := mean(header)
	scan.expect(columns)

	r := newRowReader(columns, scan.comma, verb, orgID, given)
	sheet := &workflow.Sheet{Header: header, Dialect: workflow.Dialect{Encoding: encoding, Comma: rune(scan.comma)}}
	sheet.Rows = make([]workflow.Row, 0, expectedRows(text, limits.MaxRows))
	count := 0
	for scan.next() {
		count++
		if limits.MaxRows > 0 && count > limits.MaxRows {
			sheet.Rows = nil // the file is refused; the rest is only counted
			scan.release()
			continue
		}
		sheet.Rows = append(sheet.Rows, workflow.Row{})
		r.read(&scan.record, &sheet.Rows[len(sheet.Rows)-1])
	}
	if limits.MaxRows > 0 && count > limits.MaxRows {
		return nil, &workflow.LimitError{Rows: count, Limit: limits.MaxRows}
	}
	if count == 0 {
		return nil, &FileError{
			Problem: "the file has column names and no rows below them", Remedy: "add a row for each account",
		}
	}
	sheet.Ignored = columns.ignored(header)
	r.settleActions(sheet)
	if sheet.NeedsAction {
		sheet.Unknown = columns.unknown()
	}
	return sheet, nil
}

// expectedRows is for how many rows there should be room from the start: one a line, and not so
// many that a file of blank lines takes memory.
func expectedRows(text string, limit int) int {
	const most = 1 << 17
	n := min(max(strings.Count(text, "\n"), strings.Count(text, "\r")), most)
	if limit > 0 {
		n = min(n, limit)
	}
	return n + 1
}

// readHeader reads the first record that is not blank and returns a scanner that stands behind it.
// The separator is the one under which the most columns are known, or the one that a line "sep=;"
// before the header names, as Excel writes it.
func readHeader(text string) (*csvScanner, []string, error) {
	start := csvScanner{text: text, line: 1, feed: -1}
	candidates := ",;\t"
	if comma, ok := start.takeSeparatorLine(); ok {
		candidates = string(comma)
	}
	var (
		best   *csvScanner
		header []string
		known  = -1
	)
	for i := range len(candidates) {
		scan := start
		scan.comma = candidates[i]
		if !scan.next() {
			return nil, nil, &FileError{
				Problem: "the file is empty",
				Remedy:  "its first line must name the columns, with a row for each account below",
			}
		}
		for j, name := range scan.record.cells {
			scan.record.cells[j] = withoutMarks(name)
		}
		n := countKnown(scan.record.cells)
		if scan.record.problem != "" {
			n = 0
		}
		if n > known || (n == known && len(scan.record.cells) > len(header)) {
			best, header, known = &scan, scan.record.cells, n
		}
	}
	if known > 0 {
		return best, slices.Clip(header), checkHeader(header)
	}
	return nil, nil, unknownHeader(best.record, header)
}

// lineInQuotes reports whether the names stand in one cell, which only quotes around the whole line
// can do.
func lineInQuotes(header []string) bool {
	for _, cell := range header {
		for _, comma := range ",;\t" {
			names := strings.Split(cell, string(comma))
			for i := range names {
				names[i] = strings.Trim(names[i], `" `)
			}
			if len(names) > 1 && countKnown(names) > 0 {
				return true
			}
		}
	}
	return false
}

// marksAroundNames reports whether names would be known but for the marks around them, as of other
// quotation marks than CSV's.
func marksAroundNames(header []string) bool {
	names := make([]string, len(header))
	for i, cell := range header {
		names[i] = withoutEdges(cell)
	}
	return countKnown(names) > 0
}

func unknownHeader(first csvRecord, header []string) error {
	e := &FileError{
		Problem: fmt.Sprintf("the first line has no column that is known (%s)", workflow.QuoteCell(strings.Join(header, ", "))),
		Remedy:  "name the columns in the first line; these are known",
		Columns: KnownColumns(),
	}
	switch joined := strings.Join(header, ""); {
	case strings.Contains(joined, "\x00"):
		e.Problem = "the file is not text, or it is UTF-16 without a byte order mark"
		e.Remedy, e.Columns = saveAsCSV, nil
	case lineInQuotes(header):
		e.Problem = "every line stands in one pair of quotation marks, so that it is one cell"
		e.Remedy, e.Columns = "take away the quotation marks around whole lines, or export the file again as CSV", nil
	case first.problem != "":
		e.Problem = "the first line cannot be read: " + first.problem
	case marksAroundNames(header):
		e.Problem = fmt.Sprintf("there are marks around the names of the columns (%s)", workflow.QuoteCell(strings.Join(header, ", ")))
		e.Remedy, e.Columns = `take them away around names and values, or use " as the quotation mark`, nil
	case slices.ContainsFunc(header, namesPerson):
		e.Problem += "; a person's name alone says of no account which it is"
		e.Remedy = "add a column with the address or the account id; these are known"
	case strings.Contains(joined, "@"):
		e.Problem += "; it looks like a row"
		e.Remedy = "put a line with the names of the columns above it; these are known"
	}
	return e
}
