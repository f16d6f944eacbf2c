//go:build unix

package service

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock on the open file without waiting; it lasts until the file is closed. The error wraps errLocked
// when another process has it.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// unlockFile gives the lock back. Closing the file is not enough while a process that we are starting has it, too.
func unlockFile(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }

// namesOf returns how many names (hard links) a file has.
func namesOf(_ string, info os.FileInfo) (uint64, error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1, nil
	}
	return uint64(stat.Nlink), nil //nolint:unconvert // its type is another on each system
}
