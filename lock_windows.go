package main

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes the lock on the open file without waiting; it lasts until the file is closed. The error wraps errLocked
// when another process has it. Windows forbids reading a locked range, so the range is the last byte a file can have:
// the process id at the start stays readable.
func lockFile(file *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	last := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, last)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// unlockFile has nothing to do: the lock ends with the file.
func unlockFile(*os.File) error { return nil }
