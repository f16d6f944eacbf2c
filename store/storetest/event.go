package storetest

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

func testEventsFollowEachOther(t *testing.T, on suite) {
	db := on.open(t)
	changes, _ := Renames(1)
	Planned(t, db, changes)
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
	first := told(t, db)[0]
	number, facts := first.Batch, string(first.Data)
	if number != 1 || !strings.HasPrefix(facts, `{"checksum":{"batch":{"sha256":"`) || !strings.HasSuffix(facts, `"file":"a.csv","rows":3}`) {
		t.Errorf("the first event is of batch %d with %s", number, facts)
	}
}

// event is a line of the log.
type event struct {
	Seq   int64
	Hash  string
	Batch int64
	Actor string
	Kind  string
	Data  json.RawMessage
}

// told returns all events of the log.
func told(t testing.TB, db store.Driver) (list []event) {
	t.Helper()
	err := db.Events(t.Context(), func(line []byte) error {
		var e event
		err := json.Unmarshal(line, &e)
		list = append(list, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
