package report_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// Before any night is recorded a comparison reads the directory, once, also where that takes longer than
// anybody waits; no report is made by that. What fails is said, and the next comparison reads again.
func TestCompareBeforeAnyNight(t *testing.T) {
	list, err := sheet.ReadList([]byte("email\nu0@example.com\nu1@example.com\nu9@example.com\n"), "", workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, nightly(t, ""), func(b *bench) {
		b.start()
		b.dir.set(func(d *directory) { d.err = workflow.ErrUnavailable })
		if _, err := b.runner.Compare(b.Context(), list); !errors.Is(err, workflow.ErrUnavailable) {
			b.Errorf("a reading that fails: %v", err)
		}
		b.dir.set(func(d *directory) { d.err, d.takes = nil, 7*time.Minute })
		begun := time.Now()
		waiting := make(chan error, 1)
		go func() {
			_, err := b.runner.Compare(b.Context(), list)
			waiting <- err
		}()
		_, err := b.runner.Compare(b.Context(), list)
		if other := <-waiting; !errors.Is(err, report.ErrNoNight) || !errors.Is(other, report.ErrNoNight) || time.Since(begun) > 2*time.Minute {
			b.Errorf("a long reading: %v and %v after %v", err, other, time.Since(begun))
		}
		time.Sleep(4 * time.Minute) // the reading has another minute
		c, err := b.runner.Compare(b.Context(), list)
		if err != nil || !c.First || c.Active != 3 || len(c.NotInList) != 1 || len(c.NotInDirectory) != 1 {
			b.Fatalf("once it is read: %+v, %v", c, err)
		}
		if c, err := b.runner.Compare(b.Context(), list); err != nil || c.First {
			b.Errorf("a comparison after that: %+v, %v", c, err)
		}
		synctest.Wait()
		b.want()
		if len(b.dir.reads) != 2 || b.dir.overlap || b.finished.Load() != 0 {
			b.Errorf("read at %v, overlapping %v; %d runs", b.dir.reads, b.dir.overlap, b.finished.Load())
		}
	})
}
