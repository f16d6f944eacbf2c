package bot

import (
	"cmp"
	"context"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// Reports are what the bot asks of the reports (report.Runner, which documents each).
type Reports interface {
	List(ctx context.Context) ([]report.Status, error)
	RunNow(ctx context.Context, name, by string) error
	Show(ctx context.Context, name, date string) (report.Result, report.File, error)
	File(ctx context.Context, r report.Result) (report.File, error)
	Message(ctx context.Context, r report.Result) (report.Message, error)
	Draft(ctx context.Context, run int64) (report.Result, []workflow.Account, error)
	Compare(ctx context.Context, list *sheet.List) (*report.Comparison, error)
	Channel(name string) string
	Diff(ctx context.Context, name, date, other string) (report.Diff, error)
	Unposted(ctx context.Context) ([]report.Result, error)
}

// ReportFinished has the results of reports looked at now (report.Config.Finished). It does not
// block.
func (b *Bot) ReportFinished() {
	b.deliver.ReportFinished()
}

// report answers the commands on reports.
func (b *Bot) report(ctx context.Context, c given, actor workflow.Actor) (slackapi.Message, error) {
	reports := b.cfg.Results
	if reports == nil {
		return slackapi.Message{}, view.ErrNoReports
	}
	switch c.Name {
	case "report list":
		list, err := reports.List(ctx)
		if err != nil {
			return slackapi.Message{}, err
		}
		return view.ReportList(list), nil
	case "report run":
		if err := workflow.Admins.Admits(actor); err != nil {
			return slackapi.Message{}, err
		}
		if err := reports.RunNow(ctx, c.Report, actor.ID); err != nil {
			return slackapi.Message{}, err
		}
		return view.ReportStarted(c.Report, cmp.Or(reports.Channel(c.Report), b.cfg.Reports)), nil
	default:
		result, file, err := reports.Show(ctx, c.Report, c.Date)
		if err != nil {
			return slackapi.Message{}, err
		}
		shown, err := reports.Message(ctx, result)
		if err != nil {
			return slackapi.Message{}, err
		}
		return view.ReportShown(result, shown, b.sendReport(ctx, actor.ID, file)), nil
	}
}

// reportDiff compares two nights of a report.
func (b *Bot) reportDiff(ctx context.Context, c given, actor workflow.Actor) (slackapi.Message, error) {
	if b.cfg.Results == nil {
		return slackapi.Message{}, view.ErrNoReports
	}
	other := ""
	if len(c.Dates) > 1 {
		other = c.Dates[1]
	}
	diff, err := b.cfg.Results.Diff(ctx, c.Report, c.Date, other)
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.ReportDiff(diff, b.sendReport(ctx, actor.ID, diff.File)), nil
}

// sendReport puts the file of a report into a person's direct messages; there may be none.
func (b *Bot) sendReport(ctx context.Context, person string, file report.File) view.DirectFile {
	if file.Name == "" {
		return view.DirectFile{}
	}
	return b.sendDirectly(ctx, person, file.Name, slackapi.Content{Size: file.Size, Write: file.Write})
}

// sendDirectly puts a file into a person's direct messages with the bot, and says what became of it.
func (b *Bot) sendDirectly(ctx context.Context, person, name string, content slackapi.Content) view.DirectFile {
	err := b.deliver.SendFile(ctx, person, name, content)
	if err != nil {
		b.log.Warn().Err(err).Str("person", person).Str("file", name).Msg("send a file directly")
	}
	return view.DirectFile{Name: name, Err: err}
}
