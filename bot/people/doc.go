// Package people is the directory of people: who somebody in Slack is, which roles they have, and
// who could approve.
//
// It promises that what allows something is read from Slack after the click that it is for, and
// that what was read earlier may only refuse, or serve somebody who asks. Reads of user groups are
// few (Slack allows about 20 a minute), so whoever may use the same read shares it. Every error
// that is about a person is a *workflow.IneligibleError.
package people
