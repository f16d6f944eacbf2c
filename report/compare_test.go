package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	at := func(id, name, address string, status workflow.AccountStatus) workflow.Member {
		m := member(id, name, status)
		m.Email = address
		return m
	}
	var members []workflow.Member
	for i := range 9 { // enough that one who is missing is no sign of a list that is not whole
		members = append(members, at(fmt.Sprint("crowd-", i), fmt.Sprint("Crowd ", i), fmt.Sprintf("crowd%d@a.example", i), workflow.StatusActive))
	}
	app := at("app", "App", "app@a.example", workflow.StatusActive)
	app.Type = workflow.TypeApp
	members = append(members,
		at("same", "Zoë Müller", "zoe@a.example", workflow.StatusActive),
		at("wed", "Ada Lang", "ada@a.example", workflow.StatusActive),
		at("left", "Gone", "gone@a.example", workflow.StatusActive),
		at("off", "Off", "off@a.example", workflow.StatusInactive),
		at("byid", "By Id", "other@b.example", workflow.StatusActive),
		at("else", "Elsewhere", "x@c.example", workflow.StatusActive), app)
	file := "Name;Email;User id;Team\r\n" +
		"MULLER, Zoe;ZOE@A.example;;=Ops\r\nAda King;ada@a.example;;\r\nOff;off@a.example;;\r\nBy Id;;byid;\r\n" +
		"New One;new@a.example;;\"=1+1\"\r\nBroken;not an address;;\r\n"
	for i := range 9 {
		file += fmt.Sprintf(";crowd%d@a.example;;\r\n", i)
	}
	list, err := sheet.ReadList([]byte(file), "", workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := compare(list, sequence(members, nil))
	if err != nil {
		t.Fatal(err)
	}
	c.NotInList[0].Mark = workflow.MarkAdmin
	var left, missing bytes.Buffer
	if err := c.WriteNotInList(&left); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteNotInDirectory(&missing); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%d listed, %d active, %d deactivated, bad %v, incomplete %v, names %d, drafts %d\n%s%s",
		c.Listed, c.Active, c.Deactivated, c.Bad, c.Incomplete, len(c.OtherName), len(c.Drafts()), left.String(), missing.String())
	want := "14 listed, 12 active, 1 deactivated, bad [7], incomplete [], names 1, drafts 0\n" +
		"\ufeffaccount_id,name,email,status,last_active,mark\r\nleft,Gone,gone@a.example,active,2026-11-22,admin\r\n" +
		"\ufeffName,Email,User id,Team,line\r\nNew One,new@a.example,,'=1+1,6\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	c.NotInList[0].Mark = ""
	if n := len(c.Drafts()); n != 1 || c.OtherName[0].Account.ID != "wed" {
		t.Errorf("%d drafts, other name %+v", n, c.OtherName)
	}
	list.Rows = list.Rows[:8] // without most of the crowd
	if c, err = compare(list, sequence(members, nil)); err != nil || len(c.Incomplete) != 1 || c.Drafts() != nil {
		t.Errorf("a list that is not whole: %v, drafts %v, %v", c.Incomplete, c.Drafts(), err)
	}
}

// A person whom a list has twice is one person: found or not, and called by either name.
func TestCompareWithAListThatHasSomebodyTwice(t *testing.T) {
	t.Parallel()
	ada := member("ada", "Ada Lang", workflow.StatusActive)
	ada.Email = "ada@a.example"
	bob := member("bob", "Bob Ray", workflow.StatusActive)
	bob.Email = "bob@a.example"
	for name, test := range map[string]struct {
		file      string
		listed    int
		twice     []int
		missing   []int // lines
		otherName int
	}{
		"by address":              {"Name,Email\nAda Lang,ada@a.example\nBob Ray,bob@a.example\nA. King,ADA@a.example\n", 2, []int{4}, nil, 0},
		"the other name first":    {"Name,Email\nA. King,ada@a.example\nAda Lang,ADA@a.example\nBob Ray,bob@a.example\n", 2, []int{3}, nil, 0},
		"under no name of theirs": {"Name,Email\nA. King,ada@a.example\nA. Queen,ada@a.example\nBob Ray,bob@a.example\n", 2, []int{3}, nil, 1},
		"by id and by address":    {"User id,Email\nada,\n,ada@a.example\nbob,bob@a.example\n", 3, nil, nil, 0},
		"a row that joins two":    {"User id,Email\nada,\nbob,bob@a.example\n,ada@a.example\nada,ada@a.example\n", 2, []int{4, 5}, nil, 0},
		"nobody is named":         {"Email,Vorname Nachname\nada@a.example,Ada\nbob@a.example,Bob\n", 2, nil, nil, 0},
		"not in the directory":    {"Email\nnew@a.example\nada@a.example\nbob@a.example\nnew@a.example\n", 3, []int{5}, []int{2}, 0},
	} {
		list, err := sheet.ReadList([]byte(test.file), "", workflow.ReadLimits{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := compare(list, sequence([]workflow.Member{ada, bob}, nil))
		if err != nil {
			t.Fatal(err)
		}
		var missing []int
		for _, l := range c.NotInDirectory {
			missing = append(missing, l.Line)
		}
		got := []any{c.Listed, c.Twice, missing, len(c.OtherName), len(c.NotInList)}
		if diff := cmp.Diff([]any{test.listed, test.twice, test.missing, test.otherName, 0}, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if named := strings.Contains(test.file, "Name,"); c.Nameless == named {
			t.Errorf("%s: names were compared: %t, want %t", name, !c.Nameless, named)
		}
	}
}
