package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/workflow"
)

func TestBackup(t *testing.T) {
	path := lived(t)
	db := openAt(t, path)
	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { // somebody goes on writing
		for ctx.Err() == nil {
			if err := db.LogEvent(context.Background(), workflow.Event{At: noon, Kind: "busy"}); err != nil {
				ended <- err
				return
			}
			select {
			case wrote <- struct{}{}:
			default:
			}
		}
		ended <- nil
	}()
	<-wrote
	looking, err := OpenReadOnly(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := looking.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("a writer beside it: %v", err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 600", info, err)
	}
	if a := audit(t, to); !a.Whole() || a.Batches != 2 || a.Head.Seq < 14 {
		t.Errorf("the copy: %+v", a)
	}
	if err := looking.Backup(t.Context(), to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("it overwrote the copy: %v", err)
	}
	if err := looking.Backup(t.Context(), filepath.Join(t.TempDir(), "none", "x.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if left, err := filepath.Glob(to + ".part-*"); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	again := openAt(t, to) // a copy is a database like any other
	create(t, again)
	if err := looking.Close(); err != nil {
		t.Error(err)
	}
}
