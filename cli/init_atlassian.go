package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
)

// apiKey finds the key, the organisation that it is of, and tries whether it can manage accounts.
func (s *setup) apiKey(ctx context.Context) error {
	found, err := s.credential(ctx, s.options.APIKeyFile, "api-key-file", "ATLASSIAN_API_KEY",
		"API key of the organisation, made without scopes (admin.atlassian.com, Settings, API keys)",
		func(secret settings.Secret) error {
			if secret.IsZero() {
				return errors.New("paste the key")
			}
			s.cfg.Atlassian.APIKey = secret
			ctx, cancel := context.WithTimeout(ctx, initTime)
			defer cancel()
			if err := s.organisation(ctx); err != nil {
				return err
			}
			return s.tryKey(ctx)
		})
	s.key = found
	return err
}

// organisation finds the organisation: the one of the option, the only one that the key sees, or the answer.
func (s *setup) organisation(ctx context.Context) error {
	if s.options.Org != "" {
		return s.setOrg(s.options.Org)
	}
	all, err := atlassian.Organisations(ctx, atlassian.Config{
		BaseURL: s.cfg.Atlassian.APIURL, Key: s.cfg.Atlassian.APIKey.Reveal, Log: zerolog.Nop(),
	})
	switch {
	case atlassian.KindOf(err) == atlassian.KindKeyRefused:
		return errors.New(keyProblem(atlassian.KeyReport{}, err))
	case err != nil:
		return fmt.Errorf("list the organisations: %w", err)
	case len(all) == 1:
		s.cfg.Atlassian.OrgID = all[0].ID
		return nil
	case len(all) == 0:
		s.ask.say("  The key lists no organisation. Keys made with scopes do that; make one without, or go on with the id.")
	}
	for _, o := range all {
		s.ask.say("  %s  %s", o.ID, oneLine(o.Name))
	}
	return s.answer(ctx, "", "org", "Organisation id, from the address of admin.atlassian.com/o/<id>/", s.setOrg)
}

// orgForm is what an organisation's id looks like.
var orgForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// setOrg takes the id of the organisation, also where a whole address was pasted.
func (s *setup) setOrg(text string) error {
	if _, behind, pasted := strings.Cut(text, "/o/"); pasted {
		text, _, _ = strings.Cut(behind, "/")
	}
	if !orgForm.MatchString(text) {
		return fmt.Errorf("%q is not the id of an organisation", text)
	}
	s.cfg.Atlassian.OrgID = text
	return nil
}

// tryKey tries the key on the organisation.
func (s *setup) tryKey(ctx context.Context) error {
	client, err := service.NewClient(s.cfg, service.Network{}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := client.CheckKey(ctx)
	if problem := keyProblem(found, err); problem != "" {
		return errors.New(problem)
	}
	if !s.silent() {
		s.ask.say("  right: %s, %s, %s of %s domains verified", oneLine(found.OrgName), managedAccounts(found),
			workflow.Number(found.Verified), workflow.Number(found.Domains))
	}
	directories, err := client.Directories(ctx)
	if err != nil || len(directories) < 2 { // doctor says what is wrong
		return nil
	}
	s.directories = nil
	for _, d := range directories {
		s.directories = append(s.directories, d.ID+" # "+oneLine(d.Name))
	}
	return nil
}

// keyExpiry asks for the key's last day, which Atlassian does not tell.
func (s *setup) keyExpiry(ctx context.Context) error {
	if s.silent() {
		return nil
	}
	return s.optional(ctx, "Last day of the API key, as 2027-03-01 (Enter to skip; then nobody is warned)", func(text string) error {
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return errors.New("write the day as 2027-03-01")
		}
		s.expires = text
		return nil
	})
}
