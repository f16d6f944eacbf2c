package report

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"strings"
)

// zippedOver is from which size on a table is sent zipped, in bytes.
const zippedOver = 20 << 20

// File is the table of a result as it is sent. It is never in memory as a whole: it is written anew,
// from the snapshot, each time that it is sent, and is the same each time.
type File struct {
	Name  string
	Size  int // in bytes
	Write func(ctx context.Context, w io.Writer) error
}

// File returns the file of a result that did not fail: its table, zipped where it is large. Errors:
// ErrNoSnapshot.
func (r *Runner) File(ctx context.Context, result Result) (File, error) {
	return newFile(ctx, result.FileName, zippedOver, func(ctx context.Context, w io.Writer) error {
		return r.write(ctx, result, w)
	})
}

func newFile(ctx context.Context, name string, limit int, write func(context.Context, io.Writer) error) (File, error) {
	f := File{Name: name, Write: write}
	var err error
	if f.Size, err = measure(ctx, write); err != nil || f.Size <= limit {
		return f, err
	}
	f.Name = strings.TrimSuffix(name, ".csv") + ".zip"
	f.Write = func(ctx context.Context, w io.Writer) error { return zipped(ctx, name, write, w) }
	f.Size, err = measure(ctx, f.Write)
	return f, err
}

// measure returns how many bytes are written.
func measure(ctx context.Context, write func(context.Context, io.Writer) error) (int, error) {
	var n counter
	err := write(ctx, &n)
	return int(n), err
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// zipped writes a file into an archive of its own. It says no time, so that it is the same each time.
func zipped(ctx context.Context, name string, write func(context.Context, io.Writer) error, w io.Writer) error {
	archive := zip.NewWriter(w)
	file, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return fmt.Errorf("zip %s: %w", name, err)
	}
	if err := write(ctx, file); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("zip %s: %w", name, err)
	}
	return nil
}
