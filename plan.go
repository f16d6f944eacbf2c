package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// planOptions are the flags of plan.
type planOptions struct {
	CSV  string // path of the file
	Verb string // action of rows that name none, "" for what the columns imply
}

// runPlan is the command plan: the check that the bot makes of the same file, printed. It reads the directory and changes
// nothing. Open batches are not asked, so that it works beside a running bot and on another machine.
func runPlan(ctx context.Context, cfg *Config, options planOptions, out io.Writer) error {
	sheet, err := readSheet(cfg, options)
	if err != nil {
		return err
	}
	client, err := newClient(cfg, network{}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	directory := atlassian.NewDirectory(client)
	checker := workflow.Checker{
		Reader: directory, Groups: directory, OrgID: cfg.Atlassian.OrgID, Policy: cfg.policy(), Workers: cfg.Run.Workers,
	}
	plan, err := checker.Check(ctx, sheet.Rows)
	if err != nil {
		return err
	}
	if err := printPlan(out, sheet, plan); err != nil {
		return err
	}
	unchecked := 0
	for i := range plan.Changes {
		if plan.Changes[i].Reason.Code == workflow.ReasonCouldNotCheck {
			unchecked++
		}
	}
	if unchecked > 0 {
		return fmt.Errorf("%s could not be checked; `countersign doctor` says whether it is the key", counted(unchecked, "row"))
	}
	return nil
}

// readSheet reads the rows of the file, with errors for the person at the terminal.
func readSheet(cfg *Config, options planOptions) (*workflow.Sheet, error) {
	content, err := readCapped(options.CSV, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CSV: %w", err)
	}
	verb, _ := workflow.ParseVerb(options.Verb)
	if options.Verb != "" && verb == "" {
		return nil, fmt.Errorf("--action %q is no action; try one of %s", options.Verb, actionWords())
	}
	limits := workflow.ReadLimits{MaxBytes: maxFileBytes, MaxRows: cfg.Limits.MaxChanges}
	sheet, err := workflow.ReadCSV(content, verb, cfg.Atlassian.OrgID, limits)
	if refused, ok := errors.AsType[*workflow.FileError](err); ok {
		return nil, fmt.Errorf("%s: %s; %s", options.CSV, refused.Problem, refused.Remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", options.CSV, err)
	}
	if sheet.NeedsAction {
		return nil, fmt.Errorf("%s does not say what is to happen: add --action, one of %s", options.CSV, actionWords())
	}
	return sheet, nil
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
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are taken", path, info.Size(), limit)
	}
	return os.ReadFile(path) // the person who runs the command names the file
}

func actionWords() string {
	var words []string
	for _, name := range workflow.BuiltActions() {
		words = append(words, string(name))
	}
	return strings.Join(words, ", ")
}

// printPlan writes a line for each row and a sum.
func printPlan(out io.Writer, sheet *workflow.Sheet, plan *workflow.Plan) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "LINE\tSTATE\tACTION\tACCOUNT\tFROM\tTO\tWHY")
	counts := map[workflow.ChangeState]int{}
	for i := range plan.Changes {
		c := &plan.Changes[i]
		counts[c.State]++
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n",
			c.Row, c.State, c.Action, oneLine(c.AccountID), oneLine(c.OldEmail), oneLine(c.NewEmail), oneLine(c.Reason.Words()))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var sums []string
	for _, state := range workflow.ChangeStates() {
		if n := counts[state]; n > 0 {
			sums = append(sums, fmt.Sprintf("%d %s", n, state))
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
	return workflow.Visible(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s))
}
