package bot

import (
	"errors"
	"strings"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// say gives the words for an error, and where there are none a reference that is in the log, too.
func (b *Bot) say(err error, doing string) slackapi.Message {
	if usage, is := errors.AsType[*command.UsageError](err); is {
		b.log.Info().Str("doing", doing).Err(err).Msg("refused")
		if usage.Say != "" {
			return view.Instead(usage.Problem, strings.ReplaceAll(usage.Say, "{command}", b.cfg.Command))
		}
		return view.Usage(b.cfg.Command, usage.Problem, usage.Usage, usage.Nearest)
	}
	text, ok := view.Words(err, b.cfg.Command, b.admins...)
	if !ok {
		ref := b.reference()
		b.log.Error().Str("reference", ref).Str("doing", doing).Err(err).Msg("no words for an error")
		if trouble, is := errors.AsType[workflow.DatabaseError](err); is {
			if what, remedy := trouble.Trouble(); what != "" {
				return view.Said(view.DatabaseFault(what, remedy, ref))
			}
		}
		return view.Said(view.Fault(ref))
	}
	b.log.Info().Str("doing", doing).Err(err).Msg("refused")
	return view.Said(text)
}

// sayInForm is say in a form that is filled in again: it names the field where one is wrong.
func (b *Bot) sayInForm(err error, doing string) string {
	if text, ok := view.FormWords(err); ok {
		b.log.Info().Str("doing", doing).Err(err).Msg("refused")
		return text
	}
	return b.say(err, doing).Text
}

// help lists what can be asked.
func (b *Bot) help() slackapi.Message {
	var lines []view.HelpLine
	for _, c := range command.Commands() {
		lines = append(lines, view.HelpLine{Name: c.Name, Usage: c.Usage, Does: c.Does, Supported: c.Supported})
	}
	return view.Help(b.cfg.Command, lines)
}
