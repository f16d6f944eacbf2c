// Package bot is the Slack side: it takes what people do there to the workflow, and answers them.
//
// Two sockets stand at once (socket.go), as Slack does not deliver a click again. What comes over
// them is acknowledged first, decoded once (payload.go) and done as three tables say: commands,
// actions and forms, each entry with the key under which it waits its turn and with whether its
// person has to be read afresh (handlers.go). What they do is in command.go, click.go, upload.go
// and report.go.
//
// The bot promises that
//   - what Slack sends is acknowledged before any work is done on it, and never by the work itself;
//   - who may is read from Slack after the click that it is for; what was read before may only refuse, and a refusal is in the log of events;
//   - a file that came is dealt with once, also when Slack brings it again, or never brought it (intake.go, catchup.go);
//   - whoever did something is answered privately, in words without details of the inside; what has no words gets a
//     reference that is in the log, too;
//   - nothing it holds in memory matters: what is shown in Slack is drawn from the database.
//
// Its rooms: command understands what people write, people knows who they are, view draws, deliver
// brings Slack up to date, slackapi calls Slack within its limits.
package bot
