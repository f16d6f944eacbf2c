// Package sheet reads the files that people send and writes those that they get: requests, plans,
// results, bad rows.
//
// Reading promises that no record is lost without a word: each one is a row, and one that cannot be
// used says why, in words for its sender. Writing promises that what is written can be read again
// cell by cell, and that no cell is a formula to a spreadsheet.
package sheet
