package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// errLocked is what lockFile and lockData answer when another process has the lock.
var errLocked = errors.New("the lock is taken")

// lockMode lets only the owner open the lock, as the database beside it.
const lockMode = 0o600

// lockStore takes the locks on the database at path, so that one process at a time runs batches from it, whatever name it
// is reached by. It makes an empty database where there is none. There are two locks:
//
//   - on a file beside it, path+".lock" of the path that all symbolic links lead to. The file stays, for two processes that
//     lock a file and remove it can each hold "the" lock;
//   - on the database itself (lockData), for one file can stand under several names: hard links, mounts.
//
// Both die with the process however that ends, so there is nothing to clean up after a crash. A name that no process was run
// on is refused where the database has several: SQLite keeps what was written last beside the name it was written by, and
// whoever opens the database by another does not see it (https://www.sqlite.org/howtocorrupt.html, 2.4). The error of a
// second process names the file and, where it is known, the process that has it.
//
// release is to be called when the database has been closed: closing a file of the database takes away the locks that SQLite
// has on it in this process (2.2 of the same page). For the same reason the database is opened here when the first lock is
// held, and never by a process that has it open.
func lockStore(path string) (release func() error, err error) {
	place, err := resolveStore(path)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	name := place + ".lock"
	if err := refuseSecondName(place, name); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, lockMode)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	if err := file.Chmod(lockMode); err != nil { // it may have been there before
		return nil, errors.Join(fmt.Errorf("lock the database: %w", err), file.Close())
	}
	if err := lockFile(file); err != nil {
		defer func() { _ = file.Close() }()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock the database with %s: %w", name, err)
		}
		return nil, fmt.Errorf("another countersign%s is running on %s, for it holds %s; stop it first, or set another store.path",
			holder(name), path, name)
	}
	data, err := lockDatabase(path, place)
	if err != nil {
		return nil, errors.Join(err, unlockFile(file), file.Close())
	}
	release = func() error { return errors.Join(data.Close(), unlockFile(file), file.Close()) }
	if err := writeHolder(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the database with %s: %w", name, err), release())
	}
	return release, nil
}

// resolveStore is the path without symbolic links. A database that is not there yet is made, empty and for its owner alone,
// also where a link leads to its place.
func resolveStore(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	place, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return place, err
	}
	made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, lockMode)
	if err != nil {
		return "", err
	}
	if err := made.Close(); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// refuseSecondName returns an error where the database has several names and no process ran under this one, or this one is
// not the one it ran under last as far as the lock beside it says.
func refuseSecondName(place, lock string) error {
	if _, err := os.Lstat(lock); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it is said when it is opened
	}
	info, err := os.Stat(place)
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // the same
	}
	n, err := namesOf(place, info)
	if err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	if n > 1 && info.Size() > 0 {
		return fmt.Errorf("the database %s has %d names (hard links), and this is not the one that countersign ran under: what "+
			"was written last stands beside that one; set store.path to it, or remove the other names", place, n)
	}
	return nil
}

// lockDatabase takes the lock on the database itself.
func lockDatabase(path, place string) (*os.File, error) {
	data, err := os.OpenFile(place, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	if err := lockData(data); err != nil {
		defer func() { _ = data.Close() }()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock the database %s: %w", place, err)
		}
		return nil, fmt.Errorf("another countersign is running on %s under another name of the same file; stop it first, or set "+
			"another store.path", path)
	}
	return data, nil
}

// writeHolder leaves our process id in the lock for the sentence that a second process prints.
func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(file, "%d\n", os.Getpid())
	return err
}

// holder reads " (process 123)" from the lock, "" when it does not say.
func holder(name string) string {
	text, err := os.ReadFile(name)
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return ""
	}
	return fmt.Sprintf(" (process %s)", pid)
}
