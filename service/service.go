// Package service is the bot as a whole: it opens the database under its lock, makes the Atlassian client, the engine, Slack
// and the reports of the settings, runs them together, and answers on a status socket whether all of it works. A service
// is a value: New makes it, Run works until its context ends and finishes the calls in flight, Close gives the database
// back. The network comes in from outside, so that tests run a whole service in fake time.
package service

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/run"
)

// MaxFileBytes is the size of the largest CSV that is taken.
const MaxFileBytes = 10 << 20

// KeyWarning is how many days before its end the Atlassian key is warned of.
const KeyWarning = 30

// What the service allows its parts.
const (
	closeTime     = 2 * time.Second // for the status server and the database, once the parts have stopped
	keyCheckTime  = 30 * time.Second
	tidyEvery     = 6 * time.Hour // how often stored files are looked at that may go
	keyCheckEvery = 24 * time.Hour
	loggerField   = "part"
)

// Service is the bot with everything behind it: the database, the Atlassian client, the engine, Slack, the reports and
// the status socket. New takes the database; Run works until its context ends; Close gives the database back.
type Service struct {
	cfg *settings.Config
	log zerolog.Logger
	net Network

	store  *sqlite.DB
	client *atlassian.Client
	// keyTrouble is what is wrong with the Atlassian key, a string; "" when nothing is known to be.
	keyTrouble atomic.Value
	// orgName is the name of the organisation, a string, once it was read.
	orgName atomic.Value
	sites   []*atlassian.Site
	scim    []*atlassian.SCIM
	engine  *engine.Engine
	bot     *bot.Bot
	reports *report.Runner
	unlock  func() error

	database *writable
}

// New opens the database under its lock and makes the parts; nothing is connected yet. Errors: the lock is held by
// another process, the database is newer than the program or not one at all, settings that the parts refuse.
func New(ctx context.Context, cfg *settings.Config, log zerolog.Logger) (*Service, error) {
	return NewOn(ctx, Network{}, cfg, log)
}

// NewOn is New for a network that comes in from outside.
func NewOn(ctx context.Context, net Network, cfg *settings.Config, log zerolog.Logger) (*Service, error) {
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
	if s.store, err = sqlite.Open(ctx, sqlite.Config{Path: cfg.Store.Path, Log: part("store")}); err != nil {
		return err
	}
	s.database = newWritable(written(s.store), part("store"))
	if s.client, err = NewClient(cfg, s.net, s.store, part("atlassian")); err != nil {
		return err
	}
	s.client.Restore(ctx)
	if s.sites, err = NewSites(cfg, s.net, s.store, part("atlassian")); err != nil {
		return err
	}
	for _, site := range s.sites {
		site.Restore(ctx)
	}
	if s.scim, err = NewSCIM(cfg, s.net, s.store, part("atlassian")); err != nil {
		return err
	}
	for _, directory := range s.scim {
		directory.Restore(ctx)
	}
	slack, err := bot.NewSlack(bot.SlackConfig{
		AppToken: cfg.Slack.AppToken.Reveal(), BotToken: cfg.Slack.BotToken.Reveal(), APIURL: cfg.Slack.APIURL,
		Admins: cfg.People.Admins, Requesters: cfg.People.Requesters, MostApprovals: cfg.Approval.Most(),
		HTTP: s.net.Slack, Dial: s.net.Dial, Memory: s.store, Version: Version(), Log: part("bot"),
	})
	if err != nil {
		return err
	}
	directory := atlassian.NewDirectory(s.client, s.sites...).WithSCIM(s.scim...)
	s.engine, err = engine.New(engine.Config{
		Store: s.store, Directory: directory, Lookups: directory, Past: s.store, People: slack.People(), OrgID: cfg.Atlassian.OrgID,
		Policy: cfg.Policy(), ExpiresAfter: cfg.Approval.ExpiresAfter,
		StartWithin: cfg.Approval.StartWithin, FinishWithin: cfg.Approval.FinishWithin, RequireReason: cfg.Approval.RequireReason,
		Limits: workflow.ReadLimits{MaxBytes: MaxFileBytes, MaxRows: cfg.Limits.MaxChanges},
		Run: run.Limits{
			Workers: cfg.Run.Workers, Canary: cfg.Run.Canary, StopAfterFailures: cfg.Run.StopAfterFailures,
			StopAtPercent: cfg.Run.StopAtFailurePercent, Window: cfg.Run.Window,
		},
		Nights:   s.store,
		WentBack: func(ctx context.Context) (time.Time, error) { return s.bot.WentBack(ctx) },
		Log:      part("workflow"),
	})
	if err != nil {
		return err
	}
	s.reports, err = report.New(report.Config{
		Reports: definitions(cfg.Reports), Members: directory, Store: s.store, Log: part("report"),
		Prices: report.Prices{Currency: cfg.Prices.Currency, Seats: cfg.Prices.Products},
		Marks:  s.engine, Sites: directory, Owners: directory, OrgLog: directory,
		Finished: func() { s.bot.ReportFinished() },
	})
	if err != nil {
		return err
	}
	s.bot, err = bot.New(bot.Config{
		Slack: slack, Command: cfg.Slack.Command, Requests: cfg.Channels.Requests, Reports: cfg.Channels.Reports,
		OrgID: cfg.Atlassian.OrgID, MaxFileBytes: MaxFileBytes, MaxRows: cfg.Limits.MaxChanges,
		Engine: s.engine, Store: s.store, Results: s.reports, Log: part("bot"),
		RemindAfter: cfg.Approval.RemindAfter, Window: cfg.Run.Window, Estimator: directory, Sites: directory, Shut: s.shut, Trouble: s.trouble,
		Care: s.care, SiteNames: siteNames(cfg), NeedsReason: cfg.Approval.RequireReason,
		Version:      built(),
		Organisation: s.organisation,
		Rand:         s.net.dice(),
		OnReady:      func() { s.log.Info().Msg("connected to Slack") },
	})
	return err
}

// organisation returns the name of Atlassian's organisation, "" before it was read.
func (s *Service) organisation() string {
	name, _ := s.orgName.Load().(string)
	return name
}

// care returns what the admins should look after: the Atlassian key.
func (s *Service) care() []string {
	var out []string
	if words, _ := s.keyTrouble.Load().(string); words != "" {
		out = append(out, words)
	}
	if days, known := KeyLife(s.cfg.Atlassian.APIKeyExpires, time.Now()); known && days <= KeyWarning {
		out = append(out, fmt.Sprintf("the Atlassian key ends in %d days: make a new one, without scopes", max(days, 0)))
	}
	return out
}

// siteNames are the names of the settings' sites.
func siteNames(cfg *settings.Config) []string {
	var names []string
	for _, site := range cfg.Atlassian.Sites {
		names = append(names, site.Name)
	}
	return names
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

// trouble returns what keeps a batch from going on: a database that cannot be written. Nothing is sent then, for no call goes
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

// NewClient makes the client of the settings. memory, which may be nil, is where it keeps what it knows of rate limits.
func NewClient(cfg *settings.Config, net Network, memory atlassian.Memory, log zerolog.Logger) (*atlassian.Client, error) {
	return atlassian.New(atlassian.Config{
		BaseURL: cfg.Atlassian.APIURL, OrgID: cfg.Atlassian.OrgID,
		DirectoryID: cfg.Atlassian.DirectoryID, Key: cfg.Atlassian.APIKey.Reveal, Log: log, Workers: cfg.Run.Workers,
		Groups: cfg.Policy().AsksGroups(), HTTP: net.Atlassian, Rand: net.dice(), Memory: memory,
	})
}

// OpenDirectory makes a directory of the settings for a command that looks and changes nothing. Close ends it.
func OpenDirectory(cfg *settings.Config) (directory *atlassian.Directory, closeAll func(), err error) {
	client, err := NewClient(cfg, Network{}, nil, zerolog.Nop())
	if err != nil {
		return nil, nil, err
	}
	sites, err := NewSites(cfg, Network{}, nil, zerolog.Nop())
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	ours, err := NewSCIM(cfg, Network{}, nil, zerolog.Nop())
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return atlassian.NewDirectory(client, sites...).WithSCIM(ours...), func() {
		for _, site := range sites {
			site.Close()
		}
		for _, each := range ours {
			each.Close()
		}
		client.Close()
	}, nil
}

// NewSites makes the clients of the sites that the settings name.
func NewSites(cfg *settings.Config, net Network, memory atlassian.Memory, log zerolog.Logger) ([]*atlassian.Site, error) {
	var sites []*atlassian.Site
	for _, s := range cfg.Atlassian.Sites {
		site, err := atlassian.NewSite(
			atlassian.SiteConfig{Name: s.Name, URL: s.URL, Email: s.Email, Token: s.APIToken.Reveal},
			atlassian.Config{
				Log: log, Workers: cfg.Run.Workers, HTTP: net.Atlassian, Rand: net.dice(), Memory: memory,
			})
		if err != nil {
			return nil, err
		}
		sites = append(sites, site)
	}
	return sites, nil
}

// NewSCIM makes the clients of the SCIM directories that the settings name.
func NewSCIM(cfg *settings.Config, net Network, memory atlassian.Memory, log zerolog.Logger) ([]*atlassian.SCIM, error) {
	var ours []*atlassian.SCIM
	for _, s := range cfg.Atlassian.SCIM {
		directory, err := atlassian.NewSCIM(
			atlassian.SCIMConfig{Name: s.Name, DirectoryID: s.DirectoryID, Key: s.APIKey.Reveal},
			atlassian.Config{
				BaseURL: cfg.Atlassian.APIURL, Log: log, Workers: cfg.Run.Workers, HTTP: net.Atlassian, Rand: net.dice(), Memory: memory,
			})
		if err != nil {
			return nil, err
		}
		ours = append(ours, directory)
	}
	return ours, nil
}

// definitions are the reports of the settings.
func definitions(reports []settings.Report) []report.Definition {
	var out []report.Definition
	for _, r := range reports {
		out = append(out, report.Definition{
			Name: r.Name, Kind: report.KindName(r.Kind), Schedule: r.Schedule, Location: r.Timezone, Keep: r.Keep,
			Days: r.Days, Site: r.Site, Channel: r.Channel, AlarmOver: r.AlarmOver,
		})
	}
	return out
}

// Run first makes the database true again after whatever ended the last run, then works until ctx ends, finishes the calls
// in flight and returns nil. A part that fails for good ends the others, and is the error.
func (s *Service) Run(ctx context.Context) error {
	if err := s.engine.Recover(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	status, err := startStatus(ctx, s.net, s.cfg, s.ready)
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
	part(s.database.watch)
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

// watchKey logs at the start whether Atlassian takes the key, and every day how long it lives.
func (s *Service) watchKey(ctx context.Context) error {
	s.checkKey(ctx)
	for {
		if days, known := KeyLife(s.cfg.Atlassian.APIKeyExpires, time.Now()); known && days <= KeyWarning {
			s.log.Warn().Int("days", days).Msg("the Atlassian key ends soon: make a new one, without scopes")
		}
		if !sleep(ctx, keyCheckEvery) {
			return nil
		}
	}
}

// KeyLife returns how many whole days the key has left, negative when it has ended; known is false where the settings do
// not say when that is.
func KeyLife(expires, now time.Time) (days int, known bool) {
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

// checkKey reports whether Atlassian takes the key. A refused one does not end the program: requests are taken in, nothing can
// be checked or run, and batches pause until the key works.
func (s *Service) checkKey(service context.Context) {
	ctx, cancel := context.WithTimeoutCause(service, keyCheckTime, errors.New("checking the key took over 30 s"))
	defer cancel()
	found, err := s.client.CheckKey(ctx)
	switch {
	case service.Err() != nil:
	case found.Scoped:
		s.keyTrouble.Store("the Atlassian key was made with scopes: make one without")
		s.log.Error().Msg("the Atlassian key was made with scopes, so accounts can neither be checked nor changed: " +
			"make one without scopes (Atlassian admin, Settings, API keys) and set atlassian.api_key")
	case err != nil:
		if atlassian.KindOf(err) == atlassian.KindKeyRefused {
			s.keyTrouble.Store("Atlassian refuses the key: set another one, without scopes, and start me again")
		}
		s.log.Error().Err(err).Msg("the Atlassian key does not work; nothing can be checked or run until it does: " +
			"see `countersign doctor`")
	default:
		s.keyTrouble.Store("")
		s.orgName.Store(found.OrgName)
		s.bot.RedrawHome()
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

// Store returns the database of the service, for who looks at it from within the process.
func (s *Service) Store() *sqlite.DB { return s.store }

// Close gives the database back. It may be called on a service that was never run.
func (s *Service) Close() error {
	var errs []error
	for _, site := range s.sites {
		site.Close()
	}
	for _, directory := range s.scim {
		directory.Close()
	}
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

// collectAt is by how many percent of what is in use memory may grow before it is collected. Most of the time there is next
// to nothing to collect, so that less than half of Go's default costs no processor that can be measured, and a large batch peaks lower.
// GOGC in the environment comes first.
const collectAt = 40

// BoundMemory bounds the memory of the process, for a command that is nothing but a service.
func BoundMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
}

// Serve makes and runs a service until ctx ends, and closes it. The error is nil where it was told to stop.
func Serve(ctx context.Context, cfg *settings.Config, log zerolog.Logger) error {
	service, err := New(ctx, cfg, log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // told to stop before it had started: that is no fault
		log.Info().Msg("countersign was stopped while it started")
		return nil
	}
	if err != nil {
		return err
	}
	log.Info().Str("version", Version()).Str("database", cfg.Store.Path).Msg("countersign starts")
	err = service.Run(ctx)
	if closeErr := service.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close: %w", closeErr))
	}
	if err == nil {
		log.Info().Msg("countersign has stopped")
	}
	return err
}
