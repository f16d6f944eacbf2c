package sandbox_test

import (
	"fmt"

	"github.com/slack-go/slack"
)

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
	search := slack.NewOptionsSelectBlockElement("external_select", plain("Type a name"), "person")
	search.MinQueryLength = new(1)
	person := slack.NewInputBlock("person", plain("Account"), nil, search)
	person.Optional = true
	when := slack.NewInputBlock("when", plain("When"), nil, slack.NewDateTimePickerBlockElement("when"))
	when.Optional = true
	list := slack.NewInputBlock("file", plain("List"), plain("A CSV with the accounts"), file)
	list.Optional = true
	return slack.ModalViewRequest{
		Type: "modal", CallbackID: "new", Title: plain("New request"), Submit: plain("Check"), Close: plain("Cancel"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewSectionBlock(words("What is to happen? *Nothing is done* before somebody else agrees."), nil, nil),
			slack.NewInputBlock("action", plain("Action"), nil, action),
			slack.NewInputBlock("address", plain("New address"), nil,
				slack.NewPlainTextInputBlockElement(plain("name@northwind-group.example"), "address")),
			list, person, when,
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
		dataTable(12),
		slack.NewDataVisualizationBlock("Billable accounts", slack.NewDataVisualizationLineChart(
			slack.NewDataVisualizationAxisConfig("Fri", "Sat", "Sun"), slack.NewDataVisualizationDataSeries("billable",
				slack.NewDataVisualizationDataPoint("Fri", 212), slack.NewDataVisualizationDataPoint("Sat", 212),
				slack.NewDataVisualizationDataPoint("Sun", 211)))),
		slack.NewDataVisualizationBlock("By domain", slack.NewDataVisualizationPieChart(
			slack.NewDataVisualizationSegment("northwind", 192), slack.NewDataVisualizationSegment("group", 45))),
		slack.NewContainerBlock(slack.NewSectionBlock(words("inside"), nil, nil)).WithTitle(plain("Why 2 are blocked")).
			WithCollapsible(true, false),
		slack.NewLayoutBlock("Numbers", slack.NewLayoutRow(slack.NewLayoutItem(slack.NewSectionBlock(words("*39* ready"), nil, nil)),
			slack.NewLayoutItem(slack.NewSectionBlock(words("*1* blocked"), nil, nil)))),
	}
}

func dataTable(rows int) *slack.DataTableBlock {
	table := &slack.DataTableBlock{Type: slack.MBTDataTable, Caption: "Rows of #8", Rows: [][]slack.DataTableCell{{
		slack.NewDataTableRawTextCell("line"), slack.NewDataTableRawTextCell("person"), slack.NewDataTableRawTextCell("open"),
	}}}
	for i := range rows {
		table.Rows = append(table.Rows, []slack.DataTableCell{
			slack.NewDataTableRawNumberCell(float64(i + 2)), slack.NewDataTableRawTextCell(fmt.Sprintf("Person %d", i)),
			slack.NewDataTableActionCell(slack.NewButtonBlockElement("review", fmt.Sprint(i+2), plain("Review"))),
		})
	}
	return table
}

// home is what the Home tab shows.
func home(pressed string) slack.HomeTabViewRequest {
	return slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{
		slack.NewHeaderBlock(plain("Waiting for you")), slack.NewSectionBlock(words("pressed: "+pressed), nil, nil), dataTable(7),
	}}}
}
