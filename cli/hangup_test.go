//go:build unix

package cli

import (
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// SIGHUP ends nothing, and the log says that nothing was read again.
func TestHangupsAreIgnored(t *testing.T) {
	lines, out := io.Pipe()
	stop := ignoreHangups(zerolog.New(out))
	defer stop()
	for range 2 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 500)
		n, err := lines.Read(line)
		if err != nil || !strings.Contains(string(line[:n]), "SIGHUP is ignored") {
			t.Fatalf("%s, %v", line[:n], err)
		}
	}
}
