package sheet

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
)

// WriteCSV writes a file that Excel opens right and ReadCSV reads back to the cell: UTF-8 with BOM,
// commas, CRLF, quotes where they are needed. A cell that a spreadsheet would run as a formula (= +
// - @ tab CR at its start) gets one leading apostrophe. So does a cell that looks as if it had got
// one already (apostrophes and then such a character), which is what makes the pair exact: ReadCSV
// takes one apostrophe from the start of exactly these.
func WriteCSV(w io.Writer, header []string, rows iter.Seq[[]string]) error {
	out := bufio.NewWriter(w)
	line := appendRecord([]byte(bomUTF8), header)
	if _, err := out.Write(line); err != nil {
		return fmt.Errorf("write csv header: %w", err)
	}
	for row := range rows {
		line = appendRecord(line[:0], row)
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("write csv row: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

// appendRecord appends one record with its line break.
func appendRecord(line []byte, cells []string) []byte {
	for i, cell := range cells {
		if i > 0 {
			line = append(line, ',')
		}
		cell = guard(cell)
		if !needsQuotes(cell) && (cell != "" || len(cells) > 1) { // a lone empty cell would be a blank line
			line = append(line, cell...)
			continue
		}
		line = append(line, '"')
		line = append(line, strings.ReplaceAll(cell, `"`, `""`)...)
		line = append(line, '"')
	}
	return append(line, "\r\n"...)
}

// needsQuotes reports whether a cell must stand in quotes: for a separator of any of our dialects,
// so that nobody's program takes it for one, for quotes and line breaks, and for spaces at its
// edges.
func needsQuotes(cell string) bool {
	if cell == "" {
		return false
	}
	if cell[0] == ' ' || cell[len(cell)-1] == ' ' {
		return true
	}
	for i := range len(cell) { // strings.ContainsAny would make a set of the letters for each cell
		switch cell[i] {
		case ',', ';', '\t', '"', '\r', '\n':
			return true
		}
	}
	return false
}
