package service

import (
	"errors"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// lockData takes the lock on the database itself without waiting; it lasts until the file is closed. The error is errLocked
// when another process has it. It is an open file description lock, which belongs to this opening of the file and stays
// when the process closes another one (fcntl(2)), on the last byte that a file can have: SQLite's own locks are around 1 GiB
// (https://www.sqlite.org/lockingv3.html) and are not touched.
func lockData(file *os.File) error {
	last := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: math.MaxInt64 - 1, Len: 1}
	err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &last)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return errLocked
	}
	return err
}
