package store

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	db := openAt(t, path)
	if value, err := db.Recall(t.Context(), "gate"); value != nil || err != nil {
		t.Errorf("before anything was remembered: %q, %v; want nil", value, err)
	}
	for _, value := range []string{"first", "second\x00\xff", ""} {
		if err := db.Remember(t.Context(), "gate", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if err := db.Remember(t.Context(), "other", nil); err != nil {
			t.Fatal(err)
		}
		again := openAt(t, path) // another process would see the same
		got, err := again.Recall(t.Context(), "gate")
		if err != nil || !bytes.Equal(got, []byte(value)) {
			t.Errorf("recalled %q, %v; want %q", got, err, value)
		}
	}
	var at time.Time
	if err := db.reader.QueryRowContext(t.Context(), "SELECT at FROM memory WHERE name = 'gate'").Scan(moment{&at}); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(at); age < 0 || age > time.Minute {
		t.Errorf("remembered %v ago", age)
	}
}
