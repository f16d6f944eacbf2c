package cli

import (
	"fmt"
	"io"
	"os"
)

// The marks of doctor's lines.
const (
	markOK    = "ok"
	markWarn  = "warn"
	markWrong = "wrong"
)

// report prints doctor's lines in sections, each as soon as it is known, and ends with the line to fix first.
type report struct {
	out    io.Writer
	style  style
	title  string // of a section that has no line yet
	begun  bool   // something has been printed
	counts map[string]int
	first  map[string]string // the first line of each mark
}

// section begins a section; one without lines is not shown.
func (r *report) section(title string) { r.title = title }

func (r *report) say(mark, format string, args ...any) {
	if r.title != "" {
		if r.begun {
			_, _ = fmt.Fprintln(r.out)
		}
		_, _ = fmt.Fprintln(r.out, r.style.bold(r.title))
		r.title, r.begun = "", true
	}
	if r.counts == nil {
		r.counts, r.first = map[string]int{}, map[string]string{}
	}
	text := oneLine(fmt.Sprintf(format, args...))
	if r.counts[mark] == 0 {
		r.first[mark] = text
	}
	r.counts[mark]++
	_, _ = fmt.Fprintf(r.out, "  %s %s\n", r.style.mark(mark), text)
}

// close prints how many lines there are of each mark and the one to fix first, and returns errUnwell where something is
// wrong.
func (r *report) close() error {
	_, _ = fmt.Fprintln(r.out)
	switch {
	case r.counts[markWrong] > 0:
		_, _ = fmt.Fprintf(r.out, "%d wrong, %d to look at. %s %s\n", r.counts[markWrong], r.counts[markWarn], r.style.bold("Fix first:"),
			r.first[markWrong])
		return errUnwell
	case r.counts[markWarn] > 0:
		_, err := fmt.Fprintf(r.out, "Ready to serve, %d to look at. %s %s\n", r.counts[markWarn], r.style.bold("First:"), r.first[markWarn])
		return err
	}
	_, err := fmt.Fprintln(r.out, "Ready to serve.")
	return err
}

// style colours what goes to a terminal; the zero style leaves text as it is.
type style struct{ colour bool }

// styleOf is the style for out: plain unless it is a terminal that takes colours, and with NO_COLOR (no-color.org).
func styleOf(out io.Writer) style {
	file, is := out.(*os.File)
	if !is || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return style{}
	}
	info, err := file.Stat()
	return style{colour: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// The codes of a terminal (ECMA-48, SGR).
const (
	codeBold   = "1"
	codeGreen  = "32"
	codeYellow = "33"
	codeRed    = "31"
)

func (s style) in(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string { return s.in(codeBold, text) }

// mark is a mark in a column of its own.
func (s style) mark(mark string) string {
	return s.in(map[string]string{markOK: codeGreen, markWarn: codeYellow, markWrong: codeRed}[mark], fmt.Sprintf("%-5s", mark))
}
