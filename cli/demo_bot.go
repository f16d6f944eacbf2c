package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
)

// demoBotName is the hidden command under which the demo runs its bot: what serve does, until the
// demo that started it is gone.
const demoBotName = "demo-bot"

const (
	// demoDown is how long the demo leaves its bot dead, for everybody to see that it is.
	demoDown = 2 * time.Second
	// demoStop is what its bot has to end in: the 10 s of serve, and a little.
	demoStop = 12 * time.Second
	// demoGrace tells the end of a bot that Ctrl-C reached first from one by itself.
	demoGrace = 500 * time.Millisecond
)

// demoBot is the command behind demoBotName. Its standard input is a pipe from the demo; when that
// closes the demo is gone, however it ended.
func (p *program) demoBot() *cobra.Command {
	cmd := p.command(demoBotName, "The bot of a running demo", func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // however it ends, it has ended
			cancel()
		}()
		return p.serve(ctx)
	})
	cmd.Hidden = true
	return cmd
}

// botProcess is the demo's bot: this program again, in a process of its own, so that it can be killed
// as a crash or a power cut would end it.
type botProcess struct {
	program string   // path of the executable
	args    []string // with the name in front
	errw    io.Writer
	down    time.Duration // how long it stays dead
	kill    chan struct{} // each value kills the process once
}

// newBotProcess is one that reads the settings file.
func newBotProcess(settings string, errw io.Writer) (*botProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to start the demo's bot: %w", err)
	}
	return &botProcess{
		program: program, args: []string{os.Args[0], demoBotName, "--config", settings}, errw: errw, down: demoDown,
		kill: make(chan struct{}, 1),
	}, nil
}

// Kill ends the process at once, without a chance to write anything down; it is started again.
func (b *botProcess) Kill() {
	select {
	case b.kill <- struct{}{}:
	default: // it is being killed already
	}
}

// Run keeps the bot running until the context ends. It is started again when it was killed; one that
// ends by itself ends Run with an error.
func (b *botProcess) Run(ctx context.Context) error {
	for {
		killed, err := b.once(ctx)
		if err != nil || !killed {
			return err
		}
		select {
		case <-time.After(b.down):
		case <-ctx.Done():
			return nil
		}
	}
}

// once runs the bot once; it reports whether it was killed.
func (b *botProcess) once(ctx context.Context) (killed bool, err error) {
	select {
	case <-b.kill: // meant for the one before
	default:
	}
	//nolint:gosec // it is this program itself, with words of ours
	cmd := exec.CommandContext(context.WithoutCancel(ctx), b.program)
	cmd.Args, cmd.Stderr = b.args, b.errw
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return false, fmt.Errorf("start the demo's bot: %w", err)
	}
	var how error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		how = cmd.Wait()
	}()
	select {
	case <-ended:
		return false, endedItself(ctx, how)
	case <-b.kill:
		err := cmd.Process.Kill()
		<-ended
		return true, err
	case <-ctx.Done():
		return false, stopBot(cmd, alive, ended)
	}
}

// endedItself is the error of a bot that nobody ended, nil when Ctrl-C did.
func endedItself(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(demoGrace):
	}
	if err == nil {
		err = errors.New("it stopped")
	}
	return fmt.Errorf("the demo's bot ended by itself: %w", err)
}

// stopBot ends the bot as SIGTERM ends serve, and kills one that does not end.
func stopBot(cmd *exec.Cmd, alive io.Closer, ended <-chan struct{}) error {
	_ = alive.Close() // it may have ended already
	select {
	case <-ended:
		return nil
	case <-time.After(demoStop):
	}
	err := cmd.Process.Kill()
	<-ended
	return errors.Join(errors.New("the demo's bot did not stop and was killed"), err)
}
