package bot_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
)

// numb is a socket that can be read from and not be written to, as both are for a moment when the
// network goes.
type numb struct {
	net.Conn
	mute   *atomic.Bool
	failed *atomic.Int32
}

func (n numb) Write(p []byte) (int, error) {
	if !n.mute.Load() {
		return n.Conn.Write(p)
	}
	if n.failed.Add(1) > 1000 {
		n.mute.Store(false)
	}
	return 0, errors.New("the network is gone")
}

// An acknowledgement that can be written to neither connection is not handed to and fro between
// them.
func TestNoConnectionTakesAnAcknowledgement(t *testing.T) {
	inBubble(t, newAccounts(3), func(w *world) {
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		var mute atomic.Bool
		var failed atomic.Int32
		dial := w.dial
		w.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return numb{conn, &mute, &failed}, err
		}
		w.startBot(nil)
		mute.Store(true)
		w.say(requests, "reason: new names", renames(2))
		time.Sleep(5 * time.Second)
		if n := failed.Load(); n == 0 || n > 100 {
			t.Errorf("%d writes failed", n)
		}
		mute.Store(false)
		w.slack.CutSockets()
		w.cardSays(1, "Needs 1 approval")
	})
}

// Clicks are taken while one of the connections is being replaced.
func TestConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.until("there are two connections", func() bool { return w.slack.Connections() == bot.SocketCount })
	w.slack.DisconnectOne("refresh_requested")
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.until("there are two connections again", func() bool { return w.slack.Connections() == bot.SocketCount })
	w.slack.CutSockets()
	if err := w.bot.Ready(); err != nil {
		t.Error(err)
	}
	for w.slack.Click(t.Context(), "U0ALICE", requests, card.TS, view.ActionApprove, "") != nil {
		if t.Context().Err() != nil {
			t.Fatal("no click gets through after a cut")
		}
	}
	w.cardSays(1, "*Done*")
}
