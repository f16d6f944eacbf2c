package bot

import (
	"context"

	"github.com/countersign/countersign/workflow"
)

// Reports are what the bot asks of package report.
type Reports interface{}

func (b *Bot) report(context.Context, workflow.Command, workflow.Actor) (message, error) {
	return message{}, errNoReports
}

func (d *deliver) reports(context.Context) {}
