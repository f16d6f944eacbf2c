package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/countersign/countersign/workflow"
)

// What is wrong with a command line is said in words of ours: which word or option, and what it
// should be.

// flagError says what is wrong with an option.
func flagError(cmd *cobra.Command, err error) error {
	if e, is := errors.AsType[*pflag.NotExistError](err); is {
		if short := e.GetSpecifiedShortnames(); short != "" {
			return fmt.Errorf("there is no option -%s", e.GetSpecifiedName())
		}
		return fmt.Errorf("there is no option --%s%s", e.GetSpecifiedName(), nearest("--", e.GetSpecifiedName(), flagNames(cmd)))
	}
	if e, is := errors.AsType[*pflag.ValueRequiredError](err); is {
		return fmt.Errorf("%s needs a value", optionWords(e.GetFlag()))
	}
	if e, is := errors.AsType[*pflag.InvalidValueError](err); is {
		return fmt.Errorf("%s cannot be %q", optionWords(e.GetFlag()), e.GetValue())
	}
	if e, is := errors.AsType[*pflag.InvalidSyntaxError](err); is {
		return fmt.Errorf("%s is no option", e.GetSpecifiedFlag())
	}
	return fmt.Errorf("the options cannot be read: %w", err)
}

// optionWords is an option as it is written, with what stands behind it.
func optionWords(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	return strings.TrimSpace("--" + f.Name + " " + strings.ToUpper(name))
}

func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// nearest asks whether the known word was meant that is nearest to one, "" when none is near.
func nearest(before, word string, known []string) string {
	if near := workflow.NearestWord(strings.ToLower(word), known); near != "" {
		return fmt.Sprintf("; did you mean %s%s?", before, near)
	}
	return ""
}

// noArgs refuses words behind a command that takes none; behind one that has commands of its own,
// they are none of them.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return unknownCommand(cmd, args[0])
	}
	return fmt.Errorf("%s takes nothing after it, and there is %q", cmd.CommandPath(), args[0])
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	whole := strings.TrimPrefix(cmd.CommandPath()+" ", cmd.Root().Name()+" ") + word
	return fmt.Errorf("there is no command %q%s", whole, nearest("", word, names))
}

// oneArg takes exactly one word, which the command's usage names.
func oneArg(take func(string) error) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		_, what, _ := strings.Cut(cmd.Use, " ")
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s is missing: %s %s", what, cmd.CommandPath(), what)
		case len(args) > 1:
			return fmt.Errorf("%s takes one %s, and there is %q, too", cmd.CommandPath(), what, args[1])
		}
		return take(args[0])
	}
}

// needs refuses a command line without the options. They are checked with the words behind the
// command.
func needs(cmd *cobra.Command, names ...string) {
	before := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := before(cmd, args); err != nil {
			return err
		}
		for _, name := range names {
			if f := cmd.Flags().Lookup(name); f == nil || !f.Changed {
				return fmt.Errorf("%s is missing", optionWords(cmd.Flags().Lookup(name)))
			}
		}
		return nil
	}
}

// helpCommand shows the help of a command.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd := root
			for _, word := range args {
				next, _, err := cmd.Find([]string{word})
				if err != nil || next == cmd {
					return unknownCommand(cmd, word)
				}
				cmd = next
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// ownWords has every command of the tree refuse words in our way, those that the library adds, too.
func ownWords(root *cobra.Command) {
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultCompletionCmd("completion")
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = noArgs
		for _, shell := range c.Commands() {
			shell.Args = noArgs
		}
	}
}
