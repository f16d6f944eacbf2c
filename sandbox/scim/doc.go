// Package scim is the SCIM directories of a local Atlassian organisation: users and groups that are
// provisioned from outside, answered over HTTP from memory, for the demo and for tests. One
// directory may be ours, whose key we hold; another belongs to an identity provider, which writes
// to it by [Server.Push].
//
// It promises:
//
//   - Paths, field names, codes and error bodies are spelled from Atlassian's OpenAPI file (user
//     provisioning, August 2023), mended by what is known since: Operations with a capital letter,
//     the extension in version 1.0 or 1.1, DELETE that removes the record for good.
//   - A record is tied to an account of the organisation: a change of the record changes the
//     account in the same request, and the account's own privileges say externalDirectory.scim.
//   - Each write that was carried out is recorded once: [Server.Effects].
//   - A healthy zero value; faults are [wire.Faults].
//
// Where Atlassian documents nothing, the server takes one side and says so at the place.
package scim
