// Package storetest holds a driver of the store to the contract: one suite, run over every database
// that the program can keep its truth in. What is a driver's own (its settings, its file, what
// somebody can do to its tables behind its back) is tested beside it, with the batches that are
// made here.
package storetest

import (
	"testing"

	"github.com/countersign/countersign/store"
)

// Open opens a database, and closes it at the end of the test. Every place, a folder that is there,
// stands for a database of its own, empty at first; whoever opens a place twice sees the same data
// through two drivers, as two programs do.
type Open func(t testing.TB, place string) store.Driver

// suite opens the databases of a test.
type suite struct{ openAt Open }

// open opens a new database.
func (s suite) open(t testing.TB) store.Driver { return s.openAt(t, t.TempDir()) }

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"CreateAndLoad", testCreateAndLoad},
		{"UpdateWritesEverything", testUpdateWritesEverything},
		{"RefusedRuleChangesNothing", testRefusedRuleChangesNothing},
		{"OneOfManyWins", testOneOfManyWins},
		{"OnePersonDecidesOnce", testOnePersonDecidesOnce},
		{"List", testList},
		{"PruneOriginals", testPruneOriginals},
		{"Comparisons", testComparisons},
		{"Rows", testRows},
		{"AddRows", testAddRows},
		{"Past", testPast},
		{"WhenANightWasRead", testWhenANightWasRead},
		{"PlanIsOfTheRows", testPlanIsOfTheRows},
		{"RuleOfARequest", testRuleOfARequest},
		{"Approve", testApprove},
		{"SavePlanAndLoad", testSavePlanAndLoad},
		{"ChangesPages", testChangesPages},
		{"UpdateChange", testUpdateChange},
		{"UpdateChanges", testUpdateChanges},
		{"UpdateChangesAllOrNothing", testUpdateChangesAllOrNothing},
		{"EventsFollowEachOther", testEventsFollowEachOther},
		{"Holds", testHolds},
		{"HoldOfAChain", testHoldOfAChain},
		{"OneOfTwoPlansHolds", testOneOfTwoPlansHolds},
		{"RecentChanges", testRecentChanges},
		{"Touched", testTouched},
		{"Later", testLater},
		{"Returning", testReturning},
		{"Deleted", testDeleted},
		{"StatusSeen", testStatusSeen},
		{"GroupsAreRecorded", testGroupsAreRecorded},
		{"Memory", testMemory},
		{"Posts", testPosts},
		{"Seen", testSeen},
		{"Delivery", testDelivery},
		{"Revisions", testRevisions},
		{"NumbersAreSkipped", testNumbersAreSkipped},
		{"Runs", testRuns},
		{"UnpostedResults", testUnpostedResults},
		{"Figures", testFigures},
		{"CaughtUpTo", testCaughtUpTo},
		{"Logbook", testLogbook},
		{"Doubts", testDoubts},
		{"OldLogGoes", testOldLogGoes},
		{"Snapshot", testSnapshot},
		{"CutSnapshotIsNotThere", testCutSnapshotIsNotThere},
		{"OneSnapshotAtATime", testOneSnapshotAtATime},
		{"IntervalsAreFullCopies", testIntervalsAreFullCopies},
		{"SnapshotList", testSnapshotList},
		{"Differences", testDifferences},
		{"AccountHistory", testAccountHistory},
		{"Populations", testPopulations},
		{"WhatIsNeededIsKept", testWhatIsNeededIsKept},
		{"ComparedNightsAreKept", testComparedNightsAreKept},
		{"OpenAgain", testOpenAgain},
		{"ContextEndsAWait", testContextEndsAWait},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, suite{open}) })
	}
}
