package view

import "fmt"

// NotYetError refuses what people can write and this version does not do yet.
type NotYetError struct{ What string }

func (e *NotYetError) Error() string { return e.What + " is not supported yet" }

func (e *NotYetError) words() string {
	return "`" + escape(e.What) + "` is not supported yet. Nothing was taken. Send it again without that line."
}

// NotTheirsError refuses a choice about a file to somebody who neither posted nor uploaded it.
type NotTheirsError struct{ Poster, Uploader string }

func (e *NotTheirsError) Error() string {
	return fmt.Sprintf("only %s and %s may choose for this file", e.Poster, e.Uploader)
}

func (e *NotTheirsError) words() string {
	return mention(e.Poster) + " posted this file and " + mention(e.Uploader) + " uploaded it. One of them must choose."
}
