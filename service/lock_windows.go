package service

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

// lockData takes the lock on the database itself in the same way: SQLite locks bytes around 1 GiB, not the last.
func lockData(file *os.File) error { return lockFile(file) }

// namesOf returns how many names (hard links) a file has.
func namesOf(path string, _ os.FileInfo) (names uint64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var found windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(file.Fd()), &found); err != nil {
		return 0, err
	}
	return uint64(found.NumberOfLinks), nil
}

// unlockFile has nothing to do: the lock ends with the file.
func unlockFile(*os.File) error { return nil }
