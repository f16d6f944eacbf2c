package report

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Money is an amount in hundredths of its currency.
type Money int64

// maxWhole is the most digits of an amount before its point, so that sums over all seats fit.
const maxWhole = 7

// ParseMoney reads an amount as 8.15, 8.1 or 8: not negative, of at most two decimals.
func ParseMoney(text string) (Money, error) {
	whole, part, point := strings.Cut(text, ".")
	if point && (part == "" || len(part) > 2) || whole == "" || len(whole) > maxWhole {
		return 0, errors.New("an amount has up to seven digits and up to two decimals")
	}
	n, err := strconv.ParseUint(whole+(part + "00")[:2], 10, 64)
	if err != nil {
		return 0, errors.New("an amount is written with digits and a point")
	}
	return Money(n), nil
}

// String writes the amount with its two decimals, as 1234.50, without marks between thousands, so
// that a program reads it.
func (m Money) String() string {
	if m < 0 {
		return "-" + (-m).String()
	}
	return fmt.Sprintf("%d.%02d", m/100, m%100)
}

// Prices are what a seat of each product costs a month.
type Prices struct {
	Currency string           // three letters, as EUR
	Seats    map[string]Money // by the product's key, as jira-software
}

// Known reports whether there is any price.
func (p Prices) Known() bool { return len(p.Seats) > 0 }

// Of returns what the account's seats cost a month, as far as prices are known: each product on each
// site is a seat. known is false where the account is billed for nothing that has a price.
func (p Prices) Of(m workflow.Member) (cost Money, known bool) {
	if !m.Billable {
		return 0, false
	}
	for _, product := range m.Products {
		if seat, is := p.Seats[product.Key]; is {
			cost, known = cost+seat, true
		}
	}
	return cost, known
}

// Words returns the amount as people write it: €1,234 or 1,234 CHF. Cents are left out where there are
// at least ten.
func (p Prices) Words(m Money) string {
	text := workflow.Number(int64(m / 100))
	if m < 1000 && m%100 != 0 {
		text = m.String()
	} else if m%100 >= 50 {
		text = workflow.Number(int64(m/100) + 1)
	}
	if sign := map[string]string{"EUR": "€", "USD": "$", "GBP": "£"}[p.Currency]; sign != "" {
		return sign + text
	}
	return text + " " + p.Currency
}
