package cli

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/countersign/countersign/sandbox"
)

// startsSandbox is the script command "sandbox": a Slack and an Atlassian for the rest of the script, whose addresses and
// secrets are in the environment (sandbox.Connection). The sample files are in the working directory, and the secrets once
// more in the files app-token, bot-token, api-key and scoped-key.
func startsSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: sandbox")
	}
	world, err := sandbox.Start(context.Background(), sandbox.Config{Addr: "127.0.0.1:0", Seed: 7})
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		ts.Check(world.Close(ctx))
	})
	for line := range strings.Lines(world.Connection().Env()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		ts.Setenv(name, value)
	}
	for name, secret := range map[string]string{
		"app-token": world.AppToken(), "bot-token": world.BotToken(), "api-key": world.APIKey(), "scoped-key": world.ScopedKey(),
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(secret+"\n"), 0o600))
	}
	for _, sample := range world.Samples() {
		ts.Check(os.WriteFile(ts.MkAbs(sample.Name), sample.Content, 0o600))
	}
	for _, a := range world.Organisation.Accounts() {
		if a.Name == "Alice Ahlgren" {
			ts.Setenv("ALICE_ACCOUNT", a.ID)
		}
	}
}
