package cli

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/service"
)

func (p *program) version(context.Context) error {
	_, err := fmt.Fprintln(p.out, service.Version())
	return err
}
