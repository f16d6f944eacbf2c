package sheet

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
)

// Bounds of one record, so that a file of separators does not take many times its size in memory.
const (
	maxCells  = 1024
	slabCells = 4096
)

// csvRecord is one record as it was sent.
type csvRecord struct {
	line    int      // where it starts
	cells   []string // decoded: without quotes and without the apostrophe that guards a formula
	problem string   // why it cannot be read; then cells are as much as can be told apart
}

// csvScanner cuts a text into records. It differs from encoding/csv in what people's files need: CR
// ends a line, lines are counted as an editor counts them, spaces may stand around quotes, and a
// record whose quotes are broken ends with its line, so that reading goes on behind it. Cells are
// parts of the text; they are not copied unless they hold doubled quotes.
type csvScanner struct {
	text  string
	comma byte
	pos   int
	line  int // of pos
	end   int // of the line that pos is in: where its break or the end of the text is; less than pos where that is not known
	feed  int // where the next line feed or the end of the text is; less than pos where that is not known

	// oneLine says of each column whether its values can never hold a line break; width is where
	// the last column that has a name ends. Both are unset while the header itself is read.
	oneLine []bool
	width   int
	empty   int // cells without content that have not been kept yet, as content may follow

	slab   []string // cells of many records, allocated at a time
	start  int      // where the cells of the record begin in slab
	record csvRecord
}

// expect tells the scanner what the header said.
func (s *csvScanner) expect(c *sheetColumns) {
	s.oneLine = c.oneLine
	for i, name := range c.names {
		if name != "" {
			s.width = i + 1
		}
	}
}

// takeSeparatorLine reads the line "sep=;" that Excel takes and writes before the header.
func (s *csvScanner) takeSeparatorLine() (comma byte, ok bool) {
	line, rest := s.text, ""
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line, rest = s.text[:i], s.text[i:]
	}
	line = strings.Trim(line, `" `)
	if len(line) < 5 || !strings.EqualFold(line[:4], "sep=") || !strings.Contains(",;\t", line[4:5]) {
		return 0, false
	}
	if strings.Trim(line[5:], line[4:5]+`"`) != "" {
		return 0, false
	}
	s.pos = len(s.text) - len(rest)
	s.lineBreak()
	return line[4], true
}

// next reads the next record that is not blank; false at the end of the text.
func (s *csvScanner) next() bool {
	for s.pos < len(s.text) {
		if s.read() {
			return true
		}
	}
	return false
}

// release takes the cells of the current record back.
func (s *csvScanner) release() { s.slab = s.slab[:s.start] }

// read reads one record and reports whether it holds anything. Afterwards pos is at the start of a
// line or at the end.
func (s *csvScanner) read() (filled bool) {
	s.start, s.empty, s.end = len(s.slab), 0, -1
	s.record = csvRecord{line: s.line}
	for {
		cell, end, ok := s.field(len(s.slab) - s.start)
		if !ok {
			s.giveUp()
			filled = true
			break
		}
		content := workflow.TrimCell(cell) != ""
		filled = filled || content
		switch {
		case content:
			s.keepEmpty(s.empty)
			s.keep(unguard(cell))
		case s.empty > 0 || s.width == 0 || len(s.slab)-s.start >= s.width:
			s.empty++
		default:
			s.keep(unguard(cell))
		}
		if end {
			break
		}
	}
	s.lineBreak()
	if !filled {
		s.release()
		return false
	}
	if s.width == 0 { // columns without a name, as far as there is room: a row may have something there
		s.keepEmpty(min(s.empty, maxCells-(len(s.slab)-s.start)))
	}
	s.record.cells = s.slab[s.start:len(s.slab):len(s.slab)]
	return true
}

// field reads one field from pos; end says that the record ends behind it, with pos at the line
// break or the end of the text. Where a quote is broken ok is false and pos is where the field
// began.
func (s *csvScanner) field(column int) (cell string, end, ok bool) {
	from := s.pos
	if from < len(s.text) && !plain(s.text[from]) {
		if at := s.skip(from); at < len(s.text) && s.text[at] == '"' {
			return s.quoted(at+1, column)
		}
	}
	if s.end < from {
		s.end = s.lineEnd(from)
	}
	if i := strings.IndexByte(s.text[from:s.end], s.comma); i >= 0 {
		s.pos = from + i + 1
		return s.text[from : from+i], false, true
	}
	s.pos = s.end
	return s.text[from:s.end], true, true
}

// plain reports whether a letter begins a field that is not quoted: it shows and is no quotation mark.
func plain(c byte) bool { return c > ' ' && c < 0x7F && c != '"' }

// lineEnd returns where the line ends that a place is in: at its break, or at the end of the text. Where
// the next line feed is it looks for once, for a file without any would be read to its end for each line.
func (s *csvScanner) lineEnd(at int) int {
	if s.feed < at {
		s.feed = len(s.text)
		if i := strings.IndexByte(s.text[at:], '\n'); i >= 0 {
			s.feed = at + i
		}
	}
	if i := strings.IndexByte(s.text[at:s.feed], '\r'); i >= 0 {
		return at + i
	}
	return s.feed
}

// skip returns where the spaces and the letters that show nothing end, which may stand around
// quotes.
func (s *csvScanner) skip(at int) int {
	for at < len(s.text) {
		r, size := rune(s.text[at]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s.text[at:])
		}
		if s.text[at] == s.comma || r == '\n' || r == '\r' || !unicode.IsSpace(r) && !workflow.Invisible(r) {
			return at
		}
		at += size
	}
	return at
}

// quoted reads a field whose opening quote is behind it.
func (s *csvScanner) quoted(inner, column int) (cell string, end, ok bool) {
	doubled := false
	at := inner
	for {
		i := strings.IndexByte(s.text[at:], '"')
		if i < 0 {
			return "", false, false
		}
		at += i + 1
		if at >= len(s.text) || s.text[at] != '"' {
			break
		}
		doubled = true
		at++
	}
	cell = s.text[inner : at-1]
	breaks := countLines(cell)
	if breaks > 0 && s.swallowed(cell, column) {
		return "", false, false
	}
	at = s.skip(at)
	switch {
	case at == len(s.text) || s.text[at] == '\n' || s.text[at] == '\r':
		s.pos, end = at, true
	case s.text[at] == s.comma:
		s.pos = at + 1
	default:
		return "", false, false
	}
	s.line += breaks
	if doubled {
		cell = strings.ReplaceAll(cell, `""`, `"`)
	}
	return cell, end, true
}

// swallowed reports whether a quoted cell with line breaks is rather a quote that was never closed:
// the column's values have no line breaks, and the cell holds separators too. Without this a stray
// quote in one line and another some lines below would hide the rows between them.
func (s *csvScanner) swallowed(cell string, column int) bool {
	if column >= len(s.oneLine) || !s.oneLine[column] || strings.IndexByte(cell, s.comma) < 0 {
		return false
	}
	return strings.ContainsAny(workflow.TrimCell(cell), "\r\n")
}

// giveUp ends a record at the end of the line in which its broken field begins. What is left of the
// line is cut at the separators and kept as it stands.
func (s *csvScanner) giveUp() {
	s.record.problem = "a quotation mark is not closed, or text follows the closing one; " +
		"put quotation marks around the whole value and double those inside it"
	s.keepEmpty(s.empty)
	rest := s.text[s.pos:]
	if i := strings.IndexAny(rest, "\r\n"); i >= 0 {
		rest = rest[:i]
	}
	s.pos += len(rest)
	for part := range strings.SplitSeq(rest, string(rune(s.comma))) {
		s.keep(unguard(part))
	}
}

// keepEmpty adds cells without content to the record.
func (s *csvScanner) keepEmpty(n int) {
	for range n {
		s.keep("")
	}
	s.empty = 0
}

// keep adds a cell to the record.
func (s *csvScanner) keep(cell string) {
	n := len(s.slab) - s.start
	if n >= maxCells {
		if s.record.problem == "" {
			s.record.problem = fmt.Sprintf("the record has more than %s cells; send fewer columns", workflow.Number(maxCells))
		}
		return
	}
	if len(s.slab) == cap(s.slab) {
		slab := make([]string, n, n+slabCells)
		copy(slab, s.slab[s.start:])
		s.slab, s.start = slab, 0
	}
	s.slab = append(s.slab, cell)
}

// lineBreak steps over a line break at pos.
func (s *csvScanner) lineBreak() {
	if s.pos >= len(s.text) {
		return
	}
	if s.text[s.pos] == '\r' && s.pos+1 < len(s.text) && s.text[s.pos+1] == '\n' {
		s.pos++
	}
	s.pos++
	s.line++
}

// countLines counts the line breaks in a text, CRLF as one.
func countLines(s string) int {
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 {
		return 0
	}
	return strings.Count(s, "\n") + strings.Count(s, "\r") - strings.Count(s, "\r\n")
}

// guards are the characters with which a cell may be taken for a formula by a spreadsheet.
const guards = "=+-@\t\r"

// guarded reports whether the cell is a guard character behind any number of apostrophes.
func guarded(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.IndexByte(guards, rest[0]) >= 0
}

// guard puts an apostrophe before a cell that a spreadsheet would take for a formula. A cell that
// looks guarded already gets one more, so that unguard gives back exactly what was there.
func guard(cell string) string {
	if guarded(cell) {
		return "'" + cell
	}
	return cell
}

// unguard takes away the one apostrophe that guard put there.
func unguard(cell string) string {
	if cell != "" && cell[0] == '\'' && guarded(cell) {
		return cell[1:]
	}
	return cell
}
