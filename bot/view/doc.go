// Package view draws what people see in Slack: cards with their buttons, dialogs, threads,
// progress, results and answers, each from values alone. It reads nothing and calls nobody.
//
// It promises that what is drawn keeps within Slack's limits (blocks.go has them with their
// sources), that text from people and files is drawn as text and can neither mention anybody nor
// make a link, and that an error is turned into words here and nowhere else (Words).
package view
