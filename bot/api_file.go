package bot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// transferTimeout bounds one file on its way, up or down.
const transferTimeout = 2 * time.Minute

// The paging of the comments in files.info; these are Slack's own defaults, and 0 is no valid value.
const (
	infoCount = 100
	infoPage  = 1
)

// file reads what Slack knows of a file.
func (a *api) file(ctx context.Context, id string) (f *slack.File, err error) {
	err = a.call(ctx, "files.info", func(ctx context.Context) error {
		f, _, _, err = a.client.GetFileInfoContext(ctx, id, infoCount, infoPage)
		return err
	})
	return f, err
}

// errTooLarge is a download that was cut because it is over the limit.
var errTooLarge = errors.New("the file is too large")

// errSignIn is a download that was Slack's sign-in page instead of the file: the token may not read it.
var errSignIn = errors.New("slack sent its sign-in page instead of the file")

// download reads a file's bytes, at most limit.
func (a *api) download(ctx context.Context, url string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, transferTimeout, errors.New("download took over "+transferTimeout.String()))
	defer cancel()
	buf := &cut{limit: limit}
	if err := a.client.GetFileContext(ctx, url, buf); err != nil {
		switch {
		case buf.over:
			return nil, errTooLarge
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case strings.Contains(err.Error(), "sign-in page"): // slack-go has no kind for it
			return nil, errSignIn
		}
		return nil, fmt.Errorf("download: %w", fit(err))
	}
	content := buf.buf.Bytes()
	head := bytes.ToLower(bytes.TrimSpace(content[:min(len(content), 200)]))
	if bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html")) {
		return nil, errSignIn
	}
	return content, nil
}

// cut is a buffer that refuses more than limit bytes. The buffer is not embedded: io.Copy would find its ReadFrom and
// go past the limit.
type cut struct {
	buf   bytes.Buffer
	limit int64
	over  bool
}

func (b *cut) Write(p []byte) (int, error) {
	if int64(b.buf.Len()+len(p)) > b.limit {
		b.over = true
		return 0, errTooLarge
	}
	return b.buf.Write(p)
}

// startUpload is the first of the three steps: Slack gives the file its id and says where its bytes go.
func (a *api) startUpload(ctx context.Context, name string, size int) (id, url string, err error) {
	err = a.call(ctx, "files.getUploadURLExternal", func(ctx context.Context) error {
		answer, err := a.client.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{
			FileName: name, FileSize: size,
		})
		if err == nil {
			id, url = answer.FileID, answer.UploadURL
		}
		return err
	})
	return id, url, err
}

// finishUpload sends the bytes and shares the file in the thread. Slack shares it later, and sometimes not at all: see
// sharedAs.
func (a *api) finishUpload(ctx context.Context, id, url, name, channel, thread string, content []byte) error {
	up, cancel := context.WithTimeoutCause(ctx, transferTimeout, errors.New("upload took over "+transferTimeout.String()))
	defer cancel()
	err := a.client.UploadToURL(up, slack.UploadToURLParameters{
		UploadURL: url, Reader: bytes.NewReader(content), Filename: name,
	})
	if err != nil {
		return fmt.Errorf("send the bytes of %s: %w", name, fit(err)) // its address lets anybody send them
	}
	return a.call(ctx, "files.completeUploadExternal", func(ctx context.Context) error {
		_, err := a.client.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
			Files: []slack.FileSummary{{ID: id, Title: name}}, Channel: channel, ThreadTimestamp: thread,
		})
		return err
	})
}

// sharedAs gives the ts of the message that shows the file in the channel, "" when it is not there (yet). files.info names
// the message; where it does not, the thread is looked at.
func (a *api) sharedAs(ctx context.Context, id, channel, thread string) (ts string, err error) {
	f, err := a.file(ctx, id)
	if err != nil {
		return "", err
	}
	for _, shares := range []map[string][]slack.ShareFileInfo{f.Shares.Public, f.Shares.Private} {
		for _, s := range shares[channel] {
			return s.Ts, nil
		}
	}
	if thread == "" || !slices.Contains(slices.Concat(f.Channels, f.Groups, f.IMs), channel) {
		return "", nil
	}
	cursor := ""
	for range lookPages {
		page, next, err := a.replies(ctx, channel, thread, "", cursor)
		if err != nil {
			return "", err
		}
		for _, m := range page {
			if slices.ContainsFunc(m.Files, func(f file) bool { return f.ID == id }) {
				return m.TS, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", nil
}
