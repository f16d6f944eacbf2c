// Package report records who is in the organisation, night by night, and reports it: snapshots,
// the table made of one, the schedules and the runs.
//
// What it promises:
//
//   - A snapshot is complete or it is not there.
//   - A report runs once for each moment of its schedule, on the nights of summer time too. Of the
//     moments that were missed while the program was down the latest is made up, once.
//   - Two runs of one report never overlap. A run that fails is tried again, and if that does not
//     help the failure is reported; the last good snapshot stays.
//   - What is to be done and what came of it is on disk, so that a crash loses neither.
//
// What a report is about is a Kind: how one is made, summarised and written. Each kind is one file,
// and kinds lists them; a new one needs nothing else of this package.
//
// It knows no Slack and no SQL: who posts the results reads them (Runner.Unposted), and storage is
// behind Store.
package report
