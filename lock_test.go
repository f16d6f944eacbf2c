package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "bot.db")
	release, err := lockStore(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockStore(path)
	if err == nil {
		t.Fatal("two hold the lock")
	}
	for _, want := range []string{path, path + ".lock", fmt.Sprintf("(process %d)", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal does not name %s: %v", want, err)
		}
	}
	other, err := lockStore(path + "2")
	if err != nil {
		t.Errorf("another database is locked, too: %v", err)
	} else if err := other(); err != nil {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockStore(path)
	if err != nil {
		t.Fatalf("the lock outlives its holder: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}
