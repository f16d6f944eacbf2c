package bot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// comparedName is under which it is remembered which number the last comparison was given; the key of
// a file's delivery behind it, which number that file was given.
const comparedName = "compare"

// compareFile sets a list beside the directory and answers under it. Nothing is changed by that, and a
// file that comes again after a crash is the same comparison.
func (b *Bot) compareFile(ctx context.Context, d delivered, actor workflow.Actor, f slackapi.File) error {
	c, err := b.compared(ctx, f)
	if err != nil {
		return err
	}
	number, err := b.compareNumber(ctx, d.key)
	if err != nil {
		return err
	}
	m := view.Compared(number, f.Name, f.ID, c, time.Now())
	if err := b.deliver.Answer(ctx, comparedName+"/"+d.key, d.to.Channel, d.to.Thread, m); err != nil {
		return fmt.Errorf("answer a comparison: %w", err)
	}
	for _, file := range []struct {
		name  string
		rows  int
		write func(io.Writer) error
	}{
		{view.NotInListFile(number), len(c.NotInList), c.WriteNotInList},
		{view.NotInDirectoryFile(number), len(c.NotInDirectory), c.WriteNotInDirectory},
	} {
		if file.rows == 0 {
			continue
		}
		var content bytes.Buffer
		err := file.write(&content)
		if err == nil {
			key := comparedName + "/" + d.key + "/" + file.name
			err = b.deliver.AnswerFile(ctx, key, d.to.Channel, d.to.Thread, file.name, slackapi.Bytes(content.Bytes()))
		}
		if err != nil {
			return fmt.Errorf("send %s: %w", file.name, err)
		}
	}
	b.log.Info().Int("number", number).Str("person", actor.ID).Str("file", f.ID).Msg("compared a list")
	return nil
}

// compared reads a list from Slack and sets it beside the directory.
func (b *Bot) compared(ctx context.Context, f slackapi.File) (*report.Comparison, error) {
	if b.cfg.Results == nil {
		return nil, view.ErrNoReports
	}
	content, err := b.download(ctx, f)
	if err != nil {
		return nil, err
	}
	// A list may have more rows than a request: nothing is done to them.
	list, err := sheet.ReadList(content, b.cfg.OrgID, workflow.ReadLimits{MaxBytes: int(b.cfg.MaxFileBytes)})
	if err != nil {
		return nil, err
	}
	return b.cfg.Results.Compare(ctx, list)
}

// compareNumber gives the delivery the number that it has or the next one.
func (b *Bot) compareNumber(ctx context.Context, delivery string) (number int, err error) {
	b.comparing.Lock()
	defer b.comparing.Unlock()
	own := comparedName + "/" + delivery
	for _, name := range []string{own, comparedName} {
		raw, err := b.cfg.Store.Recall(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("number a comparison: %w", err)
		}
		if raw == nil {
			continue
		}
		if err := json.Unmarshal(raw, &number); err != nil {
			return 0, fmt.Errorf("number a comparison: %w", err)
		}
		if name == own {
			return number, nil
		}
	}
	number++
	raw, _ := json.Marshal(number)                     // a number: cannot fail
	for _, name := range []string{comparedName, own} { // a crash between the two skips a number
		if err := b.cfg.Store.Remember(ctx, name, raw); err != nil {
			return 0, fmt.Errorf("number a comparison: %w", err)
		}
	}
	return number, nil
}
