package view

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// What is said of the command to move a domain with accounts left out, and without the file that names
// them. {command} stands for the slash command.
const (
	ExceptLacksFile = "except needs a file"
	ExceptByFile    = "Post a CSV of the accounts to leave out, with the message `migrate-domain … except` (without `{command}`), or upload it in the form."
	NeedsExcept     = "Upload the CSV of the accounts to leave out. To leave out nobody, ask without except."
)

// moveWords say what a request for a whole domain asks for.
func moveWords(m *workflow.DomainMove) string {
	s := "*All of* " + DomainWords(m.Old) + " → " + DomainWords(m.New)
	if m.Group != "" {
		s += ", only members of the group " + quoted(m.Group, tableCell)
	}
	if m.Names {
		s += ", as first.last"
	}
	if n := len(m.Except); n > 0 {
		s += ", without the " + many(n, "account", "accounts") + " of the file"
	}
	return s
}

// reading counts the accounts that are listed to find those on a domain.
func reading(b *workflow.Batch) string {
	if b.Checked == 0 {
		return "listing the accounts on " + DomainWords(b.Source.Move.Old)
	}
	return fmt.Sprintf("listing the accounts on %s: %s of the organisation read", DomainWords(b.Source.Move.Old), number(b.Checked))
}

// IdentityProviderFile is the name of the file for the identity provider's team.
func IdentityProviderFile(batch int64) string {
	return fmt.Sprintf("batch-%d-identity-provider.csv", batch)
}

// IdentityProviderWords come with the file for the identity provider's team.
func IdentityProviderWords(batch int64, rows int) string {
	return strings.TrimSpace(fmt.Sprintf("%s of #%d can only be renamed in your identity provider. Give %s to its team.",
		many(rows, "account", "accounts"), batch, IdentityProviderFile(batch)))
}
