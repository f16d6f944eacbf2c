package report

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strconv"

	"github.com/countersign/countersign/workflow"
)

// columns are what every managed account has; one column for each product comes after them.
var columns = []string{
	"account_id", "name", "email", "account_type", "account_status", "access_billable", "last_active",
}

// used is the cell of a product that the account can use and of which no activity is known.
const used = "yes"

// WriteAccounts writes the table of a managed-accounts report: one row an account, in the order of members, values as
// the API gives them. Behind the fixed columns stands one for each product that any account can use, named
// "Jira (example.atlassian.net)" and sorted by name: when the account was last active there, "yes" when that is not
// known, empty when it cannot use it. members is read twice, once for the columns and once for the rows, and must give
// the same both times.
func WriteAccounts(w io.Writer, members iter.Seq2[workflow.Member, error]) error {
	products, err := productColumns(members)
	if err != nil {
		return err
	}
	at := make(map[string]int, len(products))
	header := slices.Clone(columns)
	for _, p := range products {
		at[p] = len(header)
		header = append(header, p)
	}
	var failed error
	err = workflow.WriteCSV(w, header, func(yield func([]string) bool) {
		for m, err := range members {
			if err != nil {
				failed = err
				return
			}
			if !yield(cells(m, at, len(header))) {
				return
			}
		}
	})
	return cmp.Or(failed, err)
}

func cells(m workflow.Member, at map[string]int, width int) []string {
	row := make([]string, width)
	copy(row, []string{
		m.ID, m.Name, m.Email, m.Type, string(m.Status), strconv.FormatBool(m.Billable), m.LastActive,
	})
	for _, p := range m.Products {
		row[at[columnOf(p)]] = cmp.Or(p.LastActive, used)
	}
	return row
}

// productColumns finds the names of the product columns.
func productColumns(members iter.Seq2[workflow.Member, error]) ([]string, error) {
	found := map[string]bool{}
	var names []string
	for m, err := range members {
		if err != nil {
			return nil, err
		}
		for _, p := range m.Products {
			if name := columnOf(p); !found[name] {
				found[name] = true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// columnOf names the column of a product: its name, and the site it is on where the API says so.
func columnOf(p workflow.Product) string {
	name := cmp.Or(p.Name, p.Key)
	if p.URL == "" {
		return name
	}
	site := p.URL
	if u, err := url.Parse(p.URL); err == nil && u.Host != "" {
		site = u.Host
	}
	return fmt.Sprintf("%s (%s)", name, site)
}
