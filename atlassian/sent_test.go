package atlassian

import (
	"errors"
	"net"
	"testing"
)

func TestNeverLeft(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	for name, test := range map[string]struct {
		asked, got, written, ended bool
		err                        error
		want                       bool
	}{
		"nothing known":                     {err: other, want: false},
		"dial":                              {err: &net.OpError{Op: "dial", Err: other}, want: true},
		"no connection":                     {asked: true, err: other, want: true},
		"no connection in time":             {asked: true, ended: true, err: other, want: true},
		"closed before writing":             {asked: true, got: true, err: other, want: true},
		"ended while it may begin to write": {asked: true, got: true, ended: true, err: other, want: false},
		"written":                           {asked: true, got: true, written: true, err: other, want: false},
		"read error": {
			asked: true, got: true, written: true, err: &net.OpError{Op: "read", Err: other}, want: false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen tracer
			seen.asked.Store(test.asked)
			seen.got.Store(test.got)
			seen.written.Store(test.written)
			if got := seen.neverLeft(test.err, test.ended); got != test.want {
				t.Errorf("never left: %v, want %v", got, test.want)
			}
		})
	}
}
