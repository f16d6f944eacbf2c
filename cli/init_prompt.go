package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// errNobody means that a question has nobody to answer it.
var errNobody = errors.New("nobody answers on standard input")

// prompt asks questions and reads an answer a line. A question ends with its context.
type prompt struct {
	file  *os.File // behind lines; what is typed there as a secret is not shown
	lines *bufio.Reader
	out   io.Writer
}

func newPrompt(in *os.File, out io.Writer) *prompt {
	return &prompt{file: in, lines: bufio.NewReader(in), out: out}
}

// say prints a line.
func (p *prompt) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

// line asks and returns the answer without the spaces around it, "" for Enter alone.
func (p *prompt) line(ctx context.Context, question string) (string, error) {
	_, _ = fmt.Fprintf(p.out, "%s: ", question)
	text, err := await(ctx, func() (string, error) {
		text, err := p.lines.ReadString('\n')
		if text != "" { // the last line may have no end
			err = nil
		}
		return text, err
	})
	if err != nil || !p.terminal() {
		_, _ = fmt.Fprintln(p.out) // on a terminal, the answer has ended the line
	}
	return strings.TrimSpace(text), err
}

// secret is line for what nobody should read on the screen.
func (p *prompt) secret(ctx context.Context, question string) (string, error) {
	if !p.terminal() {
		return p.line(ctx, question)
	}
	fd := int(p.file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }() // also where the question was cut off
	_, _ = fmt.Fprintf(p.out, "%s (not shown): ", question)
	text, err := await(ctx, func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
	_, _ = fmt.Fprintln(p.out)
	return strings.TrimSpace(text), err
}

// await waits for an answer or for the end of the context; a read that nobody waits for any more ends with the process. An
// end of the input is errNobody.
func await(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", errNobody
		}
		return a.text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (p *prompt) terminal() bool { return term.IsTerminal(int(p.file.Fd())) }
