package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
)

// auditOptions are the flags of the audit commands.
type auditOptions struct {
	Database string   // a copy to look at, "" for that of the settings
	Heads    []string // of the log, as kept outside
	Out      string   // of audit batch, "" for stdout
}

// errBroken ends audit verify where something is wrong; what it is was printed.
var errBroken = errors.New("the log of events or the database is not what was written")

// audit is the command audit with those below it. They open the database for reading only, so that they work while the bot
// runs, and on a copy.
func (p *program) audit() *cobra.Command {
	var options auditOptions
	audit := &cobra.Command{
		Use: "audit", Short: "Verify and export the log of everything people and the bot did", Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return errors.New("audit needs one of verify, export and batch") },
	}
	audit.PersistentFlags().StringVar(&options.Database, "database", "",
		"a database `file` to look at instead of that of the settings")

	whole := "Exit with 0 when the log is whole and the database agrees with it"
	verify := p.command("verify", whole, func(ctx context.Context) error {
		return p.withAudited(ctx, options, func(db *sqlite.DB) error { return auditVerify(ctx, db, options.Heads, p.out) })
	})
	verify.Flags().StringArrayVar(&options.Heads, "head", nil,
		"a `head` of the log that it must still have, as reports show it: 1234:ab12…")
	verify.PreRunE = func(*cobra.Command, []string) error {
		_, err := parseHeads(options.Heads)
		return err
	}
	export := p.command("export", "Write every event as a line of JSON", func(ctx context.Context) error {
		return p.withAudited(ctx, options, func(db *sqlite.DB) error { return auditExport(ctx, db, p.out) })
	})

	var number int64
	batch := p.command("batch N", "Write a zip with all that proves one batch", func(ctx context.Context) error {
		return p.withAudited(ctx, options, func(db *sqlite.DB) error { return auditBatch(ctx, db, number, options.Out, p.out) })
	})
	batch.Args = oneArg(func(word string) (err error) {
		if number, err = strconv.ParseInt(word, 10, 64); err != nil || number < 1 {
			return fmt.Errorf("%q is not the number of a batch", word)
		}
		return nil
	})
	batch.Flags().StringVar(&options.Out, "out", "", "a new `file` to write to instead of stdout")
	audit.AddCommand(verify, export, batch)
	return audit
}

// withAudited opens the database for reading only and gives it to do.
func (p *program) withAudited(ctx context.Context, options auditOptions, do func(*sqlite.DB) error) error {
	path := options.Database
	if path == "" {
		cfg, err := p.load(0)
		if err != nil {
			return err
		}
		path = cfg.Store.Path
	}
	db, err := openToRead(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// openToRead opens the database beside a bot that may run on it.
func openToRead(ctx context.Context, path string) (*sqlite.DB, error) {
	db, err := sqlite.OpenReadOnly(ctx, sqlite.Config{Path: path, Log: zerolog.Nop()})
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no database at %s", path)
	}
	return db, err
}

// auditVerify prints what was found, or that all is whole.
func auditVerify(ctx context.Context, db *sqlite.DB, given []string, out io.Writer) error {
	heads, err := parseHeads(given)
	if err != nil {
		return err
	}
	a, err := db.Audit(ctx, heads...)
	if err != nil {
		return err
	}
	for _, f := range a.Findings {
		if _, err := fmt.Fprintf(out, "WRONG  %s\n", oneLine(f.String())); err != nil {
			return err
		}
	}
	if a.More > 0 {
		_, err = fmt.Fprintf(out, "       and %s more\n", workflow.Number(a.More))
	}
	if err != nil || !a.Whole() {
		return errors.Join(err, errBroken)
	}
	_, err = fmt.Fprintf(out, "whole: %s events, and %s batches with %s rows agree with them\nhead:  %d:%s\n",
		workflow.Number(a.Head.Seq), workflow.Number(a.Batches), workflow.Number(a.Rows), a.Head.Seq, a.Head.Hash)
	if err == nil && len(a.Beside) > 0 {
		_, err = fmt.Fprintf(out, "not part of what is proved: %s (Litestream's)\n", strings.Join(a.Beside, ", "))
	}
	return err
}

// givenHead is a head as people copy it: "1234:ab12…", "event 1234, ab12…", or a hash alone, in full or its beginning.
var givenHead = regexp.MustCompile(`^(?:(?:[Ll]og head: *)?(?:event +)?([0-9]{1,18})[:, ]+)?([0-9a-fA-F]{16,64})(?:…|\.\.\.)?$`)

// parseHeads reads what was given with --head.
func parseHeads(given []string) ([]store.Head, error) {
	var heads []store.Head
	for _, text := range given {
		m := givenHead.FindStringSubmatch(strings.TrimSpace(strings.ReplaceAll(text, "`", "")))
		if m == nil {
			return nil, fmt.Errorf("--head %q is not a head of the log; give it as reports show it: a number, a colon and "+
				"16 to 64 hexadecimal digits", text)
		}
		seq, err := strconv.ParseInt("0"+m[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("--head %q: %w", text, err)
		}
		heads = append(heads, store.Head{Seq: seq, Hash: strings.ToLower(m[2])})
	}
	return heads, nil
}

// auditExport writes the log, a line for each event, while it is read.
func auditExport(ctx context.Context, db *sqlite.DB, out io.Writer) error {
	buffered := bufio.NewWriterSize(out, 1<<16)
	err := db.Events(ctx, func(line []byte) error {
		_, err := buffered.Write(line)
		return err
	})
	return errors.Join(err, buffered.Flush())
}
