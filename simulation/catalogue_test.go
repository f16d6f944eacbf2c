package simulation

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// columns are what a file of the simulator may fill, in order.
func columns() []workflow.Column {
	out := []workflow.Column{workflow.ColumnAction, workflow.ColumnAccountID, workflow.ColumnEmail}
	seen := map[workflow.Column]bool{}
	for _, a := range action.Catalogue() {
		for _, use := range a.Columns {
			if !seen[use.Column] {
				seen[use.Column] = true
				out = append(out, use.Column)
			}
		}
	}
	return out
}

// askFor is a row; what is empty is left out.
func askFor(name workflow.ActionName, id, email, to string) workflow.RowValues {
	row := workflow.Of(workflow.ColumnAction, string(name))
	for column, value := range map[workflow.Column]string{
		workflow.ColumnAccountID: id, workflow.ColumnEmail: email, workflow.ColumnNewEmail: to,
	} {
		if value != "" {
			row.Set(column, value)
		}
	}
	return row
}

// example is a row of any action of the catalogue about an account, as the action itself gives one.
func (s *scenario) example(a organisation.Account) workflow.RowValues {
	built := action.Names()
	name := built[s.rng.IntN(len(built))]
	it, _ := action.For(name)
	group := simTeam
	if len(a.SCIM) > 0 {
		group = "hr-people" // which is kept in the directory that holds the account
	}
	row := it.Example(workflow.Account{
		ID: a.ID, Name: a.Name, Email: a.Email, Managed: a.Managed, Status: workflow.AccountStatus(a.Status),
	}, action.Surroundings{Domain: "new.example", Group: group, Site: simSite, SiteGroup: "Jira people"})
	row.Set(workflow.ColumnAction, string(name))
	return row
}

// exampleCommand is a command of any action that has one, in the form that its usage shows: the account, what else it must
// have, and after two dashes what people are told.
func (s *scenario) exampleCommand(a organisation.Account) string {
	for {
		row := s.example(a)
		it, _ := action.For(workflow.ActionName(row.Get(workflow.ColumnAction)))
		if it.Usage == "" {
			continue
		}
		before := []workflow.Column{workflow.ColumnSite, workflow.ColumnGroup} // the account
		words := []string{string(it.Name)}
		for _, column := range before {
			if use, takes := it.Uses(column); takes && use.Required {
				words = append(words, row.Get(column))
			}
		}
		switch {
		case it.Name == workflow.Invite:
			words = append(words, row.Get(workflow.ColumnEmail), "to", row.Get(workflow.ColumnGroup))
		case it.Subject.Absent:
			words = append(words, row.Get(workflow.ColumnEmail))
		default:
			words = append(words, s.oneOf(a.ID, a.Email))
		}
		for _, column := range it.Needs() {
			if !slices.Contains(before, column) {
				words = append(words, row.Get(column))
			}
		}
		if message := row.Get(workflow.ColumnMessage); message != "" {
			words = append(words, "--", message)
		}
		return strings.Join(words, " ")
	}
}

// tableOf writes rows as people do.
func tableOf(rows []workflow.RowValues) string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	names := make([]string, 0, len(columns()))
	for _, column := range columns() {
		names = append(names, string(column))
	}
	_ = w.Write(names)
	for _, row := range rows {
		cells := make([]string, 0, len(names))
		for _, column := range columns() {
			cells = append(cells, row.Get(column))
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return b.String()
}
