package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the database to a new file, readable by its owner only, while
// others go on reading and writing: it is the database as of the moment when the copy began (VACUUM
// INTO, https://www.sqlite.org/lang_vacuum.html). It refuses to overwrite: the error matches
// fs.ErrExist. The file is empty until the copy is whole and on disk.
func (db *DB) Backup(ctx context.Context, to string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up the database: %w", err)
		}
	}()
	name, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // the name is ours from now on
	if err != nil {
		return err
	}
	err = errors.Join(db.copyTo(ctx, to), name.Close())
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return syncFolder(filepath.Dir(to))
}

// copyTo puts a copy in the place of the file.
func (db *DB) copyTo(ctx context.Context, to string) (err error) {
	part, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-*") // 0600, whatever the umask
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part.Name()) // the error before says why there is no copy
		}
	}()
	_, err = db.reader.ExecContext(ctx, "VACUUM INTO ?", part.Name())
	err = errors.Join(storeError(ctx, "copy the database", err), part.Sync(), part.Close())
	if err != nil {
		return err
	}
	return os.Rename(part.Name(), to)
}

// syncFolder makes a new name in the folder outlast a power cut, where the system can do that.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	_ = folder.Sync() // Windows refuses to sync folders; the copy itself is on disk
	return folder.Close()
}
