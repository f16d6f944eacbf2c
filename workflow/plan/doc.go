// Package plan finds out about every row of a request whether it may run, and in which order. It
// gathers the facts that the actions name, asks the policy and what other batches hold, orders the
// steps and gives circles of addresses a parking address.
//
// It promises to change nothing, neither in the directory nor in the store, and that a row of which
// a fact could not be read is never ready. `countersign plan` uses it as it is.
package plan
