package pace_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// aChange is a read that begins a change.
var aChange = pace.Call{Operation: aRead.Operation, Account: "1"}

// minutes is another side whose limit is for each minute of the clock, in which a bubble begins.
type minutes struct {
	limit   int
	told    string // layout of the reset; "": nothing is told
	used    int
	minute  time.Time
	refused int
}

// count counts so many calls, and reports whether the last one is within the limit.
func (m *minutes) count(calls int) (ok bool) {
	if now := time.Now().Truncate(time.Minute); now.After(m.minute) {
		m.minute, m.used = now, 0
	}
	m.used += calls
	return m.used <= m.limit
}

// carry makes a call in the gate's turn and returns when it left, and whether it got through.
func (m *minutes) carry(t *testing.T, g *pace.Gate, call pace.Call) (left time.Time, ok bool) {
	t.Helper()
	ticket, _ := wait(t, g, call)
	left = time.Now()
	time.Sleep(50 * time.Millisecond)
	if ok = m.count(1); !ok {
		m.refused++
		m.used--
	}
	h := http.Header{}
	if m.told != "" {
		h.Set("X-RateLimit-Limit", strconv.Itoa(m.limit))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(m.limit-m.used))
		h.Set("X-RateLimit-Reset", m.minute.Add(time.Minute).UTC().Format(m.told))
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	l := pace.ReadLimits(h, time.Now())
	time.Sleep(50 * time.Millisecond)
	status := http.StatusOK
	if !ok {
		status = http.StatusTooManyRequests
	}
	g.Done(ticket, pace.Answer{Status: status, Limits: &l})
	return left, ok
}

// lengths fails where windows are taken to be of another length than a minute.
func lengths(t *testing.T, g *pace.Gate) {
	t.Helper()
	for _, b := range g.State().Buckets {
		if b.Length != 0 && b.Length != time.Minute {
			t.Fatalf("a window is taken to be %v long", b.Length)
		}
	}
}

// A window of which some is left that nobody may use, for others or because it is too little, is
// over when its reset says so: the next call leaves then, not at the latest time at which a reset
// that is written to the minute can be; and what is made of its length is not how long we waited.
func TestNextWindowIsTriedWhenItOpens(t *testing.T) {
	const (
		toMinute, toSecond = "2006-01-02T15:04Z07:00", time.RFC3339
		limit              = 100
	)
	for name, test := range map[string]struct {
		told   string
		ours   int       // calls that we make
		others int       // calls that others make then, all at once
		last   pace.Call // that we wait to make
	}{
		"some is left to others":                      {toMinute, 50, 40, aRead},
		"most is left to others":                      {toMinute, 20, 50, aRead},
		"some is left to others, told to the second":  {toSecond, 50, 40, aRead},
		"all is used up":                              {toMinute, 50, 50, aRead},
		"too little for a change":                     {toMinute, 99, 0, aChange},
		"too little for a change, told to the second": {toSecond, 99, 0, aChange},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, m := testGate(t, fast, 8), &minutes{limit: limit, told: test.told}
				m.count(0)
				began := time.Now()
				m.carry(t, g, aWrite) // so that reads leave room for writes
				for minute := range 4 {
					opens := began.Add(time.Duration(minute) * time.Minute)
					for m.used < test.ours {
						m.carry(t, g, aRead)
					}
					if test.others > 0 {
						m.count(test.others)
						m.carry(t, g, aRead) // which tells of them
					}
					for m.minute.Equal(opens) {
						left, _ := m.carry(t, g, test.last)
						lengths(t, g)
						if late := left.Sub(opens.Add(time.Minute)); late > 2*time.Second {
							t.Fatalf("window %d: the next call leaves %v after the next one opened", minute, late)
						}
					}
				}
			})
		})
	}
}

// A window of which nothing is told and that passed while nobody called says nothing of how long
// windows are.
func TestIdleTimeIsNoLength(t *testing.T) {
	for _, idle := range []time.Duration{2 * time.Minute, 5 * time.Minute, 5*time.Minute + 20*time.Second, 2 * time.Hour} {
		t.Run(idle.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, m := testGate(t, fast, 1), &minutes{limit: 100}
				m.count(0)
				call := func(n int) (took time.Duration) {
					began := time.Now()
					for n > 0 {
						if _, ok := m.carry(t, g, aRead); ok {
							n--
						}
						lengths(t, g)
					}
					return time.Since(began)
				}
				call(430)
				m.refused = 0
				for range 3 { // the window in which calls begin again is over before they use it up
					time.Sleep(time.Until(m.minute.Add(idle + time.Second/10)))
					call(20)
				}
				if took := call(250); took > 3*time.Minute {
					t.Errorf("250 calls took %v, with 100 in a minute", took)
				}
				if m.refused > 12 {
					t.Errorf("%d of 310 calls were refused", m.refused)
				}
			})
		})
	}
}
