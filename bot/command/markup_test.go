package command_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
)

// Slack's marks around words are not part of them: of one word, of several, inside each other.
func TestMarksAroundWords(t *testing.T) {
	t.Parallel()
	const plain = "rename ada@old.example ada.lang@new.example reason: she married"
	want, err := command.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	link := func(address string) string { return fmt.Sprintf("<mailto:%s|%s>", address, address) }
	var texts []string
	for _, marks := range []string{"*", "_", "~", "`", "```", "*_", "_*", "*_~", "*`", "~*_`"} {
		end := ""
		for _, r := range marks {
			end = string(r) + end
		}
		around := func(s string) string { return marks + s + end }
		texts = append(texts,
			around("rename")+" ada@old.example ada.lang@new.example reason: she married",
			"rename "+around("ada@old.example")+" "+around("ada.lang@new.example")+" reason: she married",
			"rename "+around(link("ada@old.example"))+" "+around(link("ada.lang@new.example"))+" reason: she married",
			around("rename ada@old.example")+" ada.lang@new.example reason: she married",
			around("rename ada@old.example ada.lang@new.example")+" reason: she married",
			around("rename ada@old.example ada.lang@new.example reason: she married"),
			"rename ada@old.example "+around("ada.lang@new.example reason:")+" she married",
			"rename ada@old.example ada.lang@new.example "+around("reason:")+" she married",
			"rename ada@old.example ada.lang@new.example "+around("reason")+": she married",
			"rename ada@old.example ada.lang@new.example "+around("reason: she married"),
		)
	}
	for _, text := range texts {
		got, err := command.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// What only looks like a mark stays: in addresses, in quotes, in what is sent to somebody or said
// as a reason.
func TestWhatIsNoMark(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"deactivate _svc@old.example":                                   "_svc@old.example",
		"deactivate _svc_@old.example":                                  "_svc_@old.example",
		"deactivate _svc_.x@old.example":                                "_svc_.x@old.example",
		"deactivate a_b@old.example c_d@old.example":                    "a_b@old.example c_d@old.example",
		"deactivate _a@old.example _b@old.example":                      "_a@old.example _b@old.example",
		"deactivate _a@old.example -- as in file_":                      "_a@old.example | as in file_",
		"deactivate __svc@old.example":                                  "__svc@old.example",
		"deactivate a@old.example -- call *1234* or _ask_":              "a@old.example | call *1234* or _ask_",
		"*deactivate* a@old.example -- call *1234* *reason:* _they_ go": "a@old.example | call *1234* | _they_ go",
		"deactivate a@old.example reason: 2 * 3 * 4":                    "a@old.example | 2 * 3 * 4",
		"deactivate 712020:aa_bb 712020:cc_dd":                          "712020:aa_bb 712020:cc_dd",
	} {
		parsed, err := command.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := strings.Join(parsed.Users, " ")
		for _, more := range []string{parsed.Message, parsed.Reason} {
			if more != "" {
				got += " | " + more
			}
		}
		if got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
}

func TestMarksAroundVerbs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"deactivate, left", "*deactivate*, left", "*deactivate, left*", "_deactivate_: left", "~deactivate~ - left", "`deactivate`, left",
		"```deactivate```\nleft", "```\ndeactivate\n```\nleft", "*_deactivate_*, left", "&gt; deactivate, left", "please *deactivate*, left",
		"*please deactivate*, left", "<@U0BOT> *deactivate*, left", "*<@U0BOT> deactivate*, left", "deactivate *reason:* left",
		"deactivate *reason*: left", "*deactivate reason: left*", "`deactivate` `reason: left`", "• deactivate, left",
		"- deactivate, left", "– deactivate, left", "1. deactivate, left", "2) deactivate, left", "*1.* deactivate, left", "◦ deactivate, left",
		"<!here> deactivate, left", "<#C0X|requests> deactivate, left", "<!subteam^S0X|@it> deactivate, left", "🔒 deactivate, left",
		"&gt;&gt;&gt; deactivate, left", "\u200bdeactivate, left", "/countersign deactivate, left", "deactivate! left", "deactivate… left",
		"deactivate。left", "#deactivate, left", "«deactivate, left", "→ <@U0BOT>: deactivate, left",
	} {
		if verb, reason := command.ParseVerb(text); verb != workflow.Deactivate || reason != "left" {
			t.Errorf("%s is read as %q because of %q", text, verb, reason)
		}
	}
	if verb, reason := command.ParseVerb("*group add*, x"); verb != workflow.GroupAdd || reason != "x" {
		t.Errorf("%q because of %q", verb, reason)
	}
}

// A link that shows another address than it leads to is refused, and both are named, wherever an
// account, an address or a domain can stand.
func TestALinkThatShowsSomethingElse(t *testing.T) {
	t.Parallel()
	bad := "<mailto:eve@evil.example|ada@old.example>"
	for _, text := range []string{
		"deactivate " + bad, "deactivate x@old.example " + bad, "activate *" + bad + "*", "rename " + bad + " b@new.example",
		"rename a@old.example " + bad, "find " + bad, "deactivate <mailto:eve@evil.example|Ada Lang ada@old.example>",
		"deactivate <mailto:eve%40evil.example|ada@old.example>", "deactivate <mailto:eve@evil.example?subject=x|ada@old.example>",
	} {
		_, err := command.Parse(text)
		usage, ok := errors.AsType[*command.UsageError](err)
		if !ok || !strings.Contains(usage.Problem, "eve@evil.example") || !strings.Contains(usage.Problem, "ada@old.example") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"deactivate <mailto:Ada@old.example|ada@OLD.example>", "deactivate <mailto:ada@old.example>",
		"deactivate <mailto:ada%2Bx@old.example|ada+x@old.example>", "deactivate <mailto:ada@b%C3%BCcher.example|ada@xn--bcher-kva.example>",
		"deactivate a@old.example -- see <http://wiki.example/leavers|the wiki>", "find <http://old.example|old.example>",
	} {
		if _, err := command.Parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]command.Note{
		"":                                 {},
		"deactivate, left":                 {Verb: workflow.Deactivate, Reason: "left"},
		"deactivate reason: left":          {Verb: workflow.Deactivate, Reason: "left", Stated: true},
		"*reason:* left":                   {Reason: "left", Stated: true},
		"deactivate reason: ":              {Verb: workflow.Deactivate},
		"deactivate, left\nat: 18:00":      {Verb: workflow.Deactivate, Reason: "left", Times: command.Times{At: "18:00"}},
		"*Until:* friday\ndeactivate":      {Verb: workflow.Deactivate, Times: command.Times{Until: "friday"}},
		"deactivate\nreason: x\nfor : 8h":  {Verb: workflow.Deactivate, Reason: "x", Stated: true, Times: command.Times{For: "8h"}},
		"deactivate, look at: the list":    {Verb: workflow.Deactivate, Reason: "look at: the list"},
		"deactivate for: the new building": {Verb: workflow.Deactivate, Reason: "for: the new building"},
	} {
		if diff := cmp.Diff(want, command.ParseNote(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
