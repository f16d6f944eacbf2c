package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// errLater is a command that this version does not have yet.
var errLater = errors.New("is not supported yet")

// later are the commands that this version only knows by name. They are answered as a setting is that
// is not supported yet, whatever stands behind them.
func later() (commands []*cobra.Command) {
	for _, name := range []string{"people", "mcp", "migrate-store"} {
		commands = append(commands, &cobra.Command{
			Use: name, Short: "Not supported yet", Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return fmt.Errorf("%s %w", name, errLater) },
		})
	}
	return commands
}
