// Package workflow is the language in which the other packages speak of a request: batch, change,
// step, state, reason, decision, and who may do what. It knows no Slack, no HTTP and no SQL; those
// are behind the interfaces in deps.go. The packages below it do the work: sheet reads and writes
// files, policy judges by the settings, action describes what can be done to an account, plan
// checks, run makes the calls, and engine is the one place where batches change.
//
// The words: a batch is what one person asked for at one time. It is made of changes, one a row:
// one action on one account. A change has steps, each one call that changes something (most have
// one). Checking a batch against the directory gives its plan: the changes with their steps in
// running order, sealed by a digest. People decide on a digest.
//
// A batch lives so (state.go has every edge):
//
//	planning → awaiting_approval → approved → running ⇄ paused → done
//
// and ends early as rejected, expired, cancelled or empty. A change goes ready → running → done,
// failed or unknown, or never starts: blocked, unchanged, skipped, bad.
//
// What workflow and the packages below it promise together:
//
//   - No call goes out for a batch that was not approved, under the digest that is stored, by as
//     many admins as it needs, none of them its requester or its author. A run compares each step
//     with that, and pauses where somebody has changed the database (run/integrity.go).
//   - How many it needs, and what nobody may do, is up to the policy of the settings (package
//     policy). It is asked when the plan is saved and again at each deciding click, about the
//     people as they are then: whoever has lost the right drops out (engine/decide.go). What is
//     unknown counts as the stricter case.
//   - Before a call goes out, the intent to make it is on disk.
//   - An account is read right before the call and must be as the plan says; else nothing is sent
//     and the change fails as drifted.
//   - A change is done only after the account was read back and shows the new value.
//   - After a crash nothing is repeated blindly: what was running is unknown until it has been read
//     back.
//   - A plan never changes once it is sealed, and no row of a request is lost: each ends with a
//     state and a reason.
package workflow
