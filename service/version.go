package service

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version describes this build in one line from what the Go toolchain wrote into it: the module's version (which between
// releases names the commit, and "+dirty" when the tree was changed), the Go version and the platform.
func Version() string {
	return fmt.Sprintf("countersign %s %s %s/%s", cmp.Or(built(), "(unknown version)"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// built is the module's version, "" where it is not known.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}
