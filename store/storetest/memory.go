package storetest

import (
	"bytes"
	"testing"
)

func testMemory(t *testing.T, on suite) {
	path := t.TempDir()
	db := on.openAt(t, path)
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
		again := on.openAt(t, path) // another process would see the same
		got, err := again.Recall(t.Context(), "gate")
		if err != nil || !bytes.Equal(got, []byte(value)) {
			t.Errorf("recalled %q, %v; want %q", got, err, value)
		}
	}
}
