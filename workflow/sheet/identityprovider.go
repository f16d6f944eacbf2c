package sheet

import "github.com/countersign/countersign/workflow"

// IdentityProviderHeader returns the first line of batch-42-identity-provider.csv.
func IdentityProviderHeader() []string {
	return []string{"account_id", "name", "old_email", "new_email", "owner", "directory"}
}

// IdentityProviderRow returns a row that the identity provider's team has to change, under
// IdentityProviderHeader; theirs is false for every other one. The directory is the one that holds
// the account, "" where the check has not found out.
func IdentityProviderRow(c workflow.Change) (row []string, theirs bool) {
	owner := workflow.OwnerOf(c.Reason.Fact(1))
	if c.State != workflow.ChangeBlocked || c.Reason.Code != workflow.ReasonNotAllowed || !owner.IdentityProvider() {
		return nil, false
	}
	return []string{c.AccountID, c.Name, c.OldEmail(), c.NewEmail(), string(owner), c.Reason.Fact(2)}, true
}
