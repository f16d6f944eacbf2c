// Package cli is the command line of countersign: one command a file, each of which reads the settings, makes what it needs
// of the other packages and says what came of it.
//
// It promises: output on stdout, logs on stderr; exit code 0 when all is right, 1 when something went wrong, 2 for bad
// usage or settings; no secret in any of them.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/settings"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // bad usage or settings
)

// Run is the program without its process: args are those after its name, and it returns the exit code. The first SIGINT or SIGTERM ends the command's
// context, the second ends the process at once.
func Run(args []string, out, errw io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	p := &program{in: os.Stdin, out: out, errw: errw}
	root := p.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*settings.Error](err); ok {
		_, _ = fmt.Fprintln(errw, err)
		return exitUsage
	}
	_, _ = fmt.Fprintln(errw, "countersign: "+err.Error())
	if errors.Is(err, errLater) {
		return exitUsage
	}
	if !p.begun {
		_, _ = fmt.Fprintf(errw, "see: %s --help\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailure
}

// program is one call of the program: where it reads and writes, and what is known of the command once the line is parsed.
type program struct {
	in        *os.File // of init's answers
	out, errw io.Writer
	settings  string // --config
	named     bool   // --config was given
	begun     bool   // the command has begun, so an error is no longer one of usage
}

// root is the command line. cobra does not tell usage errors from those of a command, so each command notes that it
// begins.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "countersign",
		Short:         "Bulk changes of Atlassian accounts from Slack, approved by a second person",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(p.out)
	root.SetErr(p.errw)
	root.PersistentFlags().StringVar(&p.settings, "config", settings.DefaultFile, "settings `file`")
	root.AddCommand(
		p.demo(),
		p.demoBot(),
		p.initialise(),
		p.command("serve", "Run the bot", p.serve),
		p.command("doctor", "Check tokens, scopes, channels and the key, and say what to fix", p.doctor),
		p.command("manifest", "Print the Slack app manifest for these settings", p.manifest),
		p.plan(),
		p.policy(),
		p.command("health", "Exit with 0 when the running bot is ready", p.health),
		p.audit(),
		p.backup(),
		p.command("version", "Print the version", p.version),
	)
	root.AddCommand(later()...)
	ownWords(root)
	return root
}

// command is a command that takes no arguments, unless its Args are set to others.
func (p *program) command(use, short string, do func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.begun = true
			p.named = cmd.Flags().Changed("config")
			return do(cmd.Context())
		},
	}
}

// load reads the settings for a command whose output people read, and says the warnings on stderr.
func (p *program) load(need settings.Need) (*settings.Config, error) {
	cfg, err := settings.Load(p.settings, need)
	if err != nil {
		return nil, err
	}
	for _, warning := range cfg.Warnings {
		if _, err := fmt.Fprintln(p.errw, "warning: "+warning); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// loadOrDefaults is load for a command that works before there is a settings file.
func (p *program) loadOrDefaults() (*settings.Config, error) {
	if _, err := os.Stat(p.settings); !p.named && errors.Is(err, os.ErrNotExist) {
		return settings.Default(), nil
	}
	return p.load(0)
}
