package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/settings"
)

// A line of the log stays one line, and moves about no terminal, in either format, whatever stands in its fields.
func TestLogStaysInItsLines(t *testing.T) {
	t.Parallel()
	const evil = "x\n{\"level\":\"info\"}\r\x1b[2J \u202e \u2028 y"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(&out, settings.Log{Level: "info", Format: format})
		log.Warn().Str("person", evil).Err(errors.New(evil)).Strs("why", []string{evil}).Any("fault", evil).Msg("a message")
		if got := out.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
			t.Errorf("%s: %q", format, got)
		}
	}
}
