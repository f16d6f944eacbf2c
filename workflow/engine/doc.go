// Package engine is the one place where batches change. People's acts come in as methods; Run
// checks, starts, expires and ends batches by itself, and goes on after a restart where the store
// says they stand.
//
// It promises that every transition is one transaction that looks at the state it starts from, so
// that of two people who click at once exactly one wins; that nobody decides who may not (package
// workflow's permissions); and that it keeps nothing in memory that it could not read from the
// store again.
package engine
