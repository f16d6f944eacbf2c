package sheet

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/countersign/countersign/workflow"
)

// saveAsCSV is the remedy for every file that is not a text file.
const saveAsCSV = "open it in the spreadsheet and save it as “CSV UTF-8 (Comma delimited)”, then send that file"

// Byte order marks.
const (
	bomUTF8    = "\xEF\xBB\xBF"
	bomUTF16LE = "\xFF\xFE"
	bomUTF16BE = "\xFE\xFF"
	bomUTF32LE = "\xFF\xFE\x00\x00"
	bomUTF32BE = "\x00\x00\xFE\xFF"
)

// notCSV are the files that people send for a CSV, by their first bytes.
var notCSV = []struct{ magic, problem string }{
	{"PK\x03\x04", "this is an Excel workbook (XLSX) or another zip file, not a CSV"},
	{"PK\x05\x06", "this is an empty zip file, not a CSV"},
	{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "this is an old Excel workbook (XLS), not a CSV"},
	{"%PDF", "this is a PDF, not a CSV"},
	{`{\rtf`, "this is a Rich Text document, not a CSV"},
	{"\x1F\x8B", "this is a gzip file, not a CSV"},
	{bomUTF32LE, "this is UTF-32, which is not read"},
	{bomUTF32BE, "this is UTF-32, which is not read"},
}

// decodeFile returns the text of a file without its byte order mark, and the name of its encoding.
func decodeFile(data []byte) (text, encoding string, err error) {
	for _, k := range notCSV {
		if bytes.HasPrefix(data, []byte(k.magic)) {
			return "", "", &FileError{Problem: k.problem, Remedy: saveAsCSV}
		}
	}
	switch {
	case bytes.HasPrefix(data, []byte(bomUTF16LE)):
		text, err = decodeUTF16(data, unicode.LittleEndian)
		return withoutMarks(text), "utf-16le", err
	case bytes.HasPrefix(data, []byte(bomUTF16BE)):
		text, err = decodeUTF16(data, unicode.BigEndian)
		return withoutMarks(text), "utf-16be", err
	}
	data = bytes.TrimPrefix(data, []byte(bomUTF8))
	if !utf8.Valid(data) {
		return "", "", notUTF8(data)
	}
	text = withoutMarks(string(data))
	return text, "utf-8", refuseMarkup(text)
}

// withoutMarks returns a text or a name without the marks that programs put before it: a byte order
// mark each time that it was converted, also one that was read in another encoding. They would cost
// the column its name.
func withoutMarks(text string) string {
	for {
		rest := strings.TrimLeftFunc(text, func(r rune) bool { return workflow.Invisible(r) || r == '\ufffe' })
		rest = rest[misreadMark(rest, conversions):]
		if rest == text {
			return rest
		}
		text = rest
	}
}

// conversions is how often a file may have been read in a wrong encoding and written again.
const conversions = 2

// misreadMark returns how much of the text's beginning is a byte order mark that was read in an
// encoding of one byte a letter: "ï»¿" in Windows-1252, "п»ї" in Windows-1251, "∩╗┐" in code page 437.
func misreadMark(text string, times int) int {
	if text == "" || text[0] < utf8.RuneSelf || times == 0 {
		return 0
	}
	for _, encoding := range charmap.All {
		page, ok := encoding.(*charmap.Charmap)
		if !ok {
			continue
		}
		var read []byte
		size := 0
		for at, r := range text {
			b, known := page.EncodeRune(r)
			if !known || b < utf8.RuneSelf {
				break
			}
			read, size = append(read, b), at+utf8.RuneLen(r)
			if string(read) == bomUTF8 || utf8.Valid(read) && misreadMark(string(read), times-1) == len(read) {
				return size
			}
			if len(read) == maxMarkRead {
				break
			}
		}
	}
	return 0
}

// maxMarkRead is how many letters a mark takes that was read wrongly twice, at most.
const maxMarkRead = 9

func decodeUTF16(data []byte, order unicode.Endianness) (string, error) {
	// A lone surrogate or half a unit at the end becomes U+FFFD, which no value may hold: the row
	// says so.
	out, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
	if err != nil {
		return "", &FileError{Problem: "the file begins as UTF-16 and cannot be read as that", Remedy: saveAsCSV}
	}
	text := string(out)
	return text, refuseMarkup(text)
}

// refuseMarkup finds a web page: what a download that needed a login gives in place of the file.
func refuseMarkup(text string) error {
	start := strings.ToLower(strings.TrimSpace(text[:min(len(text), 200)]))
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<?xml"} {
		if strings.HasPrefix(start, tag) {
			return &FileError{Problem: "this is a web page or an XML file, not a CSV", Remedy: saveAsCSV}
		}
	}
	return nil
}

func notUTF8(data []byte) error {
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	before := data[:at]
	line := 1 + bytes.Count(before, []byte("\n")) + bytes.Count(before, []byte("\r")) - bytes.Count(before, []byte("\r\n"))
	return &FileError{
		Problem: fmt.Sprintf("line %d is not UTF-8; it was probably saved as Windows-1252 (plain “CSV” in Excel)", line),
		Remedy:  saveAsCSV,
	}
}
