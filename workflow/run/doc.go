// Package run carries out the approved steps of one batch: it reads, compares, writes the intent
// down, calls, and reads back until the account shows what the step sets.
//
// It promises that no call goes out of which the intent is not on disk; that a step whose
// conditions do not hold any more is not sent; that a call of which nobody knows what became of it
// is settled by reading alone; that a bundle of steps that has begun is finished or put back before
// any stop; and that a runner can be thrown away at any moment and made anew.
package run
