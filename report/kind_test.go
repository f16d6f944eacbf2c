package report_test

import (
	"errors"
	"testing"

	"github.com/countersign/countersign/report"
)

// A kind that is known and not made yet says so, by its own name and under that of a report.
func TestKindsThatAreNotMadeYet(t *testing.T) {
	b := []report.Definition{{Name: "weekly", Kind: "of later on"}}
	inBubble(t, b, func(b *bench) {
		b.start()
		for _, name := range []string{"weekly"} {
			if err := b.runner.RunNow(b.Context(), name, "U0ALICE"); !errors.Is(err, report.ErrNotSupported) {
				b.Errorf("%s: got %v, want %v", name, err, report.ErrNotSupported)
			}
		}
		if err := b.runner.RunNow(b.Context(), "yearly", "U0ALICE"); !errors.Is(err, report.ErrUnknownReport) {
			b.Errorf("got %v, want %v", err, report.ErrUnknownReport)
		}
		for _, name := range report.KindNames() {
			if kind, ok := report.KindFor(name); ok != name.Supported() || ok && kind.Name != name {
				b.Errorf("kind %s: %t as %s", name, ok, kind.Name)
			}
		}
	})
}
