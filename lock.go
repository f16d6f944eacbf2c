package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// errLocked is what lockFile answers when another process has the lock.
var errLocked = errors.New("the lock is taken")

// lockMode lets only the owner open the lock, as the database beside it.
const lockMode = 0o600

// lockStore takes the operating-system lock beside the database at path, path+".lock", so that one process at a time
// runs batches from it. The lock dies with the process however that ends, so there is nothing to clean up after a crash;
// the file stays, for two processes that lock a file and remove it can each hold "the" lock. The error of a second
// process names the file and the process that has it.
func lockStore(path string) (release func() error, err error) {
	name := path + ".lock"
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
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
	if err := writeHolder(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the database with %s: %w", name, err), file.Close())
	}
	return func() error { return errors.Join(unlockFile(file), file.Close()) }, nil
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
