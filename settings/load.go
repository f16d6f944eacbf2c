package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// Need is which secrets and ids a command cannot do without; the rest may be missing, and is then empty.
type Need uint8

// The needs, to be combined with |.
const (
	NeedSlack     Need = 1 << iota // the tokens, an admin and the requests channel
	NeedAtlassian                  // the key and the organisation's id
)

// Default returns the settings that hold when the file does not say otherwise.
func Default() *Config {
	c := new(Config)
	section{reader: new(reader)}.fill(reflect.ValueOf(c).Elem())
	return c
}

// Load reads the settings file at path. Everything wrong with it is in one *Error; what is worth a word and does
// not stop the start is in Config.Warnings.
func Load(path string, need Need) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return parse(path, text, need)
}

// Parse reads settings that are to be written to path.
func Parse(path string, text []byte, need Need) (*Config, error) { return parse(path, text, need) }

// unreadable is the error for a settings file that cannot be opened.
func unreadable(path string, err error) error {
	problem := Problem{File: path, What: reason(err), Remedy: "give the right path with --config"}
	if errors.Is(err, fs.ErrNotExist) {
		problem.Remedy = "name yours with --config, or start from config.example.yaml"
	}
	return &Error{Problems: []Problem{problem}}
}

// reason is the cause in an error of package os without the path, which the caller names already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// parse is Load for a text in hand; path names it in errors and is where relative paths start.
func parse(path string, text []byte, need Need) (*Config, error) {
	r := &reader{file: path, dir: filepath.Dir(path), need: need | always, getenv: os.LookupEnv}
	c := new(Config)
	if root, ok := r.document(text); ok {
		root.fill(reflect.ValueOf(c).Elem())
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &Error{Problems: r.problems}
	}
	c.Warnings = r.warnings
	return c, nil
}

// Error is everything that is wrong with a settings file.
type Error struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *Error) Error() string {
	var text []byte
	for i, p := range e.Problems {
		if i > 0 {
			text = append(text, '\n')
		}
		text = append(text, p.String()...)
	}
	return string(text)
}

// Problem is one thing wrong with a settings file.
type Problem struct {
	File   string
	Line   int    // from 1; 0 where it belongs to no line
	Key    string // with its sections, "slack.app_token"; "" where it belongs to the file
	What   string // never a secret
	Remedy string // what to do about it, "" when What says it
}

// String is "file:line: key: what; remedy".
func (p Problem) String() string {
	text := p.File
	if p.Line > 0 {
		text += fmt.Sprintf(":%d", p.Line)
	}
	if p.Key != "" {
		text += ": " + p.Key
	}
	text += ": " + p.What
	if p.Remedy != "" {
		text += "; " + p.Remedy
	}
	return text
}
