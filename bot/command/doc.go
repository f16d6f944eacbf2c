// Package command understands what people write to the bot: the words of slash commands, and those
// of the message that comes with a file.
//
// It takes text as Slack sends it (addresses as links, & < > escaped, dashes and quotes made
// typographic) and gives rows of a request, and never guesses: what it does not understand is a
// *UsageError that says how the command is written, or which one was probably meant.
package command
