package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/store"
)

// backup is the command backup FILE.
func (p *program) backup() *cobra.Command {
	var file string
	short := "Write a consistent copy of the database, also while the bot runs"
	cmd := p.command("backup FILE", short, func(ctx context.Context) error {
		cfg, err := p.load(0)
		if err != nil {
			return err
		}
		return runBackup(ctx, cfg.Store.Path, file, p.out)
	})
	cmd.Args = oneArg(func(word string) error {
		file = word
		return nil
	})
	return cmd
}

// runBackup copies the database at path to a new file and looks whether the copy is whole.
func runBackup(ctx context.Context, path, to string, out io.Writer) error {
	db, err := openToRead(ctx, path)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Backup(ctx, to), db.Close()); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there already; name a new file, for a backup is never written over another", to)
		}
		return err
	}
	head, err := tryCopy(ctx, to)
	if err != nil {
		return fmt.Errorf("the copy in %s cannot be read: %w", to, err)
	}
	_, err = fmt.Fprintf(out, "%s: a copy up to event %d of the log\nhead:  %d:%s\n", to, head.Seq, head.Seq, head.Hash)
	return err
}

// tryCopy opens a copy as audit does, and gives the head of its log.
func tryCopy(ctx context.Context, path string) (head store.Head, err error) {
	db, err := openToRead(ctx, path)
	if err != nil {
		return head, err
	}
	head, err = db.LogHead(ctx)
	return head, errors.Join(err, db.Close())
}
