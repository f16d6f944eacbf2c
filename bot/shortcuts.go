package bot

import "github.com/countersign/countersign/bot/view"

// Shortcut is one of the app's shortcuts, as its manifest names them: a name of up to 24 letters.
type Shortcut struct {
	Name, Callback, Description string
	Message                     bool // in the menu of a message, else in that of the app
}

// Shortcuts are those that the bot answers to.
func Shortcuts() []Shortcut {
	return []Shortcut{
		{Name: "New request", Callback: view.ShortcutNew, Description: "Ask for a change of Atlassian accounts"},
		{Name: "Use this CSV", Callback: view.ShortcutCSV, Description: "Ask for what the file of this message lists", Message: true},
	}
}
