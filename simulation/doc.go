// Package simulation tests countersign as a whole: the service with the real Slack client, the real Atlassian client and a
// real database, between the sandbox's Slack and Atlassian. It holds tests alone.
//
// Some tests act as people do and look at what people see. TestSimulation plays random scenarios in fake time, in which
// calls fail, people act without a right to, settings change and power is cut between any two effects; the sandbox's own
// records then tell whether anything happened that must not have. TestKillLoop kills the program itself, again and again.
// Others fill the disk, compare how fairly batches share the limits, and measure how fast everything is.
//
//	go test ./simulation -run 'TestSimulation$' -args -sim.seeds=1000
//	go test ./simulation -run TestKillLoop -args -kill-for=10m
package simulation
