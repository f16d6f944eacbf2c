package pace_test

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// form is how a limit counts.
type form int

const (
	fixed   form = iota // so many calls in each window; windows follow each other
	sliding             // so many calls in any time of that length, counted back from each call
	bucket              // so many at once, and as many again evenly over each length
	free                // no limit
)

// regime is a limit as some other side has it, and what its answers tell of it.
type regime struct {
	name    string
	form    form
	limit   int
	length  time.Duration
	each    bool          // each operation has a limit of its own; else all count together
	latency time.Duration // of a call, on average; 0 means 100 ms

	told    bool          // X-RateLimit-Limit, -Remaining and -Reset on every answer
	minutes bool          // Reset is written without seconds
	round   int           // Reset is rounded: -1 down, 0 to the nearest, 1 up
	fromNow bool          // sliding: Reset is a length from now; else when the oldest call leaves
	noDate  bool          // answers have no Date
	ahead   time.Duration // of their clock before ours
	after   bool          // Retry-After on a 429

	moves []move        // the limit changes
	quiet time.Duration // once in such a time, on average, ...
	burst int           // ... so many calls in a row are refused, whatever the limit
	hold  time.Duration // ... or all calls for so long

	ratio   float64 // aims: wall time ÷ floor
	refused float64 // of 1,000 calls

	// What holds now where that is above its aim.
	holds, holdsRefused float64
}

// move is a change of a limit, from a time after the start on.
type move struct {
	at time.Duration
	by float64 // of the limit at the start
}

func (r regime) delay() time.Duration {
	if r.latency == 0 {
		return 100 * time.Millisecond
	}
	return r.latency
}

// server is another side with the regime.
type server struct {
	regime
	began  time.Time
	phase  time.Duration // of the windows, before the start
	counts map[string]*counted
	random *rand.Rand

	trouble time.Time // when the next calls are refused without a reason
	bad     int       // calls still to be refused so
	until   time.Time

	made, refused, row, longestRow int

	debug func(string, ...any)
}

// counted is what one limit has counted.
type counted struct {
	window int64
	used   int
	calls  []time.Time
	level  float64
	at     time.Time
}

func newServer(r regime, seed uint64) *server {
	s := &server{regime: r, began: time.Now(), counts: map[string]*counted{}, random: rand.New(rand.NewPCG(seed, 1))}
	if r.length > 0 {
		s.phase = time.Duration(s.random.Int64N(int64(r.length)))
	}
	if r.quiet > 0 {
		s.trouble = s.began.Add(time.Duration((0.5 + s.random.Float64()) * float64(r.quiet)))
	}
	return s
}

func (s *server) of(operation string) *counted {
	if !s.each {
		operation = ""
	}
	c := s.counts[operation]
	if c == nil {
		c = &counted{level: float64(s.limit), at: s.began}
		s.counts[operation] = c
	}
	return c
}

// most is the limit at that time.
func (s *server) most(now time.Time) int {
	by := 1.0
	for _, m := range s.moves {
		if now.Sub(s.began) >= m.at {
			by = m.by
		}
	}
	return int(math.Round(by * float64(s.limit)))
}

func (s *server) index(now time.Time) int64 { return int64((now.Sub(s.began) + s.phase) / s.length) }

func (s *server) advance(c *counted, now time.Time) {
	switch s.form {
	case fixed:
		if i := s.index(now); i != c.window {
			if s.debug != nil {
				s.debug("%6.1f window opened at %.1f; before %d used", now.Sub(s.began).Seconds(), (time.Duration(i)*s.length - s.phase).Seconds(), c.used)
			}
			c.window, c.used = i, 0
		}
	case sliding:
		for len(c.calls) > 0 && now.Sub(c.calls[0]) >= s.length {
			c.calls = c.calls[1:]
		}
	case bucket:
		most := float64(s.most(now))
		c.level = min(most, c.level+most*now.Sub(c.at).Seconds()/s.length.Seconds())
		c.at = now
	case free:
	}
}

// left is how many calls may be made now.
func (s *server) left(c *counted, now time.Time) int {
	s.advance(c, now)
	switch s.form {
	case fixed:
		return max(0, s.most(now)-c.used)
	case sliding:
		return max(0, s.most(now)-len(c.calls))
	case bucket:
		return int(c.level + 1e-9)
	default:
		return 1
	}
}

func (s *server) take(c *counted, now time.Time) {
	c.used++
	c.level--
	if s.form == sliding {
		c.calls = append(c.calls, now)
	}
}

// blind reports whether calls are refused now without a reason.
func (s *server) blind(now time.Time) bool {
	if s.quiet == 0 {
		return false
	}
	if !now.Before(s.trouble) {
		if now.Sub(s.trouble) < time.Second { // else nobody was there
			s.bad, s.until = s.burst, now.Add(s.hold)
		}
		s.trouble = now.Add(s.hold + time.Duration((0.5+s.random.Float64())*float64(s.quiet)))
	}
	if s.bad > 0 {
		s.bad--
		return true
	}
	return now.Before(s.until)
}

// call counts a call and answers it.
func (s *server) call(operation string, now time.Time) (int, http.Header) {
	s.made++
	c := s.of(operation)
	ok := !s.blind(now)
	bare := !ok
	if ok = ok && s.left(c, now) > 0; ok {
		s.take(c, now)
		s.row = 0
	} else {
		if s.refused++; s.debug != nil && s.refused < 60 {
			s.debug("%6.2f refused %s", now.Sub(s.began).Seconds(), operation)
		}
		s.row++
		s.longestRow = max(s.longestRow, s.row)
	}
	h := http.Header{}
	theirs := now.Add(s.ahead).UTC()
	if !s.noDate {
		h.Set("Date", theirs.Format(http.TimeFormat))
	}
	reset := s.reset(c, now)
	if s.told && !bare {
		h.Set("X-RateLimit-Limit", strconv.Itoa(s.most(now)))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(s.left(c, now)))
		h.Set("X-RateLimit-Reset", s.write(reset.Add(s.ahead).UTC()))
	}
	if ok {
		return http.StatusNoContent, h
	}
	if s.after && !bare {
		next := s.next(c, now)
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(next.Sub(now).Seconds()))))
	}
	return http.StatusTooManyRequests, h
}

func (s *server) reset(c *counted, now time.Time) time.Time {
	switch s.form {
	case fixed:
		return s.began.Add(time.Duration(s.index(now)+1)*s.length - s.phase)
	case sliding:
		if s.fromNow || len(c.calls) == 0 {
			return now.Add(s.length)
		}
		return c.calls[0].Add(s.length)
	case bucket:
		most := float64(s.most(now))
		return now.Add(time.Duration((most - c.level) / most * float64(s.length)))
	default:
		return now
	}
}

// next is when the next call is taken.
func (s *server) next(c *counted, now time.Time) time.Time {
	if s.left(c, now) > 0 {
		return now
	}
	switch s.form {
	case bucket:
		most := float64(s.most(now))
		return now.Add(time.Duration((1-c.level)/most*float64(s.length)) + time.Nanosecond)
	case sliding:
		over := max(0, len(c.calls)-s.most(now))
		return c.calls[min(over, len(c.calls)-1)].Add(s.length)
	case fixed:
		return s.reset(c, now)
	default:
		return now
	}
}

func (s *server) write(reset time.Time) string {
	unit, layout := time.Second, "2006-01-02T15:04:05Z"
	if s.minutes {
		unit, layout = time.Minute, "2006-01-02T15:04Z"
	}
	switch s.round {
	case -1:
		reset = reset.Truncate(unit)
	case 0:
		reset = reset.Round(unit)
	default:
		reset = reset.Add(unit - 1).Truncate(unit)
	}
	return reset.Format(layout)
}

// floor is the least that the calls of so many rows take: it knows the limit and its phase, has as
// many workers, and makes each call as soon as one of them and the limit let it.
func (s *server) floor(rows, workers int) time.Duration {
	longest := time.Duration(0)
	one := func(operation string, n int) {
		ideal := newServer(s.regime, 0)
		ideal.began, ideal.phase = time.Unix(0, 0), s.phase
		ideal.quiet = 0
		c := ideal.of(operation)
		c.at = ideal.began
		free := make([]time.Time, workers)
		for i := range free {
			free[i] = ideal.began
		}
		now := ideal.began
		for i := range n {
			at := free[i%workers].Add(s.delay() / 2)
			if at.Before(now) {
				at = now
			}
			for ideal.left(c, at) == 0 {
				next := ideal.next(c, at)
				for _, m := range s.moves { // it may be raised before
					if moved := ideal.began.Add(m.at); moved.After(at) && moved.Before(next) {
						next = moved
					}
				}
				at = next
			}
			ideal.take(c, at)
			now, free[i%workers] = at, at.Add(s.delay()/2)
		}
		longest = max(longest, now.Add(s.delay()/2).Sub(ideal.began))
	}
	if s.each && s.form != free {
		one("read profile", 2*rows)
	}
	if !s.each || s.form == free {
		one("", 3*rows)
	}
	return longest
}
