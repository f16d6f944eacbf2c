package cli

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/service"
)

func (p *program) health(ctx context.Context) error {
	cfg, err := p.load(0)
	if err != nil {
		return err
	}
	if err := service.AskReady(ctx, cfg.Store.Path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, "ready")
	return err
}
