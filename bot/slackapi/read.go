package slackapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// maxPageBytes bounds one answer of a method that reads messages.
const maxPageBytes = 32 << 20

// Posted is a message as Slack's methods that read messages give it, as far as we look at it.
type Posted struct {
	Subtype string `json:"subtype"`
	Person  string `json:"user"`
	BotID   string `json:"bot_id"`
	Text    string `json:"text"`
	TS      string `json:"ts"`
	Thread  string `json:"thread_ts"`
	Latest  string `json:"latest_reply"` // of a parent
	Files   []File `json:"files"`

	// App and Bot are those of a program that sent it in somebody's name; Slack's own clients send none.
	App string          `json:"app_id"`
	Bot json.RawMessage `json:"bot_profile"`

	Metadata struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	} `json:"metadata"`
}

// Key returns the key under which we posted the message, and the revision that it shows; "" and 0
// where it has none.
func (p *Posted) Key() (key string, revision int64) {
	key, _ = p.Metadata.Payload[noteKey].(string)
	number, _ := p.Metadata.Payload[noteRevision].(float64) // of JSON
	return key, int64(number)
}

// Stray reports whether a message of ours stands in a channel and belongs into a thread: its metadata
// says so, and our files never stand anywhere else.
func (p *Posted) Stray() bool {
	thread, _ := p.Metadata.Payload[noteThread].(string)
	return p.Thread == "" && p.Subtype != tombstoned && (thread != "" || len(p.Files) > 0)
}

// paged is what these methods answer.
type paged struct {
	OK       bool     `json:"ok"`
	Error    string   `json:"error"`
	Messages []Posted `json:"messages"`
	Channels []struct {
		ID     string `json:"id"`
		Person string `json:"user"` // of direct messages: the other
	} `json:"channels"`
	Next struct {
		Cursor string `json:"next_cursor"`
	} `json:"response_metadata"`
}

// read calls a method that reads messages or places. It is read into our own shapes: slack-go
// refuses a whole page for one block in somebody's message that it does not know.
func (c *Client) read(ctx context.Context, method string, args url.Values) (answer paged, err error) {
	maps.DeleteFunc(args, func(_ string, values []string) bool { return values[0] == "" })
	err = c.call(ctx, method, func(ctx context.Context) error {
		answer, err = c.readOnce(ctx, method, args)
		return err
	})
	return answer, err
}

func (c *Client) readOnce(ctx context.Context, method string, args url.Values) (answer paged, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+method, strings.NewReader(args.Encode()))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		return answer, err
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end, or is of no use
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil {
			seconds = int(defaultThrottled.Seconds())
		}
		return answer, &slack.RateLimitedError{RetryAfter: time.Duration(seconds) * time.Second}
	case res.StatusCode != http.StatusOK:
		return answer, slack.StatusCodeError{Code: res.StatusCode, Status: res.Status}
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxPageBytes)).Decode(&answer); err != nil {
		return answer, fmt.Errorf("read the answer: %w", err)
	}
	if !answer.OK {
		return answer, slack.SlackErrorResponse{Err: answer.Error}
	}
	return answer, nil
}

// Replies gives a page of a thread, with the metadata of our own messages.
func (c *Client) Replies(
	ctx context.Context, channel, thread, oldest, cursor string,
) (page []Posted, next string, err error) {
	answer, err := c.read(ctx, "conversations.replies", url.Values{
		"channel": {channel}, "ts": {thread}, "oldest": {oldest}, "cursor": {cursor},
		"limit": {strconv.Itoa(lookPageSize)}, "include_all_metadata": {"true"},
	})
	return answer.Messages, answer.Next.Cursor, err
}

// History gives a page of a channel, likewise; the newest messages first.
func (c *Client) History(ctx context.Context, channel, oldest, cursor string) (page []Posted, next string, err error) {
	answer, err := c.read(ctx, "conversations.history", url.Values{
		"channel": {channel}, "oldest": {oldest}, "cursor": {cursor},
		"limit": {strconv.Itoa(lookPageSize)}, "include_all_metadata": {"true"},
	})
	return answer.Messages, answer.Next.Cursor, err
}

// inChannel reads one message that stands in a channel itself; ok is false where none does.
func (c *Client) inChannel(ctx context.Context, channel, ts string) (m Posted, ok bool, err error) {
	answer, err := c.read(ctx, "conversations.history", url.Values{
		"channel": {channel}, "oldest": {ts}, "latest": {ts}, "inclusive": {"true"}, "limit": {"1"},
		"include_all_metadata": {"true"},
	})
	if err != nil {
		return m, false, err
	}
	for _, m := range answer.Messages {
		if m.TS == ts {
			return m, true, nil
		}
	}
	return m, false, nil
}

// errNoMessage says that a message whose text was asked for is gone.
var errNoMessage = errors.New("the message is gone")

// Text reads the text of one message, wherever in a thread it stands. One that is gone has none.
func (c *Client) Text(ctx context.Context, channel, ts string) (string, error) {
	answer, err := c.read(ctx, "conversations.replies", url.Values{
		"channel": {channel}, "ts": {ts}, "oldest": {ts}, "latest": {ts}, "inclusive": {"true"}, "limit": {"1"},
	})
	if err != nil {
		return "", err
	}
	for _, m := range answer.Messages {
		if m.TS == ts && m.Subtype != tombstoned {
			return m.Text, nil
		}
	}
	return "", errNoMessage
}

// ErrTooManyPlaces says that not all direct messages were listed.
var ErrTooManyPlaces = errors.New("there are more direct messages than are looked at")

// Directs lists the direct messages that people have with us: person → channel.
func (c *Client) Directs(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	cursor := ""
	for range lookPages {
		answer, err := c.read(ctx, "users.conversations", url.Values{
			"types": {"im"}, "limit": {strconv.Itoa(placesPage)}, "cursor": {cursor},
		})
		if err != nil {
			return nil, err
		}
		for _, c := range answer.Channels {
			out[c.Person] = c.ID
		}
		if cursor = answer.Next.Cursor; cursor == "" {
			return out, nil
		}
	}
	return out, ErrTooManyPlaces
}
