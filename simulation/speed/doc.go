// Package speed holds how fast batches are checked and run, in fake time: with a real engine, client and database against
// the sandbox's Atlassian, at every form of its limits. It holds tests alone, of what a change costs in calls, how near a
// batch comes to what the limits allow, and how evenly batches share them.
//
//	go test ./simulation/speed -run '^$' -bench Rename -benchtime 1x
package speed
