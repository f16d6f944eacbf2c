package report

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// lostLogbook is one of which one read fails.
type lostLogbook struct {
	Logbook
	failing string
}

var errLost = errors.New("the disk is gone")

func (l lostLogbook) read(name string) error {
	if name == l.failing {
		return errLost
	}
	return nil
}

func (l lostLogbook) Told(context.Context, string, int64) (Told, bool, error) {
	return Told{}, true, l.read("told")
}

func (l lostLogbook) Explained(context.Context, string, int64) ([]Doubt, error) {
	return nil, l.read("explained")
}

func (l lostLogbook) Corrected(context.Context, string, int64) ([]Doubt, error) {
	return nil, l.read("corrected")
}

// The admins are called though nothing can be read but what was counted.
func TestAlarmOfWhatCannotBeRead(t *testing.T) {
	limit := 2
	for _, failing := range []string{"told", "explained", "corrected"} {
		for unexplained, want := range map[int]string{3: "3 changes have no explanation. The limit is 2.", 2: ""} {
			m, err := changesMessage(t.Context(), Sources{Logbook: lostLogbook{failing: failing}}, Definition{AlarmOver: &limit}, Result{
				Report: "nightly-changes", Snapshot: 7, Figures: Figures{FigureChanges: 9, FigureUnexplained: unexplained},
			})
			if !errors.Is(err, errLost) || m.Alarm != want || strings.Contains(m.Look, "first night") {
				t.Errorf("%s fails, %d unexplained: %+v, %v; want the alarm %q", failing, unexplained, m, err, want)
			}
		}
	}
}
