package workflow

import (
	"context"
	"fmt"
)

// parkingAddress is where an account waits while its own address and the one it takes are exchanged.
func parkingAddress(batch int64, row int, domain string) string {
	return fmt.Sprintf("countersign-park-%d-%d@%s", batch, row, domain)
}

// park gives every circle of renames the parking address that breaks it, and makes sure that it can be had.
func (k *check) park(ctx context.Context) error {
	_, circles := chain(k.drafts, k.holders)
	addresses := make([]string, len(circles))
	for i, circle := range circles {
		d := circle[0]
		domain := Domain(d.account.Email)
		if !k.claimed[domain] {
			domain = Domain(d.target())
		}
		d.park = parkingAddress(k.Batch, d.row.Line, domain)
		addresses[i] = d.park
	}
	if len(addresses) == 0 {
		return nil
	}
	var holders map[string][]Account
	err := k.patience.ask(ctx, func() (err error) {
		holders, err = k.Reader.ByAddress(ctx, addresses)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, circle := range circles {
		d := circle[0]
		switch holder := holders[AddressKey(d.park)]; {
		case err != nil:
			d.block(ReasonCouldNotCheck, whyNot(err))
		case k.protected.covers(d.park) != "":
			d.block(ReasonProtected, d.park)
		case len(holder) > 0:
			d.block(ReasonParkTaken, d.park, holder[0].ID)
		}
	}
	return nil
}

// parkedIn gives the parking address of a row that begins one of the circles, "" for every other row.
func parkedIn(circles [][]*draft, d *draft) string {
	for _, circle := range circles {
		if circle[0] == d {
			return d.park
		}
	}
	return ""
}
