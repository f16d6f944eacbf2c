package bot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// comparedKey begins the keys under which it is remembered what stands under a list.
const comparedKey = "compare/"

// compareFile sets a list beside the directory and answers under it. Nothing is changed by that, and a
// file that comes again after a crash is the same comparison.
func (b *Bot) compareFile(ctx context.Context, d delivered, actor workflow.Actor, author workflow.Person, f slackapi.File) error {
	if b.cfg.Results == nil {
		return view.ErrNoReports
	}
	content, err := b.download(ctx, f)
	if err != nil {
		return err
	}
	c, err := b.compared(ctx, content)
	if err != nil {
		return err
	}
	number, err := b.cfg.Store.NumberList(ctx, report.SentList{
		Delivery: d.key, FileName: f.Name, By: actor.ID, Author: author.ID, At: time.Now(), Content: content,
	})
	if err != nil {
		return fmt.Errorf("number a comparison: %w", err)
	}
	m := view.Compared(number, f.Name, c, time.Now())
	if err := b.deliver.Answer(ctx, comparedKey+d.key, d.to.Channel, d.to.Thread, m); err != nil {
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
			key := comparedKey + d.key + "/" + file.name
			err = b.deliver.AnswerFile(ctx, key, d.to.Channel, d.to.Thread, file.name, slackapi.Bytes(content.Bytes()))
		}
		if err != nil {
			return fmt.Errorf("send %s: %w", file.name, err)
		}
	}
	b.log.Info().Int("number", number).Str("person", actor.ID).Str("file", f.ID).Msg("compared a list")
	return nil
}

// compared sets a list beside the directory. It may have more rows than a request: nothing is done to
// them.
func (b *Bot) compared(ctx context.Context, content []byte) (*report.Comparison, error) {
	list, err := sheet.ReadList(bytes.Clone(content), b.cfg.OrgID, workflow.ReadLimits{MaxBytes: int(b.cfg.MaxFileBytes)})
	if err != nil {
		return nil, err
	}
	if len(list.Rows) == 0 {
		return nil, &sheet.FileError{
			Problem: fmt.Sprintf("no line can be read; line %d: %s", list.Bad[0], list.BadWhy), Remedy: "correct it, and send the file again",
		}
	}
	return b.cfg.Results.Compare(ctx, list)
}
