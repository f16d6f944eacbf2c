// Package workflow is the subject itself: what happens to a request between the moment somebody asks for it and the
// moment every account has been read back and the results are written down. It knows no Slack, no HTTP and no SQL; those
// are behind the interfaces in deps.go.
//
// The words: a batch is what one person asked for at one time. It is made of changes, one a row: one action on one
// account. A change has steps, each one call that changes something (most have one). Checking a batch against the
// directory gives its plan: the changes with their steps in running order, sealed by a digest. People decide on a digest.
//
// A batch lives so (state.go has every edge):
//
//	planning → awaiting_approval → approved → running ⇄ paused → done
//
// and ends early as rejected, expired, cancelled or empty. A change goes ready → running → done, failed or unknown, or
// never starts: blocked, unchanged, skipped, bad.
//
// What this package promises:
//
//   - No call goes out for a batch that was not approved, under the digest that is stored, by as many admins as it needs,
//     none of them its requester or its author. A run holds each step against that, and pauses where somebody has changed
//     the database (altered.go).
//   - How many it needs, and what nobody may do, is the policy of the settings (policy.go, guard.go). It is asked when the
//     plan is sealed and again at each deciding click, of the people as they are then: who may not any more drops out
//     (decide.go). What is not known counts as the stricter case.
//   - Before a call goes out, the intent to make it is on disk.
//   - An account is read right before the call and must be as the plan says; else nothing is sent and the change fails as
//     drifted.
//   - A change is done only after the account was read back and shows the new value.
//   - After a crash nothing is repeated blindly: what was running is unknown until it has been read back.
//   - A plan never changes once it is sealed, and no row of a request is lost: each ends with a state and a reason.
package workflow
