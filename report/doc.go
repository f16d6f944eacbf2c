// Package report records who is in the organisation, night by night, and tells of it: snapshots, the table made of one,
// the schedules and the runs.
//
// What it promises:
//
//   - A snapshot is complete or it is not there.
//   - A report runs once for each moment of its schedule, on the nights of summer time too. Of the moments that were
//     missed while the program was down the latest is made up, once.
//   - Two runs of one report never overlap. A run that fails is tried again, and if that does not help the failure is
//     there to be told; the last good snapshot stays.
//   - What is to be done and what came of it is on disk, so that a crash loses neither.
//
// It knows no Slack and no SQL: who posts the results reads them (Runner.Unposted), and storage is behind Store.
package report
