//go:build unix && !linux

package service

import "os"

// lockData does nothing where a lock on the file would stand in the way of SQLite's (flock) or go when another opening of
// the file is closed (fcntl). The lock beside the file and refuseSecondName are what there is.
func lockData(*os.File) error { return nil }
