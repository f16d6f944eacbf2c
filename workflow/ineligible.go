package workflow

import "fmt"

// Ineligible is why somebody in Slack may not use countersign at all.
type Ineligible string

// The kinds of people who are refused, and the ways in which it cannot be known who they are.
const (
	Deactivated  Ineligible = "deactivated"
	Guest        Ineligible = "guest"
	NotAPerson   Ineligible = "not_a_person" // bots, apps, workflows
	OtherOrg     Ineligible = "other_organisation"
	SharedPlace  Ineligible = "shared_channel"
	WithoutRole  Ineligible = "no_role"
	NotCheckable Ineligible = "not_checkable"
)

// IneligibleError is the refusal of a person because of who or where they are. Its text is for
// logs.
type IneligibleError struct {
	Kind Ineligible
	Err  error // what Slack answered; nil when it answered as it should
}

func (e *IneligibleError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("check the person: %s: %v", e.Kind, e.Err)
	}
	return "check the person: " + string(e.Kind)
}

func (e *IneligibleError) Unwrap() error { return e.Err }
