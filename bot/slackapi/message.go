package slackapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

func (m Message) options() []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionText(m.Fallback(), false), slack.MsgOptionBlocks(m.Blocks...)}
}

// Message is what is put into Slack: blocks for the eye and the same in a few words for
// notifications and screen readers.
type Message struct {
	Text   string
	Blocks []slack.Block

	Revision int64 // of what it shows, kept beside the key; 0 where nobody asks
}

// metadata is what goes along with a message of that key; see Posted. thread is where it belongs, ""
// for a message of its own: Slack itself forgets that where it puts one into the channel.
func (m Message) metadata(key, thread string) slack.MsgOption {
	payload := map[string]any{}
	if key != "" {
		payload[noteKey] = key
	}
	if thread != "" {
		payload[noteThread] = thread
	}
	if m.Revision != 0 {
		payload[noteRevision] = m.Revision
	}
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: postEvent, EventPayload: payload})
}

// Fallback is the text as Slack takes it.
func (m Message) Fallback() string { return Clip(m.Text, MaxFallback) }

// renewed is the message under block ids that no edit before had: Slack asks for new ones at every
// edit, even when the message says what it said. The blocks it was made of stay as they are.
func (m Message) renewed(at time.Time) Message {
	suffix := "-" + strconv.FormatInt(at.UnixMilli(), 36)
	blocks := make([]slack.Block, len(m.Blocks))
	for i, b := range m.Blocks {
		switch b := b.(type) {
		case *slack.HeaderBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		case *slack.SectionBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		case *slack.ContextBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		case *slack.ActionBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		case *slack.TableBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		case *slack.DataTableBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		case *slack.DataVisualizationBlock:
			c := *b
			c.BlockID += suffix
			blocks[i] = &c
		default: // a kind that no message of ours has
			blocks[i] = b
		}
	}
	m.Blocks = blocks
	return m
}

// Clip cuts s after limit letters, visibly.
func Clip(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit-1 && strings.TrimSpace(s[i:]) != "" && runesFrom(s[i:], 2) {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// runesFrom reports whether s has at least n letters.
func runesFrom(s string, n int) bool {
	for range s {
		if n--; n == 0 {
			return true
		}
	}
	return false
}

// MaxFallback is how long the text of a message may be, in letters.
const MaxFallback = 3_000 // chat.update refuses more than 4,000 (msg_too_long)
