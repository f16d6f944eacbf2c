package sandbox_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox"
)

// app is a small Slack app over the sandbox's public addresses: it answers a file with a card, and
// the card's button with the renames in the file. It shares no code with the product.
type app struct {
	t       *testing.T
	sandbox *sandbox.Sandbox
	client  *slack.Client
	socket  *socketmode.Client
	work    sync.WaitGroup

	mu        sync.Mutex
	rows      [][]string // of the last file, without its header
	submitted string     // of the last form
}

// startApp connects the app; it is up when the first connection said hello, and ends with the test.
func startApp(t *testing.T, box *sandbox.Sandbox) *app {
	t.Helper()
	a := &app{t: t, sandbox: box, client: slack.New(box.BotToken(), slack.OptionAPIURL(box.SlackAPIURL()),
		slack.OptionAppLevelToken(box.AppToken()))}
	a.socket = socketmode.New(a.client)
	ctx, cancel := context.WithCancel(t.Context())
	up := make(chan struct{})
	a.work.Go(func() { _ = a.socket.RunContext(ctx) }) // ends with ctx
	a.work.Go(func() { a.listen(ctx, sync.OnceFunc(func() { close(up) })) })
	t.Cleanup(func() {
		cancel()
		a.work.Wait()
	})
	select {
	case <-up:
	case <-t.Context().Done():
		t.Fatal("the app did not connect")
	}
	return a
}

func (a *app) listen(ctx context.Context, up func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-a.socket.Events:
			if event.Type == socketmode.EventTypeHello {
				up()
			}
			if event.Request == nil || event.Type == socketmode.EventTypeHello {
				continue
			}
			if err := a.socket.AckCtx(ctx, event.Request.EnvelopeID, a.reply(event)); err != nil && ctx.Err() == nil {
				a.t.Errorf("acknowledge: %v", err)
			}
			a.work.Go(func() { a.handle(ctx, event) })
		}
	}
}

// reply returns what goes with the acknowledgement: a form without a new address is sent back.
func (a *app) reply(event socketmode.Event) any {
	submitted, ok := event.Data.(slack.InteractionCallback)
	if ok && submitted.Type == slack.InteractionTypeBlockSuggestion {
		return slack.OptionsResponse{Options: []*slack.OptionBlockObject{
			option("712020:1", "Ada "+submitted.Value), option("712020:2", "Ben "+submitted.Value),
		}}
	}
	if !ok || submitted.Type != slack.InteractionTypeViewSubmission {
		return nil
	}
	values := submitted.View.State.Values
	if !strings.Contains(values["address"]["address"].Value, "@") {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{"address": "That is not an address."})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.submitted = fmt.Sprint(values["action"]["action"].SelectedOption.Value, " ", values["address"]["address"].Value, " ",
		len(values["file"]["file"].Files), " ", values["person"]["person"].SelectedOption.Value)
	return nil
}

func (a *app) handle(ctx context.Context, event socketmode.Event) {
	var err error
	defer func() {
		if err != nil && ctx.Err() == nil {
			a.t.Errorf("handle %s: %v", event.Type, err)
		}
	}()
	switch data := event.Data.(type) {
	case slackevents.EventsAPIEvent:
		if opened, ok := data.InnerEvent.Data.(*slackevents.AppHomeOpenedEvent); ok && opened.Tab == "home" {
			err = a.publish(ctx, opened.User, "nothing")
		}
		message, ok := data.InnerEvent.Data.(*slackevents.MessageEvent)
		if ok && message.BotID == "" && message.Message != nil && len(message.Message.Files) > 0 {
			err = a.plan(ctx, message)
		}
	case slack.SlashCommand:
		switch data.Text {
		case "form":
			_, err = a.client.OpenViewContext(ctx, data.TriggerID, form())
			return
		case "gallery":
			_, _, err = a.client.PostMessageContext(ctx, data.ChannelID, slack.MsgOptionText("Gallery", false),
				slack.MsgOptionBlocks(gallery()...))
			return
		}
		_, err = a.client.PostEphemeralContext(ctx, data.ChannelID, data.UserID, slack.MsgOptionText(
			"*What I can do*\n• `rename <user> <new-email>` changes an address\n• `deactivate <user>` blocks login", false))
	case slack.InteractionCallback:
		switch {
		case data.Type == slack.InteractionTypeShortcut || data.Type == slack.InteractionTypeMessageAction:
			_, err = a.client.OpenViewContext(ctx, data.TriggerID, form())
		case data.Type == slack.InteractionTypeBlockActions && data.View.Type == slack.VTHomeTab:
			err = a.publish(ctx, data.User.ID, data.ActionCallback.BlockActions[0].Value)
		case data.Type == slack.InteractionTypeBlockActions:
			err = a.decide(ctx, data)
		}
	}
}

func (a *app) publish(ctx context.Context, person, pressed string) error {
	_, err := a.client.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: person, View: home(pressed)})
	return err
}

// plan reads the file and posts the card.
func (a *app) plan(ctx context.Context, message *slackevents.MessageEvent) error {
	var content bytes.Buffer
	if err := a.client.GetFileContext(ctx, message.Message.Files[0].URLPrivateDownload, &content); err != nil {
		return err
	}
	reader := csv.NewReader(&content)
	reader.Comma = ';'
	records, err := reader.ReadAll()
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.rows = records[1:]
	a.mu.Unlock()
	_, _, err = a.client.PostMessageContext(ctx, message.Channel, slack.MsgOptionText("Batch #1: rename 40 accounts", false),
		slack.MsgOptionBlocks(a.card(message.User, "", records[1:])...))
	return err
}

func (a *app) card(requester, approver string, rows [][]string) []slack.Block {
	table := slack.NewTableBlock("table")
	table.AddRow(slack.NewTableRawTextCell("Account"), slack.NewTableRawTextCell("From"), slack.NewTableRawTextCell("To"))
	for _, row := range rows[:5] {
		name, _, _ := strings.Cut(row[1], "@")
		table.AddRow(slack.NewTableRawTextCell(name), slack.NewTableRawTextCell(row[1]), slack.NewTableRawTextCell(row[2]))
	}
	blocks := []slack.Block{
		slack.NewHeaderBlock(plain(fmt.Sprintf("#1 · Rename %d accounts", len(rows)))),
		slack.NewSectionBlock(nil, []*slack.TextBlockObject{
			words("*Requested by*\n<@" + requester + ">"), words("*Reason*\nMove to the group's domain"),
			words(fmt.Sprintf("*Changes*\n%d ready · 0 unchanged · 0 blocked", len(rows))),
			words("*Approval*\none of <!subteam^S0ITADMINS>, until <!date^1795000000^{date_short_pretty} {time}|later>"),
		}, nil),
		table,
		slack.NewContextBlock("", words(fmt.Sprintf(":warning: %d people will be signed out · plan `3f9a1c…`", len(rows)))),
	}
	if approver != "" {
		return append(blocks, slack.NewContextBlock("", words(":white_check_mark: Approved by <@"+approver+">")))
	}
	approve := slack.NewButtonBlockElement("approve", "1", plain("Approve")).WithStyle(slack.StylePrimary)
	approve.Confirm = slack.NewConfirmationBlockObject(plain("Approve batch #1?"),
		words(fmt.Sprintf("*%d accounts* get a new address. Their people will be signed out.", len(rows))),
		plain("Approve"), plain("Back"))
	return append(blocks, slack.NewActionBlock("", approve,
		slack.NewButtonBlockElement("reject", "1", plain("Reject")).WithStyle(slack.StyleDanger),
		slack.NewButtonBlockElement("withdraw", "1", plain("Withdraw"))))
}

// decide edits the card, makes the changes and tells the thread.
func (a *app) decide(ctx context.Context, click slack.InteractionCallback) error {
	a.mu.Lock()
	rows := a.rows
	a.mu.Unlock()
	channel, card := click.Channel.ID, click.Message.Timestamp
	if click.ActionCallback.BlockActions[0].ActionID != "approve" {
		_, err := a.client.PostEphemeralContext(ctx, channel, click.User.ID, slack.MsgOptionText("Not yours to withdraw.", false))
		return err
	}
	if _, _, _, err := a.client.UpdateMessageContext(ctx, channel, card, slack.MsgOptionText("Batch #1: approved", false),
		slack.MsgOptionBlocks(a.card("U0ALICE", click.User.ID, rows)...)); err != nil {
		return err
	}
	results := "row,status,old_email,new_email\r\n"
	for i, row := range rows {
		if err := a.rename(ctx, row[0], row[2]); err != nil {
			return err
		}
		results += fmt.Sprintf("%d,done,%s,%s\r\n", i+2, row[1], row[2])
	}
	_, _, err := a.client.PostMessageContext(ctx, channel, slack.MsgOptionTS(card), slack.MsgOptionText(fmt.Sprintf(
		"`████████████████████` *%d of %d* done, 0 failed. <@%s> <@U0ALICE>", len(rows), len(rows), click.User.ID), false))
	if err != nil {
		return err
	}
	_, err = a.client.UploadFileContext(ctx, slack.UploadFileParameters{
		Reader: strings.NewReader(results), FileSize: len(results), Filename: "batch-1-results.csv", Title: "batch-1-results.csv",
		Channel: channel, ThreadTimestamp: card,
	})
	return err
}

func (a *app) rename(ctx context.Context, account, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, a.sandbox.AtlassianURL()+"/users/"+account+"/manage/email",
		strings.NewReader(fmt.Sprintf(`{"email":%q}`, address)))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.sandbox.APIKey())
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("rename %s: %s: %s", account, response.Status, body)
	}
	return nil
}
