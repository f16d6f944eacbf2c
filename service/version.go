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
	built := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok {
		built = cmp.Or(info.Main.Version, built)
	}
	return fmt.Sprintf("countersign %s %s %s/%s", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
