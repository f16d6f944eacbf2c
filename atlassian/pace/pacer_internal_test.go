package pace

import (
	"testing"
	"time"
)

// A pace that begins anew does not wait for the turn that a far slower one gave its next call.
func TestPacerBeginsAnewAtOnce(t *testing.T) {
	p := newPacer(Rate{Start: 20, Max: 100})
	now := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	p.backOff(0.5, 0.0001, 3*time.Second, time.Hour)
	p.leave(now)
	if ok, _ := p.mayLeave(now.Add(time.Second)); ok {
		t.Fatalf("a pace of %v a second lets two leave at once", p.rate)
	}
	p.restart()
	if ok, at := p.mayLeave(now.Add(time.Second)); !ok {
		t.Errorf("begun anew, the next call leaves %s later", at.Sub(now))
	}
}
