package workflow

// The kinds of events that an audit of the log follows (store.Audit), beside the verdicts "approve"
// and "reject": who asked, what was planned, and each call that was about to be made.
const (
	EventAsked   = "asked"
	EventRows    = "rows" // of a request for a whole domain, found in the directory
	EventPlanned = "planned"
	EventCalling = "calling"
	// EventNeedsMore: the rules ask for more approvals than the plan did. EventDropped: an approval
	// does not count any more.
	EventNeedsMore = "needs_more"
	EventDropped   = "approval_dropped"
)
