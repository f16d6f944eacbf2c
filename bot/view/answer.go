package view

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Choice is what one entry of the menu under a file brings back. Written, its parts stand behind
// each other with spaces: none of them has any.
type Choice struct {
	Action workflow.ActionName
	File   string // id
	Author string // of the message that brought the file
	TS     string // of that message
}

func (c Choice) String() string {
	return strings.Join([]string{string(c.Action), c.File, c.Author, c.TS}, " ")
}

// ParseChoice reads what an entry of the menu brings back; ok is false when it is not one of ours.
func ParseChoice(s string) (c Choice, ok bool) {
	parts := strings.Split(s, " ")
	if len(parts) != 4 || slices.Contains(parts, "") {
		return c, false
	}
	c = Choice{Action: workflow.ActionName(parts[0]), File: parts[1], Author: parts[2], TS: parts[3]}
	return c, action.Built(c.Action)
}

// Menu asks what to do with the accounts of a file. meant are the words by which its message would say
// what it seems to; "" for none.
func Menu(f slackapi.File, author, ts, meant string, why error) slackapi.Message {
	var options []*slack.OptionBlockObject
	for _, name := range action.Names() {
		// The columns are those that say nothing of an action: what needs one more cannot be meant.
		if a, ok := action.For(name); !ok || len(a.Needs()) > 0 {
			continue
		}
		value := Choice{Action: name, File: f.ID, Author: author, TS: ts}.String()
		if len(value) > maxOptionValue { // ids are short; a menu entry that cannot be taken is of no use
			continue
		}
		options = append(options, slack.NewOptionBlockObject(value, plain(string(name), maxOptionText), nil))
	}
	needs, known := errors.AsType[*workflow.NeedsActionError](why)
	accounts := "accounts"
	switch {
	case known && needs.Rows == 1:
		accounts = "account"
	case known && needs.Rows > 1:
		accounts = number(needs.Rows) + " accounts"
	}
	text := "What should happen to the " + accounts + " in " + quoted(f.Name, lineText) + "?"
	if known && len(needs.Unknown) > 0 {
		text += " " + sentence(quoted(strings.TrimPrefix(needs.Words(), ". "), reasonText))
	}
	if meant != "" {
		text += " If you mean `" + escape(meant) + "`, send the file again with these words."
	}
	pick := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose", maxPlaceholder), ActionChoose, options...)
	return slackapi.Message{Text: text, Blocks: []slack.Block{section("ask", text), slack.NewActionBlock("choose-"+f.ID, pick)}}
}

// Chose takes the place of a menu that was used.
func Chose(person string, action workflow.ActionName) slackapi.Message {
	return Said(fmt.Sprintf("%s chose %s.", mention(person), action))
}

// NotSupported answers a command that this version only knows by name.
func NotSupported(command string) slackapi.Message {
	return Said("`" + escape(command) + "` is not supported yet.")
}

// HelpLine is one command as help shows it.
type HelpLine struct {
	Name      string // the words it begins with
	Usage     string // without the slash command itself
	Does      string
	Supported bool
}

// Help lists what can be asked.
func Help(command string, lines []HelpLine) slackapi.Message {
	var does, later []string
	for _, c := range lines {
		if c.Supported {
			does = append(does, fmt.Sprintf("`%s` %s", escape(command+" "+c.Usage), escape(c.Does)))
			continue
		}
		later = append(later, "`"+escape(c.Name)+"`")
	}
	text := "countersign changes Atlassian accounts in bulk, after a second person has approved.\n" + strings.Join(does, "\n")
	files := "Or post a CSV in the requests channel: one column for the account (`account_id` or `old_email`) and one for the new " +
		"value (`new_email`). For one action on all rows, write it in the message, for example “deactivate”. Add `reason: …` to say why."
	lists := "To see who has left, post the list of who works here (a CSV with names and addresses) with the word `compare`. " +
		"I set it beside last night's accounts; nothing is changed."
	blocks := append(paragraphs("help", text), section("files", files), section("lists", lists))
	if len(later) > 0 {
		blocks = append(blocks, note("later", "Not supported yet: "+strings.Join(later, ", ")))
	}
	return slackapi.Message{Text: "What I can do", Blocks: blocks}
}

// Summarised is a batch in a list.
type Summarised struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
	Only    *workflow.Change // its one row, nil where it has more
	Link    string           // of the card, "" when there is none
	Goes    string           // of one that runs: how long it has to go, or what it waits for; "" where that is not known
}

func (s Summarised) line() string {
	title := quoted(Title(s.Batch, s.Summary, s.Only, nil), lineText)
	if s.Link != "" {
		title = "<" + s.Link + "|" + title + ">"
	}
	if s.Batch.State.Open() { // else the title says how it ended
		title += " · " + plainState(s.Batch)
	}
	return fmt.Sprintf("%s · asked by %s %s", title, mention(s.Batch.Requester.ID), moment(s.Batch.Created))
}

// Recent lists batches, the newest first.
func Recent(batches []Summarised) slackapi.Message {
	if len(batches) == 0 {
		return Said("No batches yet.")
	}
	var out []string
	for _, s := range batches[:min(len(batches), linesShown)] {
		out = append(out, "• "+s.line())
	}
	return Said(strings.Join(out, "\n"))
}

// One shows a batch with what the check or the run made of it.
func One(s Summarised) slackapi.Message {
	c := Card{Batch: s.Batch, Summary: s.Summary}
	text := s.line() + "\n" + c.status()
	if not := c.notRun(); not != "" {
		text += "\n" + not
	}
	if s.Batch.Digest != "" {
		text += "\n" + planWords(s.Batch)
	}
	return Said(text)
}
