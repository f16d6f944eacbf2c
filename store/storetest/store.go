package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/workflow"
)

// sameData compares what is stored, leaving out events that were recorded and not yet taken.
var sameData = cmpopts.IgnoreUnexported(workflow.Batch{})

func testOpenAgain(t *testing.T, on suite) {
	path := t.TempDir()
	db := on.openAt(t, path)
	b := Create(t, db)
	second := on.openAt(t, path) // beside the first, as other commands do
	got, err := second.Batch(t.Context(), b.Number)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got, sameData); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func testContextEndsAWait(t *testing.T, on suite) {
	db := on.open(t)
	b := Create(t, db)
	inside, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := db.Update(context.Background(), b.Number, func(*workflow.Batch) error {
			close(inside)
			<-release
			return nil
		})
		ended <- err
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := db.Update(ctx, b.Number, func(*workflow.Batch) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the context", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
