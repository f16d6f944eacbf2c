package store

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

func TestEventsFollowEachOther(t *testing.T) {
	db := open(t)
	changes, _ := renames(1)
	sealed(t, db, changes)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := db.LogEvent(t.Context(), workflow.Event{
				At: time.Now(), Actor: "U0GUS", Kind: "refused", Data: json.RawMessage(`{"b":1.50,"a":"<&>","c":12345678901234567890}`),
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n, head, err := db.VerifyEvents(t.Context())
	if n != 22 || len(head) != 64 || err != nil {
		t.Errorf("%d events, head %q, %v; want 22 whole ones", n, head, err)
	}
	var number int64
	var facts string
	err = db.reader.QueryRowContext(t.Context(), "SELECT batch, data FROM event WHERE seq = 1").Scan(&number, &facts)
	if err != nil || number != 1 || !strings.HasPrefix(facts, `{"file":"a.csv","proof":{"batch":`) ||
		!strings.HasSuffix(facts, `"rows":3}`) {
		t.Errorf("the first event is of batch %d with %s, %v", number, facts, err)
	}
}

// The hash of one event, as docs for auditors would compute it.
func TestEventHash(t *testing.T) {
	e := entry{Seq: 1, At: noon.Format(momentForm), Actor: "U0HANA", Kind: "requested", Data: `{"rows":3}`}
	// The SHA-256 of {"actor":"U0HANA","at":"2026-11-23T12:00:00.123456789Z","batch":0,"data":{"rows":3},
	// "kind":"requested","prev":"","row":0,"seq":1} on one line, as any other program computes it.
	const want = "1646682bd1c7d7495c20c1a6262f61a5fd9ce75119debd312282a96044f0b8c0"
	if got := e.sum(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
