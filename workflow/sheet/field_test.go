package sheet_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// marks are what programs put before and into texts and nobody sees.
var marks = []string{"\ufeff", "\u200b", "\u2060", "\u00ad", "\u200e", "\u202a", "\u034f", "\u115f", "\u3164", "\u2800", "\ufe0f"}

// Letters that show nothing are no content and do not cost a column its name, which is what guards
// the account.
func TestReadCSVMarks(t *testing.T) {
	t.Parallel()
	const file = "account_id,new_email\n1,ann@new.example\n"
	texts := map[string]string{
		"a byte order mark read as Windows-1252": "\u00ef\u00bb\u00bf" + file,
		"twice, once so":                         "\ufeff\u00ef\u00bb\u00bf" + file,
		"a line break in a name":                 strings.Replace(file, "account_id,", "\"Account\nid\",", 1),
		"read as Windows-1251":                   "\u043f\u00bb\u0457" + file,
		"read as code page 437":                  "\u2229\u2557\u2510" + file,
		"read as code page 850":                  "\u00b4\u2557\u2510" + file,
		"read as Mac OS Roman":                   "\u00d4\u00aa\u00f8" + file,
		"read as Windows-1250":                   "\u010f\u00bb\u017c" + file,
		"read as Windows-1252 twice":             "\u00c3\u00af\u00c2\u00bb\u00c2\u00bf" + file,
		"read as Windows-1251, before a quote":   "\u043f\u00bb\u0457" + strings.Replace(file, "account_id", `"account_id"`, 1),
		"in a later name":                        strings.Replace(file, "new_email", "\u00ef\u00bb\u00bfnew_email", 1),
		"dashes of other kinds":                  strings.Replace(file, "account_id,", "account\u2011id,", 1),
	}
	for _, m := range marks {
		texts[fmt.Sprintf("%U at the start", []rune(m))] = m + m + file
		texts[fmt.Sprintf("%U before a quote", []rune(m))] = strings.Replace(file, "account_id", m+` "account_id" `+m, 1)
		texts[fmt.Sprintf("%U before a later quote", []rune(m))] = strings.Replace(file, "new_email", m+`"new_email"`, 1)
		texts[fmt.Sprintf("%U inside a name", []rune(m))] = strings.Replace(file, "account_id", "acc"+m+"ount_id", 1)
		texts[fmt.Sprintf("%U before a quoted value", []rune(m))] = strings.Replace(file, "ann@new.example", m+`"ann@new.example"`+m, 1)
		texts[fmt.Sprintf("%U around sep=", []rune(m))] = m + "sep=,\n" + file
	}
	encodings := map[string]func(string) []byte{
		"utf-8":          func(s string) []byte { return []byte(s) },
		"utf-8 with bom": func(s string) []byte { return []byte("\ufeff" + s) },
		"utf-16le":       func(s string) []byte { return []byte(encode16(t, s, unicode.LittleEndian)) },
		"utf-16be":       func(s string) []byte { return []byte(encode16(t, s, unicode.BigEndian)) },
	}
	for name, text := range texts {
		for encoding, encode := range encodings {
			sheet, err := sheet.ReadCSV(encode(text), "", ourOrg, workflow.ReadLimits{})
			if err != nil {
				t.Errorf("%s, %s: %v", name, encoding, err)
				continue
			}
			r := sheet.Rows[0]
			if len(sheet.Rows) != 1 || r.AccountID() != "1" || r.NewEmail() != "ann@new.example" || r.Problem != "" || r.Action != workflow.Rename {
				t.Errorf("%s, %s: %+v", name, encoding, sheet.Rows)
			}
		}
	}
}

// A control letter in a name is refused: the column would not be known by it.
func TestReadCSVControlLettersInAHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"\x00", "\a", "\b", "\v", "\f", "\x1b", "\x7f", "\u0085", "\u009b"} {
		for _, header := range []string{"account" + c + "_id,new_email", "new_email,notes" + c, "new_email,\"" + c + "account_id\""} {
			_, err := sheet.ReadCSV([]byte(header+"\n1,ann@new.example\n"), "", ourOrg, workflow.ReadLimits{})
			if refused, ok := errors.AsType[*sheet.FileError](err); !ok || !strings.Contains(refused.Problem, "control character") {
				t.Errorf("%q: %v", header, err)
			}
		}
	}
}

// Wide letters are letters in a header, too; what means nothing there is refused where it costs a
// column its name, and nowhere else.
func TestReadCSVLettersOfAHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"\uff41ccount_id", "account\uff3fid", "ACCOUNT\u3000ID"} {
		if row := read(t, name+",new_email\n1,ann@new.example\n", "").Rows[0]; row.AccountID() != "1" {
			t.Errorf("%q: not known: %+v", name, row)
		}
	}
	for _, c := range []string{"\t", "\n", "\u00a0", "\u2028", "\u2007"} {
		_, err := sheet.ReadCSV([]byte("\"acc"+c+"ount_id\",old_email,new_email\n1,2,3\n"), "", ourOrg, workflow.ReadLimits{})
		if refused, ok := errors.AsType[*sheet.FileError](err); !ok || !strings.Contains(refused.Problem, "holds the character U+") {
			t.Errorf("%q inside a word: %v", c, err)
		}
	}
	for _, c := range []string{"\ufffd", "\ue000", "\u0301", "\ufffc", "\uffff", "\U0001ffff"} {
		for _, header := range []string{c + "account_id,old_email,new_email", "old_email,new_email,account" + c + "_id"} {
			_, err := sheet.ReadCSV([]byte(header+"\n1,2,3\n"), "", ourOrg, workflow.ReadLimits{})
			if refused, ok := errors.AsType[*sheet.FileError](err); !ok || !strings.Contains(refused.Problem, "holds the character U+") {
				t.Errorf("%q: %v", header, err)
			}
		}
		if row := read(t, "account_id,new_email,Stra"+c+"e\n1,ann@new.example,x\n", "").Rows[0]; row.Problem != "" {
			t.Errorf("%q in a name that is not used: %s", c, row.Problem)
		}
	}
}

// Marks around one name, and letters that a mark of the encoding became, cost that column its name as
// well as those around all: what guards the account would be ignored.
func TestReadCSVMarksAroundOneName(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"\u201caccount_id\u201d,old_email,new_email": "has marks around it",
		"'account_id',old_email,new_email":           "has marks around it",
		"#account_id,old_email,new_email":            "has marks around it",
		"account_id,*old_email*,new_email":           "has marks around it",
		"[account_id],email,new_email":               "has marks around it",
		"User ID:,email,new_email":                   "write it as User id",
		"\ufffcaccount_id,email,new_email":           "holds the character U+FFFC",
		"\u9518\u7e1cccount_id,old_email,new_email":  "is account_id behind letters of another encoding", // in GBK
		"\u00ff\u00feaccount_id,email,new_email":     "is account_id behind letters of another encoding",
		"+/v8-account_id,email,new_email":            `is account_id with a letter that is spelled out ("+/v8-")`, // UTF-7
		"email,new_email,account+AF8-id":             `is account_id with a letter that is spelled out ("+AF8-")`,
		"&#65279;account_id,email,new_email":         "is account_id with a letter that is spelled out",
		"email,new_email,&nbsp;account_id":           "is account_id with a letter that is spelled out",
		"account_id&ZeroWidthSpace;,email,new_email": "is account_id with a letter that is spelled out",
		`\ufeffaccount_id,email,new_email`:           "is account_id with a letter that is spelled out",
		`email,new_email,User\u{a0}ID`:               "is User id with a letter that is spelled out",
		"%EF%BB%BFaccount_id,email,new_email":        "is account_id with a letter that is spelled out",
		"=EF=BB=BFaccount_id,email,new_email":        "is account_id with a letter that is spelled out",
		"email,new_email,account%5Fid":               "is account_id with a letter that is spelled out",
	} {
		_, err := sheet.ReadCSV([]byte(header+"\n1,2,3\n"), "", ourOrg, workflow.ReadLimits{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", header, err, want)
		}
	}
	for _, header := range []string{"account_id,new_email,new_email*", "account_id,new_email,\u30e1\u30fc\u30ebemail", "account_id,new_email,(note)", "account_id,new_email,R&amp;D", "account_id,new_email,100%25"} {
		if read(t, header+"\n1,ann@new.example,x\n", "").Rows[0].AccountID() != "1" {
			t.Errorf("%s: not taken", header)
		}
	}
}

// A letter of another script that is drawn like the right one would cost the account column its name, and
// nobody would see why. Where no name is known by it, it is a letter as any other.
func TestReadCSVLettersDrawnAlike(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"\u0430ccount_id,old_email,new_email", "old_email,new_email,\u0410CCOUNT ID", "new_email,account_\u0456d", "new_email,\u03bfld_email",
	} {
		_, err := sheet.ReadCSV([]byte(header+"\n1,2,3\n"), "", ourOrg, workflow.ReadLimits{})
		if refused, ok := errors.AsType[*sheet.FileError](err); !ok || !strings.Contains(refused.Problem, "and written with U+0") {
			t.Errorf("%q: %v", header, err)
		}
	}
	for _, header := range []string{"account_id,new_email,\u043e\u0442\u0434\u0435\u043b", "account_id,new_email,\u00e9mail"} {
		if row := read(t, header+"\n1,ann@new.example,x\n", "").Rows[0]; row.Problem != "" || row.AccountID() != "1" {
			t.Errorf("%q: %+v", header, row)
		}
	}
}

// New addresses are dot-atoms without marks of text at their edges, in files and in commands; what
// accounts have may be less.
func TestNewAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		".ada@new.example":                     "begins with a dot",
		"ada.@new.example":                     "has a dot before the @",
		"a..da@new.example":                    "has two dots in a row",
		"ada@new.example.":                     "a dot too many",
		"ada@@new.example":                     "more than one @",
		"\uff0eada@new.example":                "begins with a dot",
		"`ada@new.example`":                    "begins with '`'",
		"*ada@new.example*":                    "begins with '*'",
		"ada@new.example*":                     "ends with '*'",
		"'ada@new.example":                     `begins with '\''`,
		"\u2018ada@new.example":                "begins with '\u2018'",
		"\u201cada@new.example\u201d":          "begins with '\u201c'",
		"\u00abada@new.example\u00bb":          "begins with '\u00ab'",
		"\u201eada@new.example":                "begins with '\u201e'",
		"ada@new.example\u2032":                "ends with '\u2032'",
		"\uff02ada@new.example":                "begins with '\uff02'",
		"ada@ne*w.example":                     "in the domain",
		"ada@ne'w.example":                     "in the domain",
		"ada`@new.example":                     "before the @",
		"ada'@new.example":                     "before the @",
		"ada\uff07@new.example":                "before the @",
		"ada\u2019@new.example":                "before the @",
		"\u275dada@new.example":                "begins with '\u275d'",
		"\ufe61ada@new.example":                "begins with '\ufe61'",
		"\u02eeada@new.example":                "begins with '\u02ee'",
		"ada@new.example\u2034":                "ends with '\u2034'",
		"\u3002ada@new.example":                "begins with a dot",
		"ada\uff61@new.example":                "has a dot before the @",
		"a\uff0e\u3002da@new.example":          "has two dots in a row",
		"ada@new.example\u3002":                "a dot too many",
		"ada@-new.example":                     "a hyphen at the edge",
		"ada@new-.example":                     "a hyphen at the edge",
		"ada@new.example-":                     "a hyphen at the edge",
		"ada@new.example\u2026":                "in the domain",
		"ada@ne\u2025w.example":                "in the domain",
		"ada@ne\u2100w.example":                "in the domain",
		"ada@ne\u00a8w.example":                "in the domain",
		"o'neil@new.example":                   "",
		"_ada@new.example":                     "",
		"ada.lang+tag@sub.new.example":         "",
		"jürgen@bücher.example":                "",
		"countersign-park-1-2@new-one.example": "",
	} {
		what := workflow.NewAddressProblem(address)
		if want == "" && what != "" || !strings.Contains(what, want) {
			t.Errorf("%q: %q, want %q", address, what, want)
		}
		sheet := read(t, "account_id,new_email\n1,"+address+"\n", "")
		if got := sheet.Rows[0].Problem; (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("file: %q: %q, want %q", address, got, want)
		}
	}
	for address, good := range map[string]bool{
		"a..b@old.example": true, "a.@old.example": true, "'ada@old.example": false, "ada@old.example`": false,
		"ada'@old.example": true, "ada@old\uff0eexample": true, "ada@old\u3002example": true, "\u275dada@old.example": false,
	} {
		sheet := read(t, "old_email,new_email\n"+address+",ada@new.example\n", "")
		if got := sheet.Rows[0].Problem; (got == "") != good {
			t.Errorf("current address %q: %q", address, got)
		}
	}
}

// What stands behind the last name costs nothing, and what is not used spoils nothing.
func TestReadCSVBehindTheLastName(t *testing.T) {
	t.Parallel()
	const many = 300_000
	commas, spaced := strings.Repeat(",", many), strings.Repeat(", ", many)
	long := strings.Repeat("x", 40_000)
	for name, text := range map[string]string{
		"header":       "account_id,new_email" + commas + "\n1,ann@new.example\n",
		"row":          "account_id,new_email\n1,ann@new.example" + commas + "\n",
		"spaces":       "account_id,new_email\n1,ann@new.example" + spaced + "\n",
		"both":         "account_id,new_email" + commas + "\n1,ann@new.example" + commas + "\n",
		"unused":       "account_id,new_email,notes\n1,ann@new.example," + long + "\n",
		"without name": "account_id,new_email,\n1,ann@new.example," + long + "\n",
		"blanks":       "account_id,new_email\n1,ann@new.example" + strings.Repeat(" ", 40_000) + "\n",
	} {
		sheet, err := sheet.ReadCSV([]byte(text), "", ourOrg, workflow.ReadLimits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := sheet.Rows[0]; r.Problem != "" || r.AccountID() != "1" || len(r.Cells) > 3 {
			t.Errorf("%s: %q, %d cells", name, r.Problem, len(r.Cells))
		}
	}
	sheet := read(t, "account_id,new_email\n1,ann@new.example"+commas+"x\n2,ben@new.example\n", "")
	if sheet.Rows[0].Problem == "" || sheet.Rows[1].Problem != "" {
		t.Errorf("content behind the last name: %q, and a good row: %q", sheet.Rows[0].Problem, sheet.Rows[1].Problem)
	}
}

// A file each of whose lines stands in one pair of quotes is told so.
func TestReadCSVLinesInQuotes(t *testing.T) {
	t.Parallel()
	const want = "one pair of quotation marks"
	for _, text := range []string{
		"\"old_email,new_email\"\n\"ada@old.example,ada@new.example\"\n",
		"\"old_email;new_email\"\n\"ada@old.example;ada@new.example\"\n",
		"\"old_email,\"\"new_email\"\"\"\n\"ada@old.example,\"\"ada@new.example\"\"\"\n",
		"\"old_email,new_email\",,\n\"ada@old.example,ada@new.example\",,\n",
		"\ufeff\"account_id\tnew_email\"\n\"1\tada@new.example\"\n",
	} {
		_, err := sheet.ReadCSV([]byte(text), "", ourOrg, workflow.ReadLimits{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	sheet := read(t, "old_email,new_email\n\"ada@old.example,ada@new.example\"\nben@old.example,ben@new.example\n", "")
	if got := sheet.Rows[0].Problem; !strings.Contains(got, want) || sheet.Rows[1].Problem != "" {
		t.Errorf("got %q and %q", got, sheet.Rows[1].Problem)
	}
}

// Names that stand between marks that are not CSV's own are told so.
func TestReadCSVMarksAroundNames(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"'old_email','new_email'", "\u201cold_email\u201d;\u201cnew_email\u201d", "`old_email`,*new_email*", "\u201cold_email,new_email\u201d",
		"[old_email],[new_email]", "#old_email\tnew_email:",
	} {
		_, err := sheet.ReadCSV([]byte(header+"\nada@old.example,ada@new.example\n"), "", ourOrg, workflow.ReadLimits{})
		if err == nil || !strings.Contains(err.Error(), "there are marks around the names of the columns") {
			t.Errorf("%s: %v", header, err)
		}
	}
}

// Where somebody has to be asked, what was not understood is named with the nearest name that is
// known.
func TestReadCSVNamesWhatItDidNotUnderstand(t *testing.T) {
	t.Parallel()
	sheet := read(t, "old_email,new_emial,acount_id,Department,Frist Name,\nann@old.example,ann@new.example,1,Sales,Ann,\n", "")
	want := []workflow.UnknownColumn{{Name: "new_emial", Nearest: "new_email"}, {Name: "acount_id", Nearest: "account_id"}, {Name: "Department"}, {Name: "Frist Name", Nearest: "first name"}}
	if !sheet.NeedsAction || !slices.Equal(sheet.Unknown, want) {
		t.Errorf("got %t, %+v, want %+v", sheet.NeedsAction, sheet.Unknown, want)
	}
	err := &workflow.NeedsActionError{Unknown: sheet.Unknown}
	if !errors.Is(err, workflow.ErrNeedsAction) || !strings.Contains(err.Error(), `"new_emial" (did you mean new_email?)`) {
		t.Errorf("got %v", err)
	}
	if sheet = read(t, "old_email,new_emial\nann@old.example,x\n", workflow.Deactivate); sheet.NeedsAction || sheet.Unknown != nil {
		t.Errorf("asked although the message says it: %+v", sheet.Unknown)
	}
}
