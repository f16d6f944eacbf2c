package sandbox_test

import "github.com/slack-go/slack"

func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject("plain_text", text, false, false)
}

func words(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject("mrkdwn", text, false, false)
}

func option(value, text string) *slack.OptionBlockObject {
	return slack.NewOptionBlockObject(value, plain(text), nil)
}

// form has one input of each sort that the page draws.
func form() slack.ModalViewRequest {
	action := slack.NewOptionsSelectBlockElement("static_select", plain("Choose"), "action",
		option("rename", "Change an address"), option("deactivate", "Deactivate"))
	file := slack.NewFileInputBlockElement("file").WithFileTypes("csv").WithMaxFiles(1)
	list := slack.NewInputBlock("file", plain("List"), plain("A CSV with the accounts"), file)
	list.Optional = true
	return slack.ModalViewRequest{
		Type: "modal", CallbackID: "new", Title: plain("New request"), Submit: plain("Check"), Close: plain("Cancel"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewSectionBlock(words("What is to happen? *Nothing is done* before somebody else agrees."), nil, nil),
			slack.NewInputBlock("action", plain("Action"), nil, action),
			slack.NewInputBlock("address", plain("New address"), nil,
				slack.NewPlainTextInputBlockElement(plain("name@northwind-group.example"), "address")),
			list,
		}},
	}
}

// gallery has a block of each sort that the page draws.
func gallery() []slack.Block {
	menu := slack.NewOptionsSelectBlockElement("static_select", plain("What is to happen?"), "choose",
		option("rename", "Rename"), option("deactivate", "Deactivate"))
	overflow := slack.NewOverflowBlockElement("more", option("history", "History"), option("export", "Export"))
	bold, code := &slack.RichTextSectionTextStyle{Bold: true}, &slack.RichTextSectionTextStyle{Code: true}
	section := func(elements ...slack.RichTextSectionElement) *slack.RichTextSection {
		return slack.NewRichTextSection(elements...)
	}
	return []slack.Block{
		slack.NewHeaderBlock(plain("Gallery")),
		slack.NewSectionBlock(words("*bold* _italic_ ~gone~ `code` <https://docs.example|a link> <#C0GENERAL> <@U0HANA>\n"+
			"> a quote\n```\nplain  text\n```"), nil, slack.NewAccessory(overflow)),
		slack.NewDividerBlock(),
		slack.NewRichTextBlock("rich",
			section(slack.NewRichTextSectionTextElement("Rich ", bold), slack.NewRichTextSectionTextElement("text", code)),
			slack.NewRichTextList(slack.RTEListBullet, 0,
				section(slack.NewRichTextSectionTextElement("one", nil)), section(slack.NewRichTextSectionTextElement("two", nil)))),
		slack.NewMarkdownBlock("md", "## Markdown\n\n1. first **bold**\n2. second\n\n| name | count |\n|---|---|\n| a | 1 |\n"),
		slack.NewContextBlock("", words(":hourglass_flowing_sand: checking *1,200* of 5,000")),
		slack.NewActionBlock("", menu),
	}
}
