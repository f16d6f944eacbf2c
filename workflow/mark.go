package workflow

// Mark is why no draft of a request has an account; "" for none. It is written so into files.
type Mark string

// The marks.
const (
	MarkProtected Mark = "protected"
	MarkOrgAdmin  Mark = "organisation admin"
	MarkAdmin     Mark = "admin" // an account of one of the settings' admins
	// MarkUnknown: it could not be found out whether it has another mark.
	MarkUnknown Mark = "could not be checked"
)
