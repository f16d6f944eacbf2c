package bot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// The ids of the form for a rejection.
const (
	rejectForm  = "reject_form"
	reasonBlock = "reason"
	reasonInput = "reason_text"
)

// needsReason is the answer to a rejection whose reason is nothing but spaces.
const needsReason = "Say what is wrong with it: the card shows it, and who asked has to know."

// rejectModal asks for the reason of a rejection.
func rejectModal(f formData) slack.ModalViewRequest {
	title := "Reject"
	if n, _, ok := parseValue(f.Value); ok {
		title = fmt.Sprintf("Reject #%d", n)
	}
	input := slack.NewPlainTextInputBlockElement(plain("What is wrong with it?", maxPlaceholder), reasonInput)
	input.Multiline, input.MaxLength, input.MinLength = true, reasonText, 1
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: rejectForm, PrivateMetadata: f.String(),
		Title: plain(title, maxViewTitle), Submit: plain("Reject", maxViewTitle), Close: plain("Not now", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewInputBlock(reasonBlock, plain("Reason", maxLabel), plain("The card shows it to everybody.", maxLabel), input),
		}},
	}
}

// choice is what one entry of the menu under a file brings back. Written, its parts stand behind each other with spaces:
// none of them has any.
type choice struct {
	Action workflow.ActionName
	File   string // id
	Author string // of the message that brought the file
	TS     string // of that message
}

func (c choice) String() string {
	return strings.Join([]string{string(c.Action), c.File, c.Author, c.TS}, " ")
}

func parseChoice(s string) (c choice, ok bool) {
	parts := strings.Split(s, " ")
	if len(parts) != 4 || slices.Contains(parts, "") {
		return c, false
	}
	c = choice{Action: workflow.ActionName(parts[0]), File: parts[1], Author: parts[2], TS: parts[3]}
	return c, workflow.Built(c.Action)
}

// menu asks what is to happen to the accounts of a file.
func menu(f file, author, ts string) message {
	var options []*slack.OptionBlockObject
	for _, name := range workflow.BuiltActions() {
		// The columns are those that say nothing of an action: what needs one more cannot be meant.
		if a, ok := workflow.ActionFor(name); !ok || len(a.Needs) > 0 {
			continue
		}
		value := choice{Action: name, File: f.ID, Author: author, TS: ts}.String()
		if len(value) > maxOptionValue { // ids are short; a menu entry that cannot be taken is of no use
			continue
		}
		options = append(options, slack.NewOptionBlockObject(value, plain(string(name), maxOptionText), nil))
	}
	text := "Neither " + quoted(f.Name, lineText) + " nor the message says what is to happen. " +
		"What shall I do with these accounts?"
	pick := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose", maxPlaceholder), actionChoose, options...)
	return message{Text: text, Blocks: []slack.Block{section("ask", text), slack.NewActionBlock("choose-"+f.ID, pick)}}
}

// help lists what can be asked.
func help(command string) message {
	var does, later []string
	for _, c := range workflow.Commands() {
		if c.Supported {
			does = append(does, fmt.Sprintf("`%s` %s", escape(command+" "+c.Usage), escape(c.Does)))
			continue
		}
		later = append(later, "`"+escape(c.Name)+"`")
	}
	text := "I change Atlassian accounts in bulk, after a second person has approved.\n" + strings.Join(does, "\n")
	files := "Or send me a CSV in the requests channel: a column for the account (`account_id` or `old_email`) and one " +
		"for the new value (`new_email`); or say in the message what to do, such as “deactivate”. A reason goes behind `reason:`."
	blocks := []slack.Block{section("help", text), section("files", files)}
	if len(later) > 0 {
		blocks = append(blocks, note("later", "Not supported yet: "+strings.Join(later, ", ")))
	}
	return message{Text: "What I can do", Blocks: blocks}
}

// maxAccountID is how long an account id can be (user management API, AccountId).
const maxAccountID = 128

// found lists accounts and what may be done to each.
func found(text string, accounts []workflow.Found) message {
	if len(accounts) == 0 {
		return said("No account found for “" + quoted(text, lineText) + "”.")
	}
	const most = 8 // as many as a message can bear
	count, hint := many(len(accounts), "account", "accounts"), ""
	if len(accounts) > most { // and there may be more than were looked for
		count, hint = fmt.Sprintf("The first %d accounts", most), "; look for something longer"
	}
	blocks := []slack.Block{section("head", "*"+count+"* for “"+quoted(text, lineText)+"”"+hint)}
	for i, f := range accounts[:min(len(accounts), most)] {
		blocks = append(blocks, section(fmt.Sprintf("account-%d", i), account(f)))
	}
	return message{Text: count, Blocks: blocks}
}

func account(f workflow.Found) string {
	a := f.Account
	s := fmt.Sprintf("*%s* %s\n%s · %s", quoted(cmp.Or(a.Name, "(no name)"), tableCell), quoted(a.Email, tableCell),
		coded(a.ID, maxAccountID), quoted(string(a.Status), tableCell))
	if !a.Managed {
		return s + " · not a managed account"
	}
	if f.Held != 0 {
		s += fmt.Sprintf(" · in open batch #%d", f.Held)
	}
	if f.Barred.Code != "" {
		s += "\n• " + quoted(f.Barred.Words(), causeText)
	}
	for _, action := range slices.Sorted(maps.Keys(f.Privileges)) {
		if already(a, action) {
			continue
		}
		if p := f.Privileges[action]; p.Allowed {
			s += "\n• " + string(action) + ": may be done"
		} else {
			reason := workflow.NewReason(workflow.ReasonNotAllowed, string(action), p.Key)
			s += "\n• " + string(action) + ": " + quoted(reason.Words(), causeText)
		}
	}
	return s
}

// already says that the action would change nothing of the account, whatever came with it.
func already(a workflow.Account, name workflow.ActionName) bool {
	action, ok := workflow.ActionFor(name)
	return ok && len(action.Needs) == 0 && action.Shows(a, workflow.Step{AccountID: a.ID, Action: name})
}

// domains lists the domains of the organisation.
func domains(claims []workflow.DomainClaim) message {
	if len(claims) == 0 {
		return said("The organisation has no domains.")
	}
	var out []string
	for i, c := range claims {
		if i == domainLines {
			out = append(out, fmt.Sprintf("and %s more", number(len(claims)-i)))
			break
		}
		word := "verified"
		if !c.Verified {
			word = "*not verified*"
			if c.Status != "" && !strings.EqualFold(c.Status, "unverified") {
				word += " (" + quoted(c.Status, tableCell) + ")"
			}
		}
		out = append(out, "• "+quoted(c.Name, tableCell)+": "+word)
	}
	return said(strings.Join(out, "\n"))
}

// summarised is a batch in a list.
type summarised struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
	Link    string // of the card, "" when there is none
}

func (s summarised) line() string {
	title := escape(batchTitle(s.Batch, s.Summary))
	if s.Link != "" {
		title = "<" + s.Link + "|" + title + ">"
	}
	return fmt.Sprintf("%s · %s · %s %s", title, plainState(s.Batch), mention(s.Batch.Requester.ID), moment(s.Batch.Created))
}

// recent lists batches, the newest first.
func recent(batches []summarised) message {
	if len(batches) == 0 {
		return said("There are no batches yet.")
	}
	var out []string
	for _, s := range batches[:min(len(batches), linesShown)] {
		out = append(out, "• "+s.line())
	}
	return said(strings.Join(out, "\n"))
}

// one shows a batch with what the check or the run made of it.
func one(s summarised) message {
	c := card{Batch: s.Batch, Summary: s.Summary}
	text := s.line()
	if counts := c.counts(); counts != "" {
		text += "\n" + counts
	}
	if s.Batch.Digest != "" {
		text += "\n" + planWords(s.Batch.Digest)
	}
	return said(text + "\n" + c.status())
}
