// Package action is the catalogue of what can be done to an account. One action is one file with
// one value of type Action: which columns a row must bring, which facts are read, whether the row
// may run, its steps, what each step holds, the calls that it makes, how it proves itself, and what
// undoes it. The check, the run, the cards and the files know only this type.
//
// It promises that everything but Do and DoMany is pure, and that For answers for every name in
// workflow.ActionNames or reports that this version does not carry it out.
package action
