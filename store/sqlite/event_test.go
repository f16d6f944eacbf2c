package sqlite

import (
	"testing"

	"github.com/countersign/countersign/store"
)

// The hash of one event, as docs for auditors would compute it.
func TestEventHash(t *testing.T) {
	e := store.Entry{Seq: 1, At: noon.Format(store.MomentForm), Actor: "U0HANA", Kind: "requested", Data: `{"rows":3}`}
	// The SHA-256 of
	// {"actor":"U0HANA","at":"2026-11-23T12:00:00.123456789Z","batch":0,"data":{"rows":3},
	// "kind":"requested","prev":"","row":0,"seq":1} on one line, as any other program computes it.
	const want = "1646682bd1c7d7495c20c1a6262f61a5fd9ce75119debd312282a96044f0b8c0"
	if got := e.Sum(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
