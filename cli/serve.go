package cli

import (
	"context"
	"io"

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
	return service.Serve(ctx, cfg, log)
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
