package view

import (
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// Taken names, under the message that brought a file, the batch that it became; link is to its
// card, "" when there is none.
func Taken(b *workflow.Batch, link string) slackapi.Message {
	text := fmt.Sprintf("%s is request #%d.", quoted(b.Source.FileName, lineText), b.Number)
	if link != "" {
		text += CardLink(link)
	}
	return Said(text)
}

// CardLink returns " <link>" to a card, to put behind a sentence.
func CardLink(url string) string { return " <" + url + "|See its card>." }

// CardStands links to a card that was posted later than the answer that should have named it.
func CardStands(number int64) string { return fmt.Sprintf("#%d has its card now.", number) }

// CardDeleted stands for Slack's code where somebody deletes the card each time it is posted.
const CardDeleted = "card_deleted"

// Direct tells a person where a batch stands whose channel is closed to us; code is what Slack says
// of it, or CardDeleted; a code that we do not know may be about the card alone.
func (t Thread) Direct(channel, code string) slackapi.Message {
	b := t.Batch
	state := ended(b)
	switch {
	case !b.Started.IsZero() && !b.State.Open():
		state = t.outcome()
	case b.State == workflow.Running:
		state = sentence(plainState(b)) // its progress cannot be seen
	}
	why := fmt.Sprintf("Slack does not take this card in <#%s> (%s)", channel, code)
	switch {
	case code == CardDeleted:
		why = fmt.Sprintf("Somebody deletes this card from <#%s> each time it is posted", channel)
	case slackapi.Closes(code):
		why = fmt.Sprintf("countersign cannot write into <#%s> (%s)", channel, code)
	}
	return Said(fmt.Sprintf("%s, so you get it here. %s: %s", why, quoted(Title(b, t.Summary, nil, t.Gist), lineText), state))
}

// DirectCard tells it a person who may decide: the card itself, to be answered where it stands.
func DirectCard(c Card, channel, code string) slackapi.Message {
	m := Thread{Batch: c.Batch, Summary: c.Summary, Gist: c.Gist}.Direct(channel, code)
	m.Blocks = append(m.Blocks, c.Draw().Blocks...)
	return m
}

// Emergency tells an admin that a batch of the emergency group needs one approval only.
func (t Thread) Emergency(link string) slackapi.Message {
	b := t.Batch
	text := fmt.Sprintf(":rotating_light: *Emergency*: %s, asked by %s: “%s”. "+
		"1 approval by another person is enough.",
		quoted(Does(b, t.Summary, nil, t.Gist), lineText), mention(b.Requester.ID), quoted(b.Reason, reasonText))
	if link != "" {
		text += CardLink(link)
	}
	return Said(text)
}

// inDetails says where rows are seen that a file would have.
const inDetails = "*Details* on the card shows every row."

// InsteadOfFile says that a file cannot be shown, in its place, and how its rows can be seen; batch
// 0 is a file of none.
func InsteadOfFile(name, code string, batch int64) slackapi.Message {
	text := fmt.Sprintf("%s cannot be put here: Slack does not take it (%s).", name, code)
	if batch != 0 {
		text += " " + inDetails + " " + fileOf(batch)
	}
	return Said(text)
}

// FileLate says that a file has not arrived; FileCame takes its place once it has, or never will.
func FileLate(name string, since time.Time) slackapi.Message {
	return Said(fmt.Sprintf(":warning: %s is not here yet: Slack has not taken it since %s. The upload is tried again.", name, moment(since)))
}

// FileCame says what became of a file that was late.
func FileCame(name string, f File) slackapi.Message {
	if f.There {
		return Said(name + " was late and is here now.")
	}
	return Said(name + " cannot be put here. " + inDetails)
}

// WindowOpens returns in words what an approved batch waits for while the run window is closed,
// which opens then; never when that is zero.
func WindowOpens(opens time.Time) string {
	if opens.IsZero() {
		return "the run window never opens (run.window)"
	}
	return "the run window opens " + moment(opens)
}

// NoCallsUntil returns until when Atlassian takes no calls.
func NoCallsUntil(until time.Time) string { return "Atlassian takes no calls until " + moment(until) }

// RunWaits returns what a run waits for, and until when; "" when it is at work.
func RunWaits(w workflow.RunWait) string {
	switch {
	case w.Until.IsZero():
		return ""
	case w.ReadBack > 0:
		return many(w.ReadBack, "row is", "rows are") + " being confirmed, next look at " + clock(w.Until)
	case w.Silent:
		return "Atlassian does not answer, next try at " + clock(w.Until)
	}
	return "Atlassian asked to wait until " + clock(w.Until)
}

// nobodyCan begins what TooFewApprovers says where no click would be admitted.
const nobodyCan = "Nobody can approve this"

// TooFewApprovers says why fewer people can approve than are needed, and what to do: so many can, there
// are others whom no click would admit, it is these people's own account, and these groups have nobody or
// cannot be read.
func TooFewApprovers(able, need int, others bool, owners []string, trouble []GroupTrouble) string {
	const addAdmin = "Add one to the settings (people.admins), or withdraw it"
	var why, do string
	switch {
	case able > 0:
		why = fmt.Sprintf("Only %s can approve this, but it needs %s", many(able, "other admin", "other admins"), number(need))
		do = addAdmin
	case len(owners) > 0:
		why, do = nobodyCan+": it changes the account of "+list(owners)+", and no other admin may", addAdmin
	case len(trouble) == 0 && others:
		why = nobodyCan + ": the other admins may not; countersign doctor says why"
	case len(trouble) == 0:
		why, do = nobodyCan+": there is no other admin", addAdmin
	default:
		why = nobodyCan
	}
	if len(trouble) > 0 {
		words := make([]string, len(trouble))
		for i, t := range trouble {
			words[i] = t.String()
		}
		why += ": " + list(words)
		do = "Add admins to " + plural(len(words), "it", "them") + " in Slack, or withdraw it"
		if slices.ContainsFunc(trouble, func(t GroupTrouble) bool { return t.Code != "" }) {
			do = "countersign doctor says what to do"
		}
	}
	if do == "" {
		return why + "."
	}
	return why + ". " + do + "."
}

// GroupTrouble is a user group of admins that gives none: it is empty, or cannot be read.
type GroupTrouble struct {
	Group string
	Code  string // by which Slack refuses to show it; "" when it is empty
}

func (t GroupTrouble) String() string {
	if t.Code == "" {
		return "the group " + t.Group + " is empty"
	}
	return "the group " + t.Group + " cannot be read (" + t.Code + ")"
}
