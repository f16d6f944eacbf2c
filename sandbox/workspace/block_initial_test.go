package workspace_test

import (
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

// An element that begins with what nobody could choose or type in it is refused, as Slack does.
func TestWhatAnElementBeginsWith(t *testing.T) {
	option := func(value string) *slack.OptionBlockObject {
		return slack.NewOptionBlockObject(value, plainText(value), nil)
	}
	other := slack.NewOptionBlockObject("a", plainText("another label"), nil)
	menu := func(initial *slack.OptionBlockObject) slack.BlockElement {
		return slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, nil, "x", option("a"), option("b")).WithInitialOption(initial)
	}
	grouped := func(initial *slack.OptionBlockObject) slack.BlockElement {
		group := slack.NewOptionGroupBlockElement(plainText("group"), option("a"))
		return slack.NewOptionsGroupSelectBlockElement(slack.OptTypeStatic, nil, "x", group).WithInitialOption(initial)
	}
	boxes := func(initial *slack.OptionBlockObject) slack.BlockElement {
		e := slack.NewCheckboxGroupsBlockElement("x", option("a"))
		e.InitialOptions = []*slack.OptionBlockObject{initial}
		return e
	}
	radio := func(initial *slack.OptionBlockObject) slack.BlockElement {
		e := slack.NewRadioButtonsBlockElement("x", option("a"))
		e.InitialOption = initial
		return e
	}
	typed := func(value string, least, most int) slack.BlockElement {
		e := slack.NewPlainTextInputBlockElement(nil, "x").WithInitialValue(value)
		e.MinLength, e.MaxLength = least, most
		return e
	}
	for name, c := range map[string]struct{ good, bad slack.BlockElement }{
		"menu":           {menu(option("b")), menu(option("c"))},
		"another label":  {menu(option("a")), menu(other)},
		"menu of groups": {grouped(option("a")), grouped(option("b"))},
		"checkboxes":     {boxes(option("a")), boxes(other)},
		"radio buttons":  {radio(option("a")), radio(option("b"))},
		"max_length":     {typed("éé", 0, 2), typed("ééé", 0, 2)},
		"min_length":     {typed("éé", 2, 0), typed("é", 2, 0)},
		"most of all":    {typed(letters(3000), 0, 0), typed(letters(3001), 0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, workspace.Config{})
			a := connect(t, w, ack)
			open := func(e slack.BlockElement) error {
				if err := w.GlobalShortcut(t.Context(), alice, "new"); err != nil {
					t.Fatal(err)
				}
				shortcut, _ := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
				form := modal()
				form.Blocks.BlockSet = []slack.Block{slack.NewInputBlock("x", plainText("X"), nil, e)}
				_, err := client(w).OpenViewContext(t.Context(), shortcut.TriggerID, form)
				return err
			}
			if err := open(c.good); err != nil {
				t.Errorf("refused: %v", err)
			}
			if err := open(c.bad); err == nil || !strings.Contains(err.Error(), "invalid_arguments") {
				t.Errorf("taken: %v", err)
			}
		})
	}
}
