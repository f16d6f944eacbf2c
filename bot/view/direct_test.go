package view

import "testing"

// What the card says when fewer people can approve than are needed.
func TestTooFewApproversWords(t *testing.T) {
	for _, c := range []struct {
		able, need int
		others     bool
		owners     []string
		trouble    []GroupTrouble
		want       string
	}{
		{2, 3, true, nil, nil, "Only 2 other admins can approve this, but it needs 3. Add one to the settings (people.admins), or withdraw it."},
		{1, 2, false, nil, nil, "Only 1 other admin can approve this, but it needs 2. Add one to the settings (people.admins), or withdraw it."},
		{0, 1, true, nil, nil, "Nobody can approve this: the other admins may not; countersign doctor says why."},
		{0, 1, true, []string{"Bob"}, nil, "Nobody can approve this: it changes the account of Bob, and no other admin may. Add one to the settings (people.admins), or withdraw it."},
		{0, 1, false, nil, nil, "Nobody can approve this: there is no other admin. Add one to the settings (people.admins), or withdraw it."},
		{0, 1, false, nil, []GroupTrouble{{Group: "S0A"}}, "Nobody can approve this: the group S0A is empty. Add admins to it in Slack, or withdraw it."},
		{
			0, 1, false, nil,
			[]GroupTrouble{{"S0A", "no_such_subteam"}, {Group: "S0B"}},
			"Nobody can approve this: the group S0A cannot be read (no_such_subteam) and the group S0B is empty. countersign doctor says what to do.",
		},
	} {
		if got := TooFewApprovers(c.able, c.need, c.others, c.owners, c.trouble); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.able, c.need, got, c.want)
		}
	}
}
