// Package memnet is a network in memory: a listener and the dialer that reaches it, joined by
// net.Pipe.
//
// Unlike a loopback socket it runs inside a testing/synctest bubble, where fake time advances only
// while nobody waits for the outside. It promises that a dial returns when its context ends, that
// no goroutine is left once a listener and its connections are closed, and that a listener can fail
// as networks do: Cut breaks the connections that are open, Refuse lets no new one in.
package memnet
