package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/workflow"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	Addr string // host:port of the page; a free port is taken where this one is
}

// demoSeed picks the company that everybody sees who tries the demo.
const demoSeed = 7

// demoRule is over how many changes the demo asks for two approvals.
const demoRule = 20

// runDemo is the command demo: a local Slack and a local Atlassian on this machine, a browser page to look at both, and
// between them the same service that serve runs, with settings that point at them. The database is a new one in a
// temporary folder and goes with the demo.
func runDemo(ctx context.Context, out, errw io.Writer, opts demoOptions) (err error) {
	world, err := startSandbox(ctx, opts.Addr)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		err = errors.Join(err, world.Close(ctx))
	}()
	folder, err := os.MkdirTemp("", "countersign-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo's database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	cfg := demoConfig(world, folder)
	cfg.Protect = []string{workflow.GroupPrefix + "break-glass"}
	cfg.Approval.Rules = []workflow.Rule{{When: workflow.When{ChangesOver: new(demoRule)}, Approvals: 2}}
	_, err = fmt.Fprintf(out, `countersign demo

  open     %s
  people   Alice and Bob may approve, Hana asks; Gus is a guest, Dora's account is deactivated
  try      as Hana: Sample files, rename-with-bad-rows.csv; then as Alice: Approve
           rename-domain.csv changes more than %d accounts, so it needs Alice and Bob
  stop     Ctrl-C; nothing is kept

`, world.URL, demoRule)
	if err != nil {
		return err
	}
	return runServe(ctx, cfg, newLogger(errw, cfg.Log))
}

// startSandbox serves the sandbox at the address, or at a free port where that one is taken.
func startSandbox(ctx context.Context, addr string) (*sandbox.Sandbox, error) {
	world, err := sandbox.Start(ctx, sandbox.Config{Addr: addr, Seed: demoSeed})
	if !errors.Is(err, syscall.EADDRINUSE) {
		return world, err
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, err
	}
	return sandbox.Start(ctx, sandbox.Config{Addr: net.JoinHostPort(host, "0"), Seed: demoSeed})
}

// demoConfig are the settings that a person would write for that workspace and that organisation.
func demoConfig(world *sandbox.Sandbox, folder string) *Config {
	cfg := defaults()
	cfg.Slack.AppToken, cfg.Slack.BotToken = newSecret(world.AppToken()), newSecret(world.BotToken())
	cfg.Slack.APIURL = world.SlackAPIURL()
	cfg.Atlassian.APIURL, cfg.Atlassian.OrgID = world.AtlassianURL(), world.OrgID()
	cfg.Atlassian.APIKey = newSecret(world.APIKey())
	cfg.People.Admins, cfg.People.Requesters = []string{sandbox.Admins}, []string{sandbox.Helpdesk}
	cfg.Channels.Requests, cfg.Channels.Reports = sandbox.Requests, sandbox.Reports
	cfg.Reports = []Report{
		{Name: "nightly-accounts", Kind: "managed-accounts", Schedule: "0 2 * * *", Timezone: time.UTC, Keep: 400},
	}
	cfg.Store.Path = filepath.Join(folder, "countersign.db")
	cfg.Log = Log{Level: "warn", Format: "text"}
	return cfg
}
