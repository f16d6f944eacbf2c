package pace

import "github.com/rs/zerolog"

// Config is what New needs.
type Config struct {
	Workers int  // how many calls may be in flight at once, at most; how many are of use is learned
	Rate    Rate // zero fields have defaults
	// Memory keeps what is known of the limits over a restart, under Name; nil keeps nothing.
	// Restore reads it.
	Memory Memory
	Name   string
	Owner  func() string // identifies host and key, to which limits belong; only its hash is kept
	Log    zerolog.Logger
}

// Call is what the gate needs to know of a call.
type Call struct {
	Operation string // the kind of call; calls of one kind always share a limit
	Party     int64  // for whom the call is made; parties take turns
	Account   string // that a write changes, and that is read right before and after it; may be ""
	Write     bool   // the call changes something
}

// Rate is how fast calls may leave while the answers do not tell the limit, in calls per second. No
// figure is published for these APIs, so it starts low and doubles about every second until the
// first 429 or until the workers are the only bound. It has no upper bound by default: a guess
// would be wrong for all organisations but one.
type Rate struct {
	Start float64 // 0 means 20
	Max   float64 // 0 means no bound
}

// Answer is how a call ended. Status is 0 and Limits is nil when there was no answer.
type Answer struct {
	Status int
	Limits *Limits
}
