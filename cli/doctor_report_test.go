package cli

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// On a terminal the marks have colours; the line to fix first is the first that is wrong.
func TestReportColours(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := report{out: &out, style: style{colour: true}}
	r.section("Slack")
	r.section("People")
	r.say(markWarn, "one")
	r.say(markWrong, "two")
	r.say(markWrong, "three\x1b[31m")
	if err := r.close(); !errors.Is(err, errUnwell) {
		t.Errorf("close: %v", err)
	}
	want := "\x1b[1mPeople\x1b[0m\n  \x1b[33mwarn \x1b[0m one\n  \x1b[31mwrong\x1b[0m two\n  \x1b[31mwrong\x1b[0m three[U+001B][31m\n\n" +
		"2 wrong, 1 to look at. \x1b[1mFix first:\x1b[0m two\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

// NO_COLOR, a file and a dumb terminal get no colours.
func TestStyleOf(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = device.Close() }()
	for _, tt := range []struct {
		noColor, term string
		want          bool
	}{{"", "xterm", true}, {"1", "xterm", false}, {"", "dumb", false}} {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := styleOf(device).colour; got != tt.want {
			t.Errorf("NO_COLOR=%q TERM=%q: colour is %v, want %v", tt.noColor, tt.term, got, tt.want)
		}
		if styleOf(new(bytes.Buffer)).colour {
			t.Error("a buffer gets colours")
		}
	}
}
