package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	Addr     string // host:port of the page; a free port is taken where this one is
	Accounts int    // of the organisation
}

// check returns what is wrong with the options, before anything is started.
func (o demoOptions) check() error {
	if o.Accounts < sandbox.FewestAccounts || o.Accounts > sandbox.MostAccounts {
		return fmt.Errorf("--accounts NUMBER is from %s to %s, and not %s", workflow.Number(sandbox.FewestAccounts),
			workflow.Number(sandbox.MostAccounts), workflow.Number(o.Accounts))
	}
	host, port, err := net.SplitHostPort(o.Addr)
	n, portErr := strconv.ParseUint(port, 10, 16)
	ip, ipErr := netip.ParseAddr(host)
	switch {
	case err != nil || portErr != nil:
		return fmt.Errorf("--listen ADDRESS is a host and a port, as 127.0.0.1:8780, and not %q", o.Addr)
	case host != "localhost" && (ipErr != nil || !ip.IsLoopback()):
		return fmt.Errorf("--listen ADDRESS is one of this machine alone, as 127.0.0.1:%d, and not %q: "+
			"whoever reaches the demo acts as everyone", n, o.Addr)
	}
	return nil
}

// closeTime is what the sandbox has to close its connections in.
const closeTime = 2 * time.Second

// demoSeed picks the company that everybody sees who tries the demo.
const demoSeed = 7

// demoRule is over how many changes the demo asks for two approvals.
const demoRule = 20

func (p *program) demo() *cobra.Command {
	var options demoOptions
	cmd := p.command("demo", "Everything on this machine with nothing to set up", func(ctx context.Context) error {
		return runDemo(ctx, p.out, p.errw, options)
	})
	cmd.PreRunE = func(*cobra.Command, []string) error { return options.check() }
	cmd.Flags().IntVar(&options.Accounts, "accounts", sandbox.FewestAccounts, "`number` of accounts in the organisation")
	cmd.Flags().StringVar(&options.Addr, "listen", "127.0.0.1:8780", "`address` of the page; a free port where it is taken")
	return cmd
}

// runDemo is the command demo: a local Slack and a local Atlassian on this machine, a browser page to look at both, and
// between them the same program that serve is, in a process of its own that the page can kill. Its settings and its
// database are in a temporary folder and go with the demo.
func runDemo(ctx context.Context, out, errw io.Writer, opts demoOptions) (err error) {
	world, err := startSandbox(ctx, opts)
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
	config, err := writeDemoSettings(world, folder)
	if err != nil {
		return err
	}
	bot, err := newBotProcess(config, errw)
	if err != nil {
		return err
	}
	world.OnKill(bot.Kill)
	_, err = fmt.Fprintf(out, `countersign demo

  open     %s
  people   Hana asks; Alice and Bob may approve; Gus is a guest, Dora's account is deactivated
           two windows: %[1]s/?as=hana and %[1]s/?as=alice
  try      Sample files, rename-with-bad-rows.csv; then as Alice: Approve
           rename-domain.csv changes more than %[2]d accounts, so it needs Alice and Bob
  look     countersign doctor --config %[3]s
  stop     Ctrl-C; nothing is kept

What a program of your own connects with (sandbox/README.md):

%[4]s
`, world.URL, demoRule, config, world.Connection().Env())
	if err != nil {
		return err
	}
	return bot.Run(ctx)
}

// startSandbox serves the sandbox at the address, or at a free port where that one is taken.
func startSandbox(ctx context.Context, opts demoOptions) (*sandbox.Sandbox, error) {
	config := sandbox.Config{Addr: opts.Addr, Seed: demoSeed, Accounts: opts.Accounts}
	app := manifestOf(settings.Default())
	config.NoHome = !app.Features.Home.Home
	for _, s := range app.Features.Shortcuts {
		config.Shortcuts = append(config.Shortcuts, sandbox.Shortcut{
			Name: s.Name, CallbackID: s.Callback, Description: s.Description, Message: s.Type == "message",
		})
	}
	world, err := sandbox.Start(ctx, config)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return world, err
	}
	host, _, splitErr := net.SplitHostPort(opts.Addr)
	if splitErr != nil {
		return nil, err
	}
	config.Addr = net.JoinHostPort(host, "0")
	return sandbox.Start(ctx, config)
}
