// Package atlassian is a thin typed client of the Atlassian Cloud admin APIs: user management
// (/users/{id}/manage…), organizations v1 (managed accounts, domains) and v2 (users/search,
// groups/search, directories). It covers the calls that countersign makes and no others; calls that
// Atlassian has switched off or marked deprecated are not among them.
//
// What it promises:
//
//   - A call that changes something leaves at most once for each call of its method: neither the
//     client nor the transport under it repeats one, and no redirect is followed.
//   - A call that changes something and fails says which it was: surely not done, or perhaps done
//     (KindUnknownOutcome). When in doubt it is the latter.
//   - A call that reads is repeated within a named budget; the context always wins. A read as a
//     whole ends within ReadTimeout, or ListTimeout, whatever is answered (KindEndless).
//   - A 2xx answer counts only if it holds what it must: every list its array, every entry its id,
//     and no errors (KindIncomplete). A list ends with an error or is complete; what the list of
//     accounts announces is held against it.
//   - Every error is an *Error with a Kind, or the error of a context that ended. Neither errors
//     nor logs hold the key or a body; text from the other side is cut to known short fields.
//   - All calls to one host with one key wait at one gate (package pace), which obeys what the
//     answers say about limits.
//
// A caller is such a host with its key, pace and kinds of errors; there is a file for each
// resource. Directory, in directory.go, puts all of it into the words of package workflow; nothing
// else here knows that package.
package atlassian
