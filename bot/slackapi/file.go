package slackapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// transferTimeout bounds one file on its way, up or down.
const transferTimeout = 2 * time.Minute

// The paging of the comments in files.info; these are Slack's own defaults, and 0 is no valid
// value.
const (
	infoCount = 100
	infoPage  = 1
)

// FileInfo reads what Slack knows of a file.
func (c *Client) FileInfo(ctx context.Context, id string) (File, error) {
	f, err := c.fileInfo(ctx, id)
	if err != nil {
		return File{}, err
	}
	return fileOf(f), nil
}

func (c *Client) fileInfo(ctx context.Context, id string) (f *slack.File, err error) {
	err = c.call(ctx, "files.info", func(ctx context.Context) error {
		f, _, _, err = c.slack.GetFileInfoContext(ctx, id, infoCount, infoPage)
		return err
	})
	return f, err
}

// ErrTooLarge is a download that was cut because it is over the limit.
var ErrTooLarge = errors.New("the file is too large")

// ErrSignIn is a download that was Slack's sign-in page instead of the file: the token may not read
// it.
var ErrSignIn = errors.New("slack sent its sign-in page instead of the file")

// Download reads a file's bytes, at most limit.
func (c *Client) Download(ctx context.Context, url string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, transferTimeout, errors.New("download took over "+transferTimeout.String()))
	defer cancel()
	buf := &cut{limit: limit}
	if err := c.slack.GetFileContext(ctx, url, buf); err != nil {
		switch {
		case buf.over:
			return nil, ErrTooLarge
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case strings.Contains(err.Error(), "sign-in page"): // slack-go has no kind for it
			return nil, ErrSignIn
		}
		return nil, fmt.Errorf("download: %w", scrub(err))
	}
	content := buf.buf.Bytes()
	head := bytes.ToLower(bytes.TrimSpace(content[:min(len(content), 200)]))
	if bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html")) {
		return nil, ErrSignIn
	}
	return content, nil
}

// cut is a buffer that refuses more than limit bytes. The buffer is not embedded: io.Copy would
// find its ReadFrom and go past the limit.
type cut struct {
	buf   bytes.Buffer
	limit int64
	over  bool
}

func (b *cut) Write(p []byte) (int, error) {
	if int64(b.buf.Len()+len(p)) > b.limit {
		b.over = true
		return 0, ErrTooLarge
	}
	return b.buf.Write(p)
}

// StartUpload is the first of the three steps: Slack gives the file its id and says where its bytes
// go.
func (c *Client) StartUpload(ctx context.Context, name string, size int) (id, url string, err error) {
	err = c.call(ctx, "files.getUploadURLExternal", func(ctx context.Context) error {
		answer, err := c.slack.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{
			FileName: name, FileSize: size,
		})
		if err == nil {
			id, url = answer.FileID, answer.UploadURL
		}
		return err
	})
	return id, url, err
}

// Content is what a file that is sent holds.
type Content struct {
	Size int // in bytes
	// Write writes it, as often as it is called, in another goroutine than the caller's.
	Write func(ctx context.Context, w io.Writer) error
}

// Bytes are a content that is in memory.
func Bytes(content []byte) Content {
	return Content{len(content), func(_ context.Context, w io.Writer) error {
		_, err := w.Write(content)
		return err
	}}
}

// FinishUpload sends the bytes, as they are written, and shares the file in the thread, with a comment. Slack shares it later, and
// sometimes not at all: see sharedAs.
func (c *Client) FinishUpload(
	ctx context.Context, id, url, name, channel, thread, comment string, content Content,
) error {
	up, cancel := context.WithTimeoutCause(ctx, transferTimeout, errors.New("upload took over "+transferTimeout.String()))
	defer cancel()
	if err := c.sendBytes(up, url, name, content); err != nil {
		return fmt.Errorf("send the bytes of %s: %w", name, err)
	}
	return c.call(ctx, "files.completeUploadExternal", func(ctx context.Context) error {
		_, err := c.slack.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
			Files: []slack.FileSummary{{ID: id, Title: name}}, Channel: channel, ThreadTimestamp: thread, InitialComment: comment,
		})
		return err
	})
}

// SharedAs gives the ts of the message that shows the file in the channel, "" when it is not there
// (yet). files.info names the message; where it names the channel alone, or nothing and look is set,
// the messages of the thread are looked at, or the last ones of the channel. ErrThreadGone says that
// the parent of the thread is gone; where the file was shown outside the thread, its message was taken back.
func (c *Client) SharedAs(ctx context.Context, id, channel, thread string, look bool) (ts string, err error) {
	f, err := c.fileInfo(ctx, id)
	if err != nil {
		return "", err
	}
	for _, shares := range []map[string][]slack.ShareFileInfo{f.Shares.Public, f.Shares.Private} {
		if len(shares[channel]) == 0 {
			continue
		}
		s := shares[channel][0]
		if thread != "" && s.ThreadTs == "" {
			if err := c.takeBackStray(ctx, channel, thread, s.Ts); err != nil {
				return "", err
			}
		}
		return s.Ts, nil
	}
	if !look && (thread == "" || !slices.Contains(slices.Concat(f.Channels, f.Groups, f.IMs), channel)) {
		return "", nil
	}
	return c.messageWith(ctx, id, channel, thread)
}

// messageWith looks for the message that shows a file, in a thread or among the last ones of a
// channel; "" when none does.
func (c *Client) messageWith(ctx context.Context, id, channel, thread string) (ts string, err error) {
	cursor := ""
	for range lookPages {
		var page []Posted
		if thread == "" {
			page, _, err = c.History(ctx, channel, "", "")
		} else {
			page, cursor, err = c.Replies(ctx, channel, thread, "", cursor)
		}
		switch {
		case thread != "" && ThreadGone(err):
			return "", errors.Join(ErrThreadGone, err)
		case err != nil:
			return "", err
		}
		for _, m := range page {
			if slices.ContainsFunc(m.Files, func(f File) bool { return f.ID == id }) {
				return m.TS, nil
			}
		}
		if cursor == "" {
			break
		}
	}
	return "", nil
}

// File is a file as a message brings it, or as files.info gives it.
type File struct {
	ID       string `json:"id"`
	Person   string `json:"user"` // who uploaded it
	Name     string `json:"name"`
	Mimetype string `json:"mimetype"`
	Filetype string `json:"filetype"`
	Mode     string `json:"mode"`
	External bool   `json:"is_external"`
	Size     int64  `json:"size"`
	Access   string `json:"file_access"`
	URL      string `json:"url_private_download"`
	Private  string `json:"url_private"`
}

func fileOf(f *slack.File) File {
	return File{
		ID: f.ID, Person: f.User, Name: f.Name, Mimetype: f.Mimetype, Filetype: f.Filetype, Mode: f.Mode, External: f.IsExternal,
		Size: int64(f.Size), URL: f.URLPrivateDownload, Private: f.URLPrivate,
	}
}
