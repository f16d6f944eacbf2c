// Package organisation is a local Atlassian organisation: the admin calls that countersign uses,
// answered over HTTP from memory, for the demo and for tests.
//
// It promises:
//
//   - Paths, field names, codes and error bodies are spelled from Atlassian's OpenAPI files (user
//     management, June 2026; organizations, August 2026), never from our client, so that a wrong
//     name cannot pass on both sides. The contract test (build tag contract) holds it to those
//     files.
//   - What is written is written once, in one step under a lock, and recorded in the same step:
//     [Organisation.Effects] is the proof that a change was made exactly once.
//   - A healthy zero value: without faults and limits every well-formed call is answered at once.
//     Faults are functions ([Faults]) that see each request before and after its effect, so that a
//     test can cut the line on either side of it.
//   - Misuse is not forgiven in silence: calls that Atlassian has switched off, unknown parameters
//     and unknown fields are kept in [Organisation.Violations].
//
// Where Atlassian documents nothing, the organisation takes one side and says so at the place: the
// answer to an address that is taken ([Collision]), a PUT of the same address (204, and an effect),
// deactivating twice (204, and an effect), lifecycle calls on a closed account (403), the status of
// switched-off calls (404), how a group's id is written where an account shows its groups (as an
// ARI, as in the document's example), and that "-" shows the groups of all directories.
//
// It works inside a testing/synctest bubble through [Organisation.Transport], which needs no
// socket.
package organisation
