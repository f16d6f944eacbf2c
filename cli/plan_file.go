package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/sheet"
)

// savePlan writes the file that the bot posts of the same plan, without seal, for no batch has been sealed. The file is
// whole or it is not there; it is for its owner alone, as names stand in it. The CSV is never written over.
func savePlan(options planOptions, made *plan.Plan) (err error) {
	if same(options.Out, options.CSV) {
		return fmt.Errorf("--out is the CSV itself (%s); name another file", options.CSV)
	}
	file, err := os.CreateTemp(filepath.Dir(options.Out), ".countersign-plan-") // mode 0600
	if err != nil {
		return fmt.Errorf("write the plan file: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the plan file: %w", errors.Join(err, os.Remove(file.Name())))
		}
	}()
	rows := func(yield func([]string) bool) {
		for i := range made.Changes {
			if !yield(sheet.PlanRow(made.Changes[i], "")) {
				return
			}
		}
	}
	if err := errors.Join(sheet.WriteCSV(file, sheet.PlanHeader(), rows), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), options.Out)
}

// same reports whether both paths lead to one file.
func same(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// planJSON is a plan as scripts read it: each row by the columns of the plan file, how many rows are in each state that a
// plan has, and how many of the ready rows have each side effect.
type planJSON struct {
	Rows    []map[string]string          `json:"rows"`
	Counts  map[workflow.ChangeState]int `json:"counts"`
	Effects map[workflow.Effect]int      `json:"effects"`
}

// printPlanJSON writes the plan as one JSON value.
func printPlanJSON(out io.Writer, _ *workflow.Sheet, made *plan.Plan) error {
	value := planJSON{
		Rows: []map[string]string{},
		Counts: map[workflow.ChangeState]int{
			workflow.ChangeReady: 0, workflow.ChangeUnchanged: 0, workflow.ChangeBlocked: 0, workflow.ChangeBad: 0,
		},
		Effects: map[workflow.Effect]int{},
	}
	header := sheet.PlanHeader()
	for i := range made.Changes {
		c := &made.Changes[i]
		row := map[string]string{}
		for at, cell := range sheet.PlanRow(*c, "") {
			row[header[at]] = cell
		}
		value.Rows = append(value.Rows, row)
		value.Counts[c.State]++
		if c.State != workflow.ChangeReady {
			continue
		}
		for _, effect := range c.Effects {
			kind, n := effect.Kind()
			value.Effects[kind] += n
		}
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}
