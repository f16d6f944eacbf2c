package store

import (
	"encoding/json"
	"errors"
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
	if err != nil || number != 1 || facts != `{"file":"a.csv","rows":3}` {
		t.Errorf("the first event is of batch %d with %s, %v", number, facts, err)
	}
}

// The hash of one event, as docs for auditors would compute it.
func TestEventHash(t *testing.T) {
	e := entry{Seq: 1, At: noon, Actor: "U0HANA", Kind: "requested", Data: `{"rows":3}`}
	got, err := e.hash()
	// The SHA-256 of {"actor":"U0HANA","at":"2026-11-23T12:00:00.123456789Z","batch":0,"data":{"rows":3},
	// "kind":"requested","prev":"","row":0,"seq":1} on one line, as any other program computes it.
	const want = "1646682bd1c7d7495c20c1a6262f61a5fd9ce75119debd312282a96044f0b8c0"
	if got != want || err != nil {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestVerifyFindsWhatWasDone(t *testing.T) {
	for name, test := range map[string]struct {
		statement string
		seq       int64
	}{
		"changed facts": {`UPDATE event SET data = '{"x":1}' WHERE seq = 3`, 3},
		"changed actor": {`UPDATE event SET actor = 'x' WHERE seq = 2`, 2},
		"changed hash":  {`UPDATE event SET hash = 'x' WHERE seq = 5`, 5},
		"taken out":     {`DELETE FROM event WHERE seq = 3`, 4},
		"put in": {
			`INSERT INTO event SELECT 6, at, batch, row, actor, kind, data, prev, 'h' FROM event WHERE seq = 5`,
			6,
		},
		"first taken out": {`DELETE FROM event WHERE seq = 1`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			for range 5 {
				create(t, db)
			}
			for _, s := range []string{"DROP TRIGGER event_stays", "DROP TRIGGER event_kept", test.statement} {
				if _, err := db.writer.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := db.VerifyEvents(t.Context())
			if broken, ok := errors.AsType[*ChainError](err); !ok || broken.Seq != test.seq {
				t.Errorf("%v, want a *ChainError at %d", err, test.seq)
			}
		})
	}
}
