// Package workflowtest has what the tests of the rooms of workflow share: an organisation in
// memory, with faults, that counts what was done to it, and golden files.
package workflowtest
