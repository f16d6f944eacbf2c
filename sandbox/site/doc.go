// Package site is a local Jira site: the calls about users, groups and columns that countersign
// uses, answered over HTTP from memory, for the demo and for tests.
//
// It promises:
//
//   - Paths, parameters, field names and codes are spelled from Atlassian's OpenAPI file of the
//     Jira Cloud platform (REST v3, March 2026), never from our client.
//   - Jira's own ways are kept: Basic credentials; an empty list, not an error, where permission to
//     browse users is lacking; legacy usernames and keys that only user/bulk/migration knows;
//     inactive users hidden from group members unless asked for; limits by the second with headers
//     of its own.
//   - Each write that was carried out is recorded once, in the same step: [Site.Effects].
//   - A healthy zero value; faults ([wire.Faults]) and lacking permissions ([Denied]) are knobs.
//
// Where Atlassian documents nothing, the site takes one side and says so at the place.
package site
