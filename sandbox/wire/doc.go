// Package wire is what the local servers of the sandbox share: a request arrives, may get lost on
// the way, takes effect, and its answer may get lost on the way back.
//
// It promises that a fault before the effect leaves no effect, that one after it leaves the effect
// whole, and that a client which has left is noticed as over a socket. [Transport] reaches a
// handler without a socket, for tests in fake time.
package wire
