// Package actiontest holds every action of the catalogue to what the check, the run and undo rely
// on, against an organisation of the sandbox and through the real client: checking twice gives the
// same, drift is seen and costs no call, a call whose answer was lost is settled whether it had an
// effect or not, undoing what was done gives back what was, and the text of the steps, which people
// approve, stays as it is. A new action is held to all of it by being in the catalogue.
package actiontest
