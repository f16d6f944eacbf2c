package command

import (
	"errors"
	"testing"
)

// A sentence that asks for two things is answered with both, and one that would take away for good what
// somebody who left had, with what can be undone. None of it is done, and no half is dropped without a
// word.
func TestTwofold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"move ada@old.example out of group sales to group finance":                twoGroups,
		"move ada@old.example from group sales to group finance":                  twoGroups,
		"please move <mailto:ada@old.example|ada@old.example> from sales into it": twoGroups,
		"switch ada@old.example from the sales group to the finance group":        twoGroups,
		"transfer ada@old.example from sales to finance":                          twoGroups,
		"remove ada@old.example from group sales and add her to group finance":    twoGroups,
		"take ada@old.example out of group sales and put her into group finance":  twoGroups,
		"add ada@old.example to group finance and remove her from group sales":    twoGroups,
		"move ada@old.example from group devs to group ops on site main":          twoSiteGroups,
		"close ada@old.example who left":                                          waysToLeave,
		"kick ada@old.example who left":                                           waysToLeave,
		"drop ada@old.example, who has left":                                      waysToLeave,
		"erase ada@old.example who quit":                                          waysToLeave,
		"remove ada@old.example who left the company":                             waysToLeave,
		"delete ada@old.example who left the company":                             waysToLeave,
		"remove leaver ada@old.example":                                           waysToLeave,

		"move ada@old.example to b@old.example":                   "",
		"move everyone from old.example to new.example":           "",
		"move everyone in group sales from old.example to b.test": "",
		"add ada@old.example to group finance from monday":        "",
		"put ada@old.example out of the finance group":            "",
		"change the address of ada@old.example to b@old.example":  "",
		"ada@old.example left the company":                        "",
		"disable ada@old.example who left":                        "",
		"kick ada@old.example":                                    "",
		"kick ada@old.example from groups":                        "",
	} {
		_, err := Parse(text)
		usage, is := errors.AsType[*UsageError](err)
		switch {
		case !is:
			t.Errorf("%s: taken as it is, %v", text, err)
		case usage.Say != want:
			t.Errorf("%s: %q, want %q", text, usage.Say, want)
		}
	}
	for _, text := range []string{
		"remove ada@old.example reason: she left and moves from group a to group b", "deactivate ada@old.example -- you left",
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
