package workspace_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

const table = "email,new_email\nada@northwind.example,ada@northwind-group.example\n"

func TestUploadIsSharedLater(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#42", false))
	if err != nil {
		t.Fatal(err)
	}
	file, err := api.UploadFileContext(t.Context(), slack.UploadFileParameters{
		Filename: "batch-42-plan.csv", FileSize: len(table), Reader: strings.NewReader(table), Channel: requests,
		ThreadTimestamp: ts, InitialComment: "the plan",
	})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, w, func() bool { return len(w.Thread(requests, ts, alice)) == 2 })
	reply := w.Thread(requests, ts, alice)[1]
	if len(reply.Files) != 1 || reply.Files[0].Name != "batch-42-plan.csv" || reply.Text != "the plan" {
		t.Errorf("thread message %+v, want the file", reply)
	}
	info, _, _, err := api.GetFileInfoContext(t.Context(), file.ID, 0, 0)
	if err != nil || len(info.Shares.Public[requests]) != 1 || info.Shares.Public[requests][0].Ts != reply.TS {
		t.Errorf("files.info %+v, %v, want the share %s", info, err, reply.TS)
	}
	if _, content, ok := w.File(file.ID); !ok || string(content) != table {
		t.Errorf("stored %q", content)
	}
	noViolations(t, w)
}

func TestShareCanBeLost(t *testing.T) {
	w := start(t, workspace.Config{})
	w.SetFaults(workspace.Faults{LostShare: true})
	api := client(w)
	file, err := api.UploadFileContext(t.Context(), slack.UploadFileParameters{
		Filename: "results.csv", FileSize: len(table), Content: table, Channel: requests,
	})
	if err != nil {
		t.Fatal(err)
	}
	info, _, _, err := api.GetFileInfoContext(t.Context(), file.ID, 0, 0)
	if err != nil || len(info.Shares.Public)+len(info.Shares.Private) != 0 {
		t.Errorf("files.info %+v, %v, want no share", info, err)
	}
}

func TestUploadRefusals(t *testing.T) {
	w := start(t, workspace.Config{})
	got := post(t, w, "files.getUploadURLExternal", w.BotToken(), url.Values{"filename": {"empty.csv"}, "length": {"0"}})
	if got.Error != "missing_argument" {
		t.Errorf("empty file: %q, want missing_argument", got.Error)
	}
	got = post(t, w, "files.completeUploadExternal", w.BotToken(), url.Values{"files": {`[{"id":"F0NONE"}]`}})
	if got.Error != "file_not_found" {
		t.Errorf("unknown upload: %q, want file_not_found", got.Error)
	}
	upload, err := client(w).GetUploadURLExternalContext(t.Context(),
		slack.GetUploadURLExternalParameters{FileName: "a.csv", FileSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	got = post(t, w, "files.completeUploadExternal", w.BotToken(), url.Values{"files": {`[{"id":"` + upload.FileID + `"}]`}})
	if got.Error != "file_not_found" {
		t.Errorf("bytes that never came: %q, want file_not_found", got.Error)
	}
}

// said uploads a file as a person and gives it as the app heard of it.
func said(t *testing.T, w *workspace.Workspace, a *app, channel string) slack.File {
	t.Helper()
	_, err := w.Say(t.Context(), alice, channel, "", "rename", workspace.Upload{Name: "people.csv", Content: []byte(table)})
	if err != nil {
		t.Fatal(err)
	}
	outer, ok := a.next(t, socketmode.EventTypeEventsAPI).Data.(slackevents.EventsAPIEvent)
	if !ok {
		t.Fatal("not an event")
	}
	message, ok := outer.InnerEvent.Data.(*slackevents.MessageEvent)
	if !ok || message.SubType != "file_share" || len(message.Message.Files) != 1 || message.Message.Text != "rename" {
		t.Fatalf("event %+v, want file_share with its file", outer.InnerEvent.Data)
	}
	return message.Message.Files[0]
}

func TestDownload(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	file := said(t, w, a, requests)
	if file.Size != len(table) || file.Mimetype != "text/csv" || file.Mode != "hosted" {
		t.Errorf("file %+v", file)
	}
	var content bytes.Buffer
	err := client(w).GetFileContext(t.Context(), file.URLPrivateDownload, &content)
	if err != nil || content.String() != table {
		t.Errorf("download %q, %v", content.String(), err)
	}
	if err := w.UpdateChannel(requests, func(c *workspace.Channel) { c.BotMember = false }); err != nil {
		t.Fatal(err)
	}
	if err := client(w).GetFileContext(t.Context(), file.URLPrivateDownload, io.Discard); err == nil {
		t.Error("a file of a channel that the app has left was downloaded")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, file.URLPrivateDownload, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !bytes.HasPrefix(page, []byte("<!DOCTYPE html>")) {
		t.Errorf("without a token: %d %q, want the sign-in page with 200", response.StatusCode, page)
	}
	noViolations(t, w)
}

func TestSharedChannelPushesStubs(t *testing.T) {
	w := start(t, workspace.Config{})
	w.AddChannel(workspace.Channel{
		ID: "C0SHARED", Name: "shared", ExtShared: true, BotMember: true, Members: []string{alice},
	})
	a := connect(t, w, ack)
	stub := said(t, w, a, "C0SHARED")
	if stub.FileAccess != "check_file_info" || stub.URLPrivate != "" {
		t.Errorf("pushed file %+v, want a stub", stub)
	}
	info, _, _, err := client(w).GetFileInfoContext(t.Context(), stub.ID, 0, 0)
	if err != nil || info.Name != "people.csv" || info.URLPrivateDownload == "" {
		t.Errorf("files.info %+v, %v, want the whole file", info, err)
	}
}

func TestDeletedFile(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	file := said(t, w, a, requests)
	if err := w.DeleteFile(file.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := client(w).GetFileInfoContext(t.Context(), file.ID, 0, 0); slackCode(err) != "file_deleted" {
		t.Errorf("files.info: %v, want file_deleted", err)
	}
	if err := client(w).GetFileContext(t.Context(), file.URLPrivateDownload, io.Discard); err == nil {
		t.Error("a deleted file was downloaded")
	}
}
