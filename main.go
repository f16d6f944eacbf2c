// Command countersign is a Slack bot for bulk changes of Atlassian accounts that a second person has to approve. What it
// does is in package cli, a file a command, and in the packages behind it.
package main

import (
	"os"

	"github.com/countersign/countersign/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr)) }
