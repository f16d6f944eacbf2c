package settings

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spellings are what people wrote for the same entry, with what becomes of each: the entry, or the words of the refusal.
var spellings = map[string]map[string]string{
	"testdata/protect-spellings.txt": {
		`protect: ["CEO <ada@northwind.example>"]`:                  "! is not an address: it holds a space; write the address alone",
		`protect: ["mailto:ada@northwind.example"]`:                 "! is not an address: it holds ':'; write the address alone",
		`protect: ["ada@northwind.example."]`:                       "! is not an address: it has a dot too many in the domain;",
		`protect: ["ada@northwind.example, ben@northwind.example"]`: "! is not an address: it holds ',';",
		`protect: [" ada@northwind.example "]`:                      "ada@northwind.example",
		`protect: ["@northwind.example"]`:                           "@northwind.example",
		`protect: ["*@northwind.example"]`:                          "! is a pattern, and entries are compared as a whole; write @example.com",
		`protect: ["ada\u00a0@northwind.example"]`:                  "! is not an address: it holds a space;",
		`protect: ["lea@bücher.example"]`:                           "lea@bücher.example",
		`protect: ["ada@northwind.example,ben@northwind.example"]`:  "! is not an address: it holds ',';",
		`protect: ["ada@northwind.example;ben@northwind.example"]`:  "! is not an address: it holds ';';",
		`protect: ["ada@northwind.example ben@northwind.example"]`:  "! is not an address: it holds a space;",
		`protect: ["<ada@northwind.example>"]`:                      "! is not an address: it holds '<';",
		`protect: ["ada\u200b@northwind.example"]`:                  "! is not an address: it holds the invisible character U+200B;",
		`protect: ["\ufeffada@northwind.example"]`:                  "ada@northwind.example",
		`protect: ["ada@northwind"]`:                                "! is not an address: it has no dot in the domain;",
		`protect: ["@northwind.example."]`:                          "! is not a domain: it has a dot too many in the domain;",
		`protect: ["@*.example"]`:                                   "! is a pattern, and domains are compared as a whole;",
		`protect: ["ada.m*@northwind.example"]`:                     "! is a pattern, and entries are compared as a whole;",
		`protect: ["712020:ab cd"]`:                                 "! is not an address or an Atlassian account id",
		`protect: ["712020:\u200babcd"]`:                            "! is not an address or an Atlassian account id",
		`protect: [" 712020:abcd "]`:                                "712020:abcd",
		`protect: ["group: break-glass "]`:                          "group:break-glass",
		`protect: ["group:break\u200b-glass"]`:                      "! holds an invisible character;",
		`protect: ["group:\u00a0"]`:                                 "! names no group;",
		`protect: ["Group:break-glass"]`:                            "group:break-glass",
		`protect: ["GROUP : break-glass"]`:                          "group:break-glass",
		`protect: ["groups:finance"]`:                               "! is not an address or an Atlassian account id; write an address,",
		`protect: ["ada"]`:                                          "! is not an address or an Atlassian account id",
		`protect: [break-glass]`:                                    "! is not an address or an Atlassian account id",
		`protect: [U0BOB1]`:                                         "! is not an address or an Atlassian account id",
		`protect: [U0BOB]`:                                          "! is not an address or an Atlassian account id",
		`protect: ["id:712020:abcd"]`:                               "! is not an address or an Atlassian account id",
		`protect: ["user:712020:abcd"]`:                             "! is not an address or an Atlassian account id",
		`protect: ["ada@northwind.example#hr"]`:                     "! is not an address: it holds '#' in the domain;",
		`protect: ["ada@northwind.example/"]`:                       "! is not an address: it holds '/' in the domain;",
		`protect: ["ada@north_wind.example"]`:                       "ada@north_wind.example",
		`protect: ["@northwind.example?"]`:                          "! is not a domain: it holds '?' in the domain;",
		`protect: ["ａda@northwind.example"]`:                        "ａda@northwind.example",
		`protect: [".ada.@northwind.example"]`:                      ".ada.@northwind.example", // an account may have it
		`protect: ["northwind.example"]`:                            "! is not an address or an Atlassian account id",
		`protect: ["group:*"]`:                                      "! is a pattern, and groups are compared as a whole; name each group",
		`protect: ["group:break-glass, group:ceo"]`:                 "! names several groups, and an entry is one; write each as an entry",
		`protect: ["group:break-glass;ceo"]`:                        "! names several groups, and an entry is one; write each as an entry",
		`protect: ["group:working group: finance, Berlin"]`:         "group:working group: finance, Berlin",
		`protect: [C0X12345]`:                                       "! is not an address or an Atlassian account id",
		`protect: ["department:7"]`:                                 "! is not an address or an Atlassian account id",
		`protect: ["role : admin1"]`:                                "! is not an address or an Atlassian account id",
		`protect: ["name:ada1"]`:                                    "! is not an address or an Atlassian account id",
		`protect: ["qm:712020:ab-1:2"]`:                             "qm:712020:ab-1:2",
		`protect: ["5b10a2844c20165700ede21g"]`:                     "5b10a2844c20165700ede21g",
		`protect: ["ada@northwind\uff0eexample"]`:                   "ada@northwind\uff0eexample",
		`protect: ["@northwind\u3002example"]`:                      "@northwind\u3002example",
		`protect: ["ada@northwind.example\u2026"]`:                  "! is not an address: it holds '\u2026' in the domain;",
		`protect: ["@north\u2105wind.example"]`:                     "! is not a domain: it holds '\u2105' in the domain;",
		`protect: ["group:'break-glass'"]`:                          "! stands in marks, and groups are compared as a whole; write the group's",
		`protect: ["group:\"break-glass\""]`:                        "! stands in marks, and groups are compared as a whole;",
		"protect: [\"group:`break-glass`\"]":                        "! stands in marks, and groups are compared as a whole;",
		`protect: ["group:\u201ebreak-glass\u201c"]`:                "! stands in marks, and groups are compared as a whole;",
		`protect: ["group:Bob's \"A\" team"]`:                       `group:Bob's "A" team`,
		`protect: ["group:the \"A\""]`:                              `group:the "A"`,
		`protect: ["group:break-glass,"]`:                           "! names several groups, and an entry is one;",
		`protect: ["group:group:break-glass"]`:                      "! says group: twice; write it as group:name",
		`protect: ["712020:"]`:                                      "! is not an address or an Atlassian account id",
		`protect: [":712020"]`:                                      "! is not an address or an Atlassian account id",
		`protect: ["712020::abcd"]`:                                 "! is not an address or an Atlassian account id",
	},
	"testdata/rule-accounts-spellings.txt": {
		`    - {when: {accounts: ["@bücher.example"]}, approvals: 2}`:                    "@bücher.example",
		`    - {when: {accounts: ["@xn--bcher-kva.example"]}, approvals: 2}`:             "@xn--bcher-kva.example",
		`    - {when: {accounts: ["@northwind.example."]}, approvals: 2}`:                "! is not a domain: it has a dot too many in the domain;",
		`    - {when: {accounts: ["@*.example"]}, approvals: 2}`:                         "! is a pattern, and domains are compared as a whole;",
		`    - {when: {accounts: [" @northwind.example"]}, approvals: 2}`:                "@northwind.example",
		`    - {when: {accounts: ["@northwind.example, @other.example"]}, approvals: 2}`: "! is not a domain: it holds ',';",
		`    - {when: {accounts: ["@north\u200bwind.example"]}, approvals: 2}`:           "! is not a domain: it holds the invisible character U+200B;",
		`    - {when: {accounts: ["ada@northwind.example"]}, approvals: 2}`:              "! is not a domain with an @ before it (@example.com) or group:name",
		`    - {when: {accounts: ["*@northwind.example"]}, approvals: 2}`:                "! is not a domain with an @ before it (@example.com) or group:name",
	},
	"": {
		`    - {when: {groups: []}, approvals: 2}`:                   "! is an empty list, which would hold always",
		`    - {when: {groups: [""]}, approvals: 2}`:                 "! an entry is empty; remove it",
		`    - {when: {groups: ["group: "]}, approvals: 2}`:          "! names no group",
		`    - {when: {groups: ["fin\u200bance"]}, approvals: 2}`:    "! holds an invisible character",
		`    - {when: {groups: finance}, approvals: 2}`:              "! ",
		`    - {when: {groups: ["*"]}, approvals: 2}`:                "! is a pattern, and groups are compared as a whole",
		`    - {when: {groups: ["finance;hr"]}, approvals: 2}`:       "! names several groups, and an entry is one",
		`    - {when: {groups: ["'finance'"]}, approvals: 2}`:        "! stands in marks, and groups are compared as a whole",
		`    - {when: {groups: ["finance,"]}, approvals: 2}`:         "! names several groups, and an entry is one",
		`    - {when: {groups: ["group:group:a"]}, approvals: 2}`:    "! says group: twice",
		`    - {when: {accounts: ["group:jira-*"]}, approvals: 2}`:   "! is a pattern, and groups are compared as a whole",
		`run: {window: {from: "19:00", to: "06:00", days: []}}`:      "! is an empty list, which would be every day; name the days",
		`    - {when: {org_admins: true, groups: [a]}, allow: true}`: "! cannot depend on the groups that accounts are added to or leave",
		`people: {accounts: {U0BOB: " 712020:abc "}}`:                "712020:abc",
		`people: {accounts: {U0BOB: "712020:a\u200bbc"}}`:            "! is not an Atlassian account id",
		`people: {accounts: {U0BOB: "bob@example.com"}}`:             "! is not an Atlassian account id",
		`people: {accounts: {U0BOB: "id 712020:abc"}}`:               "! is not an Atlassian account id",
		`people: {accounts: {U0BOB: "712020:a,712020:b"}}`:           "! is not an Atlassian account id",
		`people: {accounts: {U0BOB: "U0BOB1"}}`:                      "! is not an Atlassian account id",
		`people: {accounts: {U0BOB: "bob"}}`:                         "! is not an Atlassian account id",
		`people: {accounts: {U0BOB: "id:712020:abc"}}`:               "! is not an Atlassian account id",
	},
}

// What guards, and can match nothing as it is written, is refused with its line; everything else guards.
func TestWhatGuardsIsReadAsCellsAre(t *testing.T) {
	t.Parallel()
	for file, lines := range spellings {
		if file != "" {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if _, known := lines[strings.TrimRight(line, "\n")]; !known {
					t.Errorf("%s: what becomes of %s?", file, line)
				}
			}
		}
		for line, want := range lines {
			text := "\n" + line
			if strings.HasPrefix(line, "    -") {
				text = "approval:\n  rules:\n" + line
			}
			cfg, err := parse("config.yaml", []byte(text), 0)
			if words, refused := strings.CutPrefix(want, "! "); refused {
				if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "config.yaml:"+lineOf(line)+": ") {
					t.Errorf("%s: got %v, want an error with its line and %q", line, err, words)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			got := cfg.Protect
			for _, r := range cfg.Approval.Rules {
				got = append(got, r.When.Accounts...)
			}
			for _, id := range cfg.People.Accounts {
				got = append(got, id)
			}
			if diff := cmp.Diff([]string{want}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", line, diff)
			}
		}
	}
}

func lineOf(text string) string {
	if strings.HasPrefix(text, "    -") {
		return "3"
	}
	return "2"
}

// Sunday is 0 and 7, as cron has it elsewhere.
func TestSundayIsSeven(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"0 2 * * 7":         "0 2 * * 0",
		"0 2 * * 1,7":       "0 2 * * 1,0",
		"0 2 * * 5-7":       "0 2 * * 5,6,0",
		"0 2 * * 1-7/2":     "0 2 * * 1,3,5,0",
		"0 2 * * 1-5":       "0 2 * * 1-5",
		"7 7 7 7 *":         "7 7 7 7 *",
		"0 2 * * sun":       "0 2 * * sun",
		"0 2 * * mon-sun":   "0 2 * * 1,2,3,4,5,6,0",
		"0 2 * * Fri-SUN/2": "0 2 * * 5,0",
		"0 2 * * sun-7":     "0 2 * * 0,1,2,3,4,5,6,0",
		"0 2 * * 07":        "0 2 * * 0",
		"0 2 * * sun-tue":   "0 2 * * sun-tue",
		"@weekly":           "@weekly",
	} {
		cfg, err := parse("config.yaml", []byte(`reports: [{name: a, kind: managed-accounts, schedule: "`+given+`"}]`), 0)
		if err != nil {
			t.Errorf("%s: %v", given, err)
		} else if got := cfg.Reports[0].Schedule; got != want {
			t.Errorf("%s is read as %s, want %s", given, got, want)
		}
	}
}

// What is no file, or one that is nowhere, holds no database.
func TestPathsOfTheDatabase(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		":memory:": "is not the path of a file", "file::memory:": "is not the path of a file", "FILE:x.db": "is not the path of a file",
		"File:x?mode=memory": "is not the path of a file", "sqlite://x.db": "is an address, not the path of a file",
		"postgres://ada:secret@host/db": "is an address, not the path of a file", "~/bot.db": "begins with a home directory",
		"$HOME/bot.db": "begins with a variable", "%APPDATA%/bot.db": "begins with a variable", " ": "has spaces around it",
		"bot.db ": "has spaces around it", "data/": "is the path of a directory", "/": "is the path of a directory",
		"data/bot.db": "", "files/a:b.db": "", "file": "", "x.db?mode=memory": "",
	} {
		_, err := parse("config.yaml", []byte("store: {path: \""+path+"\"}"), 0)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}
