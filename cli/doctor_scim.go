package cli

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/workflow"
)

// scim looks whether each SCIM directory of ours takes its key, and whether it looks as if an identity
// provider wrote there: that would set back what is changed here.
func (d *doctor) scim(ctx context.Context) error {
	ours, err := service.NewSCIM(d.cfg, service.Network{}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	for _, directory := range ours {
		sample, err := directory.Check(ctx)
		switch {
		case err == nil:
			d.sampled(directory.Name(), sample)
		case atlassian.KindOf(err) == atlassian.KindKeyRefused:
			d.bad("atlassian.scim: %s refuses the key; it takes its own, not the organisation's (Atlassian admin, Security, "+
				"Identity providers, the directory, Regenerate API key)", directory.Name())
		case atlassian.KindOf(err) == atlassian.KindNotFound:
			d.bad("atlassian.scim: there is no directory %s; check its directory_id", directory.Name())
		default:
			d.bad("atlassian.scim: %s: %v; check its directory_id and atlassian.api_url", directory.Name(), err)
		}
		directory.Close()
	}
	return nil
}

// sampled says what the first users of a directory tell of who writes there.
func (d *doctor) sampled(name string, s atlassian.SCIMSample) {
	if s.External > 0 {
		d.warn("atlassian.scim: %s takes the key, but an identity provider seems to write there: %s of the first %s "+
			"have an externalId, which countersign never writes; end its provisioning, or leave the directory out",
			name, workflow.Number(s.External), counted(s.Looked, "user"))
		return
	}
	written := ""
	if s.Newest != "" {
		written = "; of those looked at, the last was written " + s.Newest
	}
	d.ok("atlassian.scim: %s takes the key, has %s, and no identity provider seems to write there%s",
		name, counted(s.Total, "user"), written)
}
