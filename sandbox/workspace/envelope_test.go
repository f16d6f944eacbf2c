package workspace_test

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/sandbox/workspace"
)

func TestEnvelopesStillComeBetweenWarningAndRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer) {
		_, address, err := api.StartSocketModeContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, response, err := dialer.DialContext(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		type frame struct {
			Type, Reason string
			ID           string `json:"envelope_id"`
		}
		read := func() frame {
			var f frame
			if err := conn.ReadJSON(&f); err != nil {
				t.Fatal(err)
			}
			return f
		}
		if f := read(); f.Type != "hello" {
			t.Fatalf("first frame %+v", f)
		}
		w.Disconnect("warning")
		began := time.Now()
		if f := read(); f.Type != "disconnect" || f.Reason != "warning" {
			t.Errorf("frame %+v, want the warning", f)
		}
		result := make(chan error, 1)
		go func() { result <- w.Command(t.Context(), alice, requests, "help") }()
		command := read()
		if err := conn.WriteJSON(map[string]string{"envelope_id": command.ID}); err != nil || command.Type != "slash_commands" {
			t.Errorf("frame %+v, %v, want the command", command, err)
		}
		if err := <-result; err != nil {
			t.Errorf("command in the warning time: %v", err)
		}
		if f := read(); f.Reason != "refresh_requested" || time.Since(began) != 10*time.Second {
			t.Errorf("frame %+v after %s, want the refresh after 10 s", f, time.Since(began))
		}
		if _, _, err := conn.ReadMessage(); err == nil {
			t.Error("the connection lives on after the refresh")
		}
		_ = conn.Close()
	})
}

func TestResponseURLExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer) {
		_, address, err := api.StartSocketModeContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, response, err := dialer.DialContext(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if _, _, err := conn.ReadMessage(); err != nil { // the hello
			t.Fatal(err)
		}
		result := make(chan error, 1)
		go func() { result <- w.Command(t.Context(), alice, requests, "help") }()
		var envelope struct {
			ID      string `json:"envelope_id"`
			Payload struct {
				ResponseURL string `json:"response_url"`
			} `json:"payload"`
		}
		if err := conn.ReadJSON(&envelope); err != nil {
			t.Fatal(err)
		}
		if err := conn.WriteJSON(map[string]string{"envelope_id": envelope.ID}); err != nil {
			t.Fatal(err)
		}
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		answer := func() error {
			_, _, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("answer", false),
				slack.MsgOptionResponseURL(envelope.Payload.ResponseURL, slack.ResponseTypeEphemeral))
			return err
		}
		time.Sleep(29 * time.Minute) // fake time
		if err := answer(); err != nil {
			t.Errorf("after 29 min: %v", err)
		}
		time.Sleep(2 * time.Minute) // fake time
		if err := answer(); err == nil {
			t.Error("after 31 min the address still takes answers")
		}
		if n := len(w.Messages(requests, alice)); n != 1 {
			t.Errorf("%d answers, want one", n)
		}
		_ = conn.Close()
	})
}
