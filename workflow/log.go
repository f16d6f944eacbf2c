package workflow

import (
	"context"
	"errors"
	"time"
)

// The ways in which the organisation's own log can be missing, beside the kinds of a Reader.
var (
	// ErrNoLog: the log was refused, as it is where the organisation's plan has none.
	ErrNoLog = errors.New("the organisation's plan has no log of events")
	// ErrLogCursor: the log does not know the cursor (any more).
	ErrLogCursor = errors.New("the log of events does not know the cursor")
)

// LogKind is a kind of events of the organisation's own log, as the log itself describes it.
type LogKind struct {
	ID    string // as LogEvent.Kind has it, "user_added_to_group"
	Name  string // for people: "Added a user to a group"
	Group string // for people: what such kinds are about
}

// LogActor is who did something, as the log tells it. What it does not tell is "".
type LogActor struct {
	ID, Name, Email string
	Auth            string // the kind of authentication, "container-token"
	TokenID         string // of the key
	TokenLabel      string
	AppID, AppType  string // of the program
}

// LogObject is something that an event was done to. What the log does not tell is "".
type LogObject struct {
	ID, Type, Name, Email string
}

// LogEvent is one line of the organisation's own log.
type LogEvent struct {
	ID      string
	At      time.Time // when it happened; it may show much later
	Kind    string
	Actor   LogActor
	Objects []LogObject
}

// LogPage is a piece of the log.
type LogPage struct {
	Events []LogEvent // in the order in which the log took them in
	Next   string     // the cursor to go on with, also when there is nothing more yet; "" where none is told
}

// Log reads the organisation's own log of what was done in it.
type Log interface {
	// LogKinds lists the kinds of events.
	LogKinds(ctx context.Context) ([]LogKind, error)
	// LogPage returns what the log shows behind the cursor, or, for "", from the moment on. A page
	// without events is the end of the log for now.
	LogPage(ctx context.Context, cursor string, from time.Time) (LogPage, error)
}
