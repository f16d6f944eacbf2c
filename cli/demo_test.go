package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/settings"
)

// demoWait bounds each wait for the demo's bot.
const demoWait = 20 * time.Second

// startDemoBot starts a sandbox and, in a process of its own, the bot that the demo would.
func startDemoBot(t *testing.T, change func(string) string) (*sandbox.Sandbox, *botProcess) {
	t.Helper()
	world, err := sandbox.Start(t.Context(), sandbox.Config{Seed: demoSeed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTime)
		defer cancel()
		if err := world.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	path, err := writeDemoSettings(world, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bot, err := newBotProcess(change(path), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	bot.args[0], bot.down = "countersign", time.Millisecond // the name under which TestMain runs the program
	return world, bot
}

// The demo's bot is a process; killed, it is started again and connects again. It ends with the demo.
func TestDemoBotIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	world, bot := startDemoBot(t, func(path string) string {
		if _, err := settings.Load(path, settings.NeedSlack|settings.NeedAtlassian); err != nil {
			t.Errorf("the demo's settings: %v", err)
		}
		return path
	})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- bot.Run(ctx) }()
	wait := func(what string, done func(sockets int) bool) {
		t.Helper()
		limited, cancel := context.WithTimeout(t.Context(), demoWait)
		defer cancel()
		if err := world.Workspace.WaitFor(limited, func() bool { return done(world.Workspace.Connections()) }); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	wait("connect", func(sockets int) bool { return sockets > 0 })
	bot.Kill()
	wait("be dead", func(sockets int) bool { return sockets == 0 })
	wait("connect again", func(sockets int) bool { return sockets > 0 })
	cancel()
	select {
	case err := <-ran:
		if err != nil {
			t.Errorf("the bot ended with %v", err)
		}
	case <-time.After(demoWait):
		t.Fatal("the bot did not end with the demo")
	}
	wait("be gone", func(sockets int) bool { return sockets == 0 })
}

// A bot that cannot start ends the demo with an error, and is not started for ever.
func TestDemoBotThatEndsByItself(t *testing.T) {
	t.Parallel()
	_, bot := startDemoBot(t, func(path string) string { return path + ".absent" })
	err := bot.Run(t.Context())
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("got %v, want that it ended by itself", err)
	}
}
