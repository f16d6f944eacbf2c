// Command countersign is a Slack bot for bulk changes of Atlassian accounts that a second person has to approve. This
// package holds the commands, the settings and the service that ties the other packages together: bot (Slack), workflow
// (the subject itself), atlassian (the admin APIs), report (snapshots and tables) and store (SQLite).
//
// It promises: output on stdout, logs on stderr; exit code 0 when all is right, 1 when something went wrong, 2 for bad
// usage or settings; no secret in any of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitRight = 0
	exitWrong = 1
	exitUsage = 2 // bad usage or settings
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the program without its process: it returns the exit code. The first SIGINT or SIGTERM ends the command's
// context, the second ends the process at once.
func run(args []string, out, errw io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	p := &program{out: out, errw: errw}
	root := p.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitRight
	}
	if _, ok := errors.AsType[*SettingsError](err); ok {
		_, _ = fmt.Fprintln(errw, err)
		return exitUsage
	}
	_, _ = fmt.Fprintln(errw, "countersign: "+err.Error())
	if !p.begun {
		_, _ = fmt.Fprintf(errw, "see: %s --help\n", cmd.CommandPath())
		return exitUsage
	}
	return exitWrong
}

// program is one call of the program: where it writes, and what is known of the command once the line is parsed.
type program struct {
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
	}
	root.SetOut(p.out)
	root.SetErr(p.errw)
	root.PersistentFlags().StringVar(&p.settings, "config", defaultConfigFile, "settings `file`")
	root.AddCommand(
		p.demo(),
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
	return root
}

// command is a command that takes no arguments, unless its Args are set to others.
func (p *program) command(use, short string, do func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.begun = true
			p.named = cmd.Flags().Changed("config")
			return do(cmd.Context())
		},
	}
}

func (p *program) demo() *cobra.Command {
	var options demoOptions
	cmd := p.command("demo", "Everything on this machine with nothing to set up", func(ctx context.Context) error {
		return runDemo(ctx, p.out, p.errw, options)
	})
	cmd.Flags().StringVar(&options.Addr, "listen", "127.0.0.1:8780", "`address` of the page; a free port where it is taken")
	return cmd
}

func (p *program) serve(ctx context.Context) error {
	cfg, err := Load(p.settings, NeedSlack|NeedAtlassian)
	if err != nil {
		return err
	}
	log := newLogger(p.errw, cfg.Log)
	for _, warning := range cfg.Warnings {
		log.Warn().Msg(warning)
	}
	boundMemory()
	return runServe(ctx, cfg, log)
}

func (p *program) doctor(ctx context.Context) error {
	cfg, err := p.load(NeedSlack | NeedAtlassian)
	if err != nil {
		return err
	}
	return runDoctor(ctx, cfg, p.out)
}

func (p *program) manifest(context.Context) error {
	cfg, err := p.loadOrDefaults()
	if err != nil {
		return err
	}
	text, err := manifest(cfg)
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}

func (p *program) plan() *cobra.Command {
	var options planOptions
	cmd := p.command("plan", "Check a CSV and print the plan; changes nothing", func(ctx context.Context) error {
		cfg, err := p.load(NeedAtlassian)
		if err != nil {
			return err
		}
		return runPlan(ctx, cfg, options, p.out)
	})
	cmd.Flags().StringVar(&options.CSV, "csv", "", "the `file` to check")
	cmd.Flags().StringVar(&options.Verb, "action", "", "the `action` of rows that name none, as rename")
	if err := cmd.MarkFlagRequired("csv"); err != nil {
		panic(err) // the flag is defined three lines up
	}
	return cmd
}

func (p *program) health(ctx context.Context) error {
	cfg, err := p.load(0)
	if err != nil {
		return err
	}
	if err := askReady(ctx, cfg.Store.Path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, "ready")
	return err
}

func (p *program) version(context.Context) error {
	_, err := fmt.Fprintln(p.out, version())
	return err
}

// load reads the settings for a command whose output people read, and says the warnings on stderr.
func (p *program) load(need Need) (*Config, error) {
	cfg, err := Load(p.settings, need)
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
func (p *program) loadOrDefaults() (*Config, error) {
	if _, err := os.Stat(p.settings); !p.named && errors.Is(err, os.ErrNotExist) {
		return defaults(), nil
	}
	return p.load(0)
}

// newLogger writes to stderr as the settings say; Load has checked both words.
func newLogger(errw io.Writer, settings Log) zerolog.Logger {
	if settings.Format == "text" {
		errw = zerolog.ConsoleWriter{Out: errw, NoColor: true, TimeFormat: "2006-01-02T15:04:05Z07:00"}
	}
	level, err := zerolog.ParseLevel(settings.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	return zerolog.New(errw).Level(level).With().Timestamp().Logger()
}
