package workflow

// Request is what somebody asks for: the rows as they were read, and for evidence the bytes that
// they were read from, of the file or the words of the command.
type Request struct {
	Requester Person
	Author    Person // who posted the file; the zero Person means the requester
	Reason    string
	OwnReason bool // the requester wrote `reason: …` themselves, in the command or in the message that brought their file
	Verb      ActionName
	When      When
	Source    Source
	Sheet
	Original []byte
}

// Found is an account that somebody looked for, and what may be done to it.
type Found struct {
	Account    Account
	Privileges map[ActionName]Privilege // of the actions that are built; nil when it is not managed
	Held       int64                    // the open batch that it belongs to, 0 when none
	// Barred is why no batch may touch it, whatever Atlassian allows; the zero Reason when nothing
	// that is known of it says so.
	Barred Reason
	Detail *Detail // nil where nobody tells
}
