// Package bot is the Slack side of countersign: it turns commands, files and clicks into calls on package workflow, and
// draws what the database says as cards, threads and files.
//
// What it promises:
//
//   - Whatever Slack sends is acknowledged before any work is done on it, and never by the work itself.
//   - Nobody is believed because of what a message says. Who clicked is read from Slack at the click, roles and groups
//     with it; when Slack cannot be asked, the answer is no. Refused clicks and changes of groups are in the log of events.
//   - Slack is a view. Everything posted is drawn from the database and brought up to date after a restart or an outage; a
//     post is looked for before it is repeated. The run of a batch never waits for Slack.
//   - Text from people and files can mention nobody, make no links and break no message.
//
// The way in: socket.go reads the connections and acknowledges, bot.go sorts what came and queues it, people.go and
// groups.go say who it is, command.go, upload.go and click.go do it, refusal.go writes down who tried what they may not;
// intake.go knows what came and is not dealt with, and missed.go looks for what no event told of. roster.go tells package
// workflow who people are besides the one who clicked.
//
// The way out: deliver.go looks what Slack does not show yet, track.go keeps what belongs to one batch from waiting for each
// other, show.go says what that is, linked.go which other batches it leads to, outlook.go how fast it goes, reminder.go when
// nobody decided; post.go puts it there exactly once, blocks*.go draw it, words*.go say it, and direct.go tells people where
// the channel cannot. api*.go is Slack's Web API, which pace.go and pacer.go keep from being called too often, also after a
// restart (held.go); secret.go keeps tokens out of what its errors say.
package bot
