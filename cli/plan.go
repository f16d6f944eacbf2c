package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/sheet"
)

// planOptions are the flags of plan.
type planOptions struct {
	CSV  string // path of the file
	Verb string // action of rows that name none, "" for what the columns imply
	Out  string // path of the plan file, "" for none; policy has no such file
	JSON bool   // print JSON instead of a table
}

func (p *program) plan() *cobra.Command {
	var options planOptions
	cmd := p.command("plan", "Check a CSV and print the plan; changes nothing", func(ctx context.Context) error {
		cfg, err := p.load(settings.NeedAtlassian)
		if err != nil {
			return err
		}
		return runPlan(ctx, cfg, options, p.out)
	})
	cmd.Flags().StringVar(&options.CSV, "csv", "", "the `file` to check")
	cmd.Flags().StringVar(&options.Verb, "action", "", "the `action` of rows that name none, as rename")
	cmd.Flags().StringVar(&options.Out, "out", "", "write the plan `file` as the bot posts it, without seal")
	cmd.Flags().BoolVar(&options.JSON, "json", false, "print rows, counts and side effects as JSON")
	needs(cmd, "csv")
	cmd.PreRunE = func(*cobra.Command, []string) error { return options.check() }
	return cmd
}

// check returns what is wrong with the options, before anything is read.
func (o planOptions) check() error {
	if verb, _ := command.ParseVerb(o.Verb); o.Verb != "" && verb == "" {
		return fmt.Errorf("--action %q is not an action; try one of %s", o.Verb, actionWords())
	}
	return nil
}

// runPlan is the command plan: the check that the bot makes of the same file, printed. It reads the directory and changes
// nothing. Open batches are not asked, so that it works beside a running bot and on another machine. A row that is neither
// ready nor unchanged is an error, so that a script can ask.
func runPlan(ctx context.Context, cfg *settings.Config, options planOptions, out io.Writer) error {
	sheet, err := readSheet(cfg, options)
	if err != nil {
		return err
	}
	directory, done, err := service.OpenDirectory(cfg)
	if err != nil {
		return err
	}
	defer done()
	checker := plan.Checker{
		Reader: directory, OrgID: cfg.Atlassian.OrgID, Workers: cfg.Run.Workers,
		Guard: cfg.Policy().Guard(workflow.Asker{}, nil),
	}
	plan, err := checker.Check(ctx, sheet.Rows)
	if err != nil {
		return err
	}
	if options.Out != "" {
		if err := savePlan(options, plan); err != nil {
			return err
		}
	}
	show := printPlan
	if options.JSON {
		show = printPlanJSON
	}
	if err := show(out, sheet, plan); err != nil {
		return err
	}
	if said := options.overruled(sheet); said != "" && !options.JSON {
		if _, err := fmt.Fprintln(out, "\n"+said); err != nil {
			return err
		}
	}
	return wholePlan(plan)
}

// overruled says that the file's columns count and not --action, "" where some row follows it.
func (o planOptions) overruled(sheet *workflow.Sheet) string {
	verb, _ := command.ParseVerb(o.Verb)
	follows := func(r workflow.Row) bool { return r.Action == verb }
	if verb == "" || slices.ContainsFunc(sheet.Rows, follows) {
		return ""
	}
	return fmt.Sprintf("--action says %s; the file's columns count", verb)
}

// wholePlan is what the exit code says of a plan: nil where every row is ready or unchanged.
func wholePlan(plan *plan.Plan) error {
	unchecked, stopped := 0, 0
	for i := range plan.Changes {
		switch c := &plan.Changes[i]; {
		case c.State == workflow.ChangeReady, c.State == workflow.ChangeUnchanged:
		case c.Reason.Code == workflow.ReasonCouldNotCheck:
			unchecked++
		default:
			stopped++
		}
	}
	switch {
	case unchecked > 0:
		return fmt.Errorf("%s could not be checked; run `countersign doctor`, it tests the key", counted(unchecked, "row"))
	case stopped > 0:
		return fmt.Errorf("%s will not run; the reasons are in the plan", counted(stopped, "row"))
	}
	return nil
}

// readSheet reads the rows of the file, with errors for the person at the terminal.
func readSheet(cfg *settings.Config, options planOptions) (*workflow.Sheet, error) {
	content, err := readCapped(options.CSV, service.MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CSV: %w", err)
	}
	verb, _ := command.ParseVerb(options.Verb)
	limits := workflow.ReadLimits{MaxBytes: service.MaxFileBytes, MaxRows: cfg.Limits.MaxChanges}
	rows, err := sheet.ReadCSV(content, verb, cfg.Atlassian.OrgID, limits)
	if err != nil { // a refused file names the columns that are known, as it does in Slack
		return nil, fmt.Errorf("%s: %w", options.CSV, err)
	}
	if rows.NeedsAction {
		unknown := (&workflow.NeedsActionError{Unknown: rows.Unknown}).Words()
		if unknown != "" {
			unknown += "; these are known: " + strings.Join(sheet.KnownColumns(), ", ")
		}
		return nil, fmt.Errorf("%s names no action: add --action with one of %s%s", options.CSV, actionWords(), unknown)
	}
	return rows, nil
}

// readCapped reads a file of at most limit bytes.
func readCapped(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		if failed, ok := errors.AsType[*os.PathError](err); ok {
			err = fmt.Errorf("%s: %w", path, failed.Err)
		}
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %s bytes, more than the %s that are taken",
			path, workflow.Number(info.Size()), workflow.Number(limit))
	}
	return os.ReadFile(path) // the person who runs the command names the file
}

func actionWords() string {
	var words []string
	for _, name := range action.Names() {
		words = append(words, string(name))
	}
	return strings.Join(words, ", ")
}

// printPlan writes a line for each row and a sum.
func printPlan(out io.Writer, sheet *workflow.Sheet, plan *plan.Plan) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "LINE\tSTATE\tACTION\tACCOUNT\tFROM\tTO\tWHY")
	counts := map[workflow.ChangeState]int{}
	for i := range plan.Changes {
		c := &plan.Changes[i]
		counts[c.State]++
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n",
			c.Row, c.State, c.Action, oneLine(c.AccountID), oneLine(c.OldEmail()), oneLine(c.NewEmail()), oneLine(c.Reason.Words()))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var sums []string
	for _, state := range workflow.ChangeStates() {
		if n := counts[state]; n > 0 {
			sums = append(sums, fmt.Sprintf("%s %s", workflow.Number(n), state))
		}
	}
	if len(sheet.Ignored) > 0 {
		if _, err := fmt.Fprintf(out, "\nignored columns: %s\n", oneLine(strings.Join(sheet.Ignored, ", "))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\n%s: %s\n", counted(len(plan.Changes), "row"), strings.Join(sums, ", "))
	return err
}

// oneLine keeps what a file says from moving about a terminal, and shows what cannot be seen.
func oneLine(s string) string {
	return workflow.EscapeInvisible(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s))
}
