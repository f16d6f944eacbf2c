// Package contract checks recorded HTTP exchanges against Atlassian's OpenAPI files, for tests: of
// the sandbox's organisation, that it answers as documented, and of our client, that it asks as
// documented.
//
// It promises to be strict where a wrong name could hide: a call, a query parameter or a field that
// the documents do not declare is a problem, in requests and in answers. It is a checker for these
// files, not for OpenAPI at large: of JSON Schema it knows $ref, type, nullable, enum, properties,
// required, additionalProperties, items, allOf, oneOf and anyOf (with discriminator), the bounds of
// lists, texts and numbers, pattern, and the format date-time.
//
// The files have faults; what is mended before they are used is listed, each with its reason, in
// patch.go.
package contract
