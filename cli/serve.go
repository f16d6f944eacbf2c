package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
)

func (p *program) serve(ctx context.Context) error {
	cfg, err := settings.Load(p.settings, settings.NeedSlack|settings.NeedAtlassian)
	if err != nil {
		return err
	}
	log := newLogger(p.errw, cfg.Log)
	for _, warning := range cfg.Warnings {
		log.Warn().Msg(warning)
	}
	service.BoundMemory()
	defer ignoreHangups(log)()
	return service.Serve(ctx, cfg, log)
}

// ignoreHangups keeps SIGHUP, with which other programs are told to read their settings again, from ending
// the process, until it is told to stop.
func ignoreHangups(log zerolog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				log.Warn().Msg("SIGHUP is ignored: reading the settings again is not supported yet; restart to have them read")
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}

// newLogger writes to stderr as the settings say; Load has checked both words.
func newLogger(errw io.Writer, settings settings.Log) zerolog.Logger {
	if settings.Format == "text" {
		errw = zerolog.ConsoleWriter{Out: errw, NoColor: true, TimeFormat: "2006-01-02T15:04:05Z07:00"}
	}
	level, err := zerolog.ParseLevel(settings.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	return zerolog.New(errw).Level(level).With().Timestamp().Logger()
}
