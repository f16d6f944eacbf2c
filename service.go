package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// What the service allows its parts.
const (
	closeTime     = 2 * time.Second // for the status server and the database, once the parts have stopped
	keyCheckTime  = 30 * time.Second
	tidyEvery     = 6 * time.Hour // how often stored files are looked at that may go
	maxFileBytes  = 10 << 20      // of a CSV
	keyCheckEvery = 24 * time.Hour
	keyWarning    = 30 // days before its end from which the key is warned of
	loggerField   = "part"
)

// Service is the bot with everything behind it: the database, the Atlassian client, the engine, Slack, the reports and
// the status socket. newService takes the database; Run works until its context ends; Close gives the database back.
type Service struct {
	cfg *Config
	log zerolog.Logger
	net network

	store   *store.DB
	client  *atlassian.Client
	engine  *workflow.Engine
	bot     *bot.Bot
	reports *report.Runner
	unlock  func() error
}

// newService opens the database under its lock and makes the parts; nothing is connected yet. Errors: the lock is held by
// another process, the database is newer than the program or not one at all, settings that the parts refuse.
func newService(ctx context.Context, cfg *Config, log zerolog.Logger) (*Service, error) {
	return newServiceOn(ctx, network{}, cfg, log)
}

// newServiceOn is newService for a network that comes in from outside.
func newServiceOn(ctx context.Context, net network, cfg *Config, log zerolog.Logger) (*Service, error) {
	unlock, err := lockStore(cfg.Store.Path)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, log: log, net: net, unlock: unlock}
	if err := s.assemble(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) assemble(ctx context.Context) (err error) {
	cfg := s.cfg
	part := func(name string) zerolog.Logger { return s.log.With().Str(loggerField, name).Logger() }
	if s.store, err = store.Open(ctx, store.Config{Path: cfg.Store.Path, Log: part("store")}); err != nil {
		return err
	}
	if s.client, err = newClient(cfg, s.net, s.store, part("atlassian")); err != nil {
		return err
	}
	s.client.Restore(ctx)
	directory := atlassian.NewDirectory(s.client)
	s.engine, err = workflow.New(workflow.Config{
		Store: s.store, Directory: directory, Groups: directory, People: roster{s}, OrgID: cfg.Atlassian.OrgID,
		Policy: cfg.policy(), ExpiresAfter: cfg.Approval.ExpiresAfter,
		StartWithin: cfg.Approval.StartWithin, FinishWithin: cfg.Approval.FinishWithin, RequireReason: cfg.Approval.RequireReason,
		Limits: workflow.ReadLimits{MaxBytes: maxFileBytes, MaxRows: cfg.Limits.MaxChanges},
		Run: workflow.RunLimits{
			Workers: cfg.Run.Workers, Canary: cfg.Run.Canary, StopAfterFailures: cfg.Run.StopAfterFailures,
			StopAtPercent: cfg.Run.StopAtFailurePercent, Window: cfg.Run.Window,
		},
		Log: part("workflow"),
	})
	if err != nil {
		return err
	}
	s.reports, err = report.New(report.Config{
		Reports: definitions(cfg.Reports), Members: directory, Store: s.store, Log: part("report"),
		Finished: func() { s.bot.ReportFinished() },
	})
	if err != nil {
		return err
	}
	s.bot, err = bot.New(bot.Config{
		AppToken: cfg.Slack.AppToken.Reveal(), BotToken: cfg.Slack.BotToken.Reveal(), APIURL: cfg.Slack.APIURL,
		Command: cfg.Slack.Command, Requests: cfg.Channels.Requests, Reports: cfg.Channels.Reports,
		Admins: cfg.People.Admins, Requesters: cfg.People.Requesters, MostApprovals: cfg.Approval.most(),
		MaxFileBytes: maxFileBytes, MaxRows: cfg.Limits.MaxChanges,
		Engine: s.engine, Store: s.store, Results: s.reports, Log: part("bot"),
		RemindAfter: cfg.Approval.RemindAfter, Window: cfg.Run.Window, Pacer: directory, Shut: s.shut, Trouble: s.trouble,
		HTTP: s.net.Slack, Dial: s.net.Dial, Rand: s.net.dice(),
		OnReady: func() { s.log.Info().Msg("connected to Slack") },
	})
	return err
}

// roster asks the bot who is who: the engine is made before the bot, which needs it.
type roster struct{ service *Service }

func (r roster) Standing(ctx context.Context, id string, admin bool) (workflow.Actor, error) {
	return r.service.bot.People().Standing(ctx, id, admin)
}

func (r roster) Members(ctx context.Context, group string, age time.Duration) ([]string, error) {
	return r.service.bot.People().Members(ctx, group, age)
}

func (r roster) Admins(ctx context.Context) ([]workflow.Person, error) {
	return r.service.bot.People().Admins(ctx)
}

// shut is until when Atlassian takes no calls of ours at all, the zero time when it takes some.
func (s *Service) shut() time.Time {
	var until time.Time
	first := true
	for _, b := range s.client.Gate().Buckets {
		if len(b.Operations) > 0 && (first || b.Shut.Before(until)) {
			first, until = false, b.Shut
		}
	}
	return until
}

// trouble says what keeps a batch from going on: a database that cannot be written. Nothing is sent then, for no call goes
// out whose intent is not on disk.
func (s *Service) trouble(number int64) string {
	err := s.engine.Trouble(number)
	if err == nil {
		return ""
	}
	if said, ok := errors.AsType[*store.Error](err); ok {
		return "its database cannot be used: " + said.Words() + ". Nothing is sent until it can"
	}
	return "something went wrong, and it is tried again; the log says what"
}

// newClient makes the client of the settings. memory, which may be nil, is where it keeps what it knows of rate limits.
func newClient(cfg *Config, net network, memory atlassian.Memory, log zerolog.Logger) (*atlassian.Client, error) {
	return atlassian.New(atlassian.Config{
		BaseURL: cfg.Atlassian.APIURL, OrgID: cfg.Atlassian.OrgID, DirectoryID: cfg.Atlassian.DirectoryID,
		Key: cfg.Atlassian.APIKey.Reveal, Log: log, Workers: cfg.Run.Workers,
		Groups: cfg.policy().AsksGroups(), HTTP: net.Atlassian, Rand: net.dice(), Memory: memory, Party: workflow.BatchOf,
	})
}

// definitions are the reports of the settings that this version makes; Load has warned of the others.
func definitions(reports []Report) []report.Definition {
	var out []report.Definition
	for _, r := range reports {
		if kind := report.Kind(r.Kind); kind.Supported() {
			out = append(out, report.Definition{
				Name: r.Name, Kind: kind, Schedule: r.Schedule, Location: r.Timezone, Keep: r.Keep,
			})
		}
	}
	return out
}

// Run first makes the database true again after whatever ended the last run, then works until ctx ends, finishes the calls
// in flight and returns nil. A part that fails for good ends the others, and is the error.
func (s *Service) Run(ctx context.Context) error {
	if err := s.engine.Recover(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	status, err := startStatus(ctx, s.net, s.cfg, s.bot.Ready)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if err := status.Stop(ctx); err != nil {
			s.log.Warn().Err(err).Msg("the status socket did not stop in time")
		}
	}()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var parts sync.WaitGroup
	part := func(run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				fail(&partError{err})
			}
		})
	}
	part(s.reports.Run)
	part(s.bot.Run)
	part(s.engine.Run)
	part(s.tidy)
	part(s.watchKey)
	parts.Wait()
	if failed, ok := errors.AsType[*partError](context.Cause(ctx)); ok {
		return failed.error
	}
	return nil
}

// unlessEnded is the error of a start, or nil when that was called off: nothing is wrong with a service that is told to
// end before it has begun.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// partError is why the service ended from inside.
type partError struct{ error }

// watchKey says at the start whether Atlassian takes the key, and every day how long it lives.
func (s *Service) watchKey(ctx context.Context) error {
	s.checkKey(ctx)
	for {
		if days, known := keyLife(s.cfg.Atlassian.APIKeyExpires, time.Now()); known && days <= keyWarning {
			s.log.Warn().Int("days", days).Msg("the Atlassian key ends soon: make a new one, without scopes")
		}
		if !sleep(ctx, keyCheckEvery) {
			return nil
		}
	}
}

// keyLife is how many whole days the key has left, negative when it has ended.
func keyLife(expires, now time.Time) (days int, known bool) {
	return int(math.Floor(expires.Sub(now).Hours() / 24)), !expires.IsZero()
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// checkKey says whether Atlassian takes the key. A refused one does not end the program: requests are taken in, nothing can
// be checked or run, and batches pause until the key works.
func (s *Service) checkKey(service context.Context) {
	ctx, cancel := context.WithTimeoutCause(service, keyCheckTime, errors.New("checking the key took over 30 s"))
	defer cancel()
	found, err := s.client.CheckKey(ctx)
	switch {
	case service.Err() != nil:
	case found.Scoped:
		s.log.Error().Msg("the Atlassian key was made with scopes, so accounts can neither be checked nor changed: " +
			"make one without scopes (Atlassian admin, Settings, API keys) and set atlassian.api_key")
	case err != nil:
		s.log.Error().Err(err).Msg("the Atlassian key does not work; nothing can be checked or run until it does: " +
			"see `countersign doctor`")
	default:
		s.log.Info().Str("organisation", found.OrgName).Int("verified_domains", found.Verified).Msg("the Atlassian key works")
	}
}

// tidy deletes the bytes of old requests, of which hash and plan stay.
func (s *Service) tidy(ctx context.Context) error {
	for {
		n, err := s.store.PruneOriginals(ctx, time.Now().Add(-s.cfg.Store.KeepFiles))
		if err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("cannot delete old files; trying again later")
		} else if n > 0 {
			s.log.Info().Int("files", n).Msg("deleted the bytes of old requests")
		}
		if !sleep(ctx, tidyEvery) {
			return nil
		}
	}
}

// Close gives the database back. It may be called on a service that was never run.
func (s *Service) Close() error {
	var errs []error
	if s.client != nil {
		s.client.Close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(append(errs, s.unlock())...)
}

// softMemory is from where on memory is given back rather than kept, in bytes. A batch of 50,000 is a burst of it; without
// a bound the program would grow to twice of what that needs and stay so. GOMEMLIMIT in the environment comes first.
const softMemory = 80 << 20

func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
}

// runServe is the command serve: the service until ctx ends.
func runServe(ctx context.Context, cfg *Config, log zerolog.Logger) error {
	service, err := newService(ctx, cfg, log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // told to stop before it had started: that is no fault
		log.Info().Msg("countersign was stopped while it started")
		return nil
	}
	if err != nil {
		return err
	}
	log.Info().Str("version", version()).Str("database", cfg.Store.Path).Msg("countersign starts")
	err = service.Run(ctx)
	if closeErr := service.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close: %w", closeErr))
	}
	if err == nil {
		log.Info().Msg("countersign has stopped")
	}
	return err
}
