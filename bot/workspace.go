package bot

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/people"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// SlackConfig is what it takes to reach a workspace. BotToken and Admins are required; AppToken is
// by New.
type SlackConfig struct {
	AppToken string // xapp-…
	BotToken string // xoxb-…
	APIURL   string // "" means https://slack.com/api/

	Admins        []string // ids of people (U…) and user groups (S…)
	Requesters    []string
	MostApprovals int // the most that the settings can ask for; 0 means 1
	// ReadOnce has each user group read once, for a command that looks at one moment.
	ReadOnce bool

	HTTP *http.Client // nil means one with a timeout
	// Dial opens the Socket Mode connections; nil means as slack-go does, through a proxy where
	// there is one.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Memory SlackMemory // nil forgets with a restart
	// Version is the program's (slackapi.Config.Version).
	Version string
	Pace    slackapi.Pace
	Log     zerolog.Logger
}

// SlackMemory keeps over a restart what Slack asked for and who was in its user groups (store.DB).
type SlackMemory interface {
	slackapi.Memory
	people.Notes
}

// Slack is a workspace as it is reached: the calls, and the directory of its people. It is made
// before the workflow, which asks it who is who, and the bot, which works in it.
type Slack struct {
	cfg    SlackConfig
	client *slackapi.Client
	people *people.Directory
}

// NewSlack makes a Slack. It calls nobody.
func NewSlack(cfg SlackConfig) (*Slack, error) {
	if cfg.BotToken == "" || len(cfg.Admins) == 0 {
		return nil, errors.New("bot: bot token and admins are required")
	}
	calls := slackapi.Config{
		Token: cfg.BotToken, AppToken: cfg.AppToken, URL: cfg.APIURL, HTTP: cfg.HTTP, Dial: cfg.Dial, Pace: cfg.Pace, Version: cfg.Version, Log: cfg.Log,
	}
	who := people.Config{
		Admins: cfg.Admins, Requesters: cfg.Requesters, MostApprovals: cfg.MostApprovals, ReadOnce: cfg.ReadOnce, Log: cfg.Log,
	}
	if cfg.Memory != nil {
		calls.Memory, who.Notes = cfg.Memory, cfg.Memory
	}
	client := slackapi.New(calls)
	who.Slack = client
	return &Slack{cfg: cfg, client: client, people: people.New(who)}, nil
}

// People is who is who in Slack (workflow.Config.People).
func (s *Slack) People() workflow.People { return s.people }

// Eligible reads who somebody is, as for a decision. An error is a *workflow.IneligibleError.
func (s *Slack) Eligible(ctx context.Context, id string) (workflow.Actor, error) {
	return s.people.Eligible(ctx, id)
}

// MayApprove reads who somebody is and returns an error if every click of theirs on Approve is
// refused, whatever the batch: a *workflow.IneligibleError, or one of workflow.MayApprove.
func (s *Slack) MayApprove(ctx context.Context, id string) (workflow.Actor, error) {
	actor, err := s.people.Eligible(ctx, id)
	if err == nil {
		err = workflow.MayApprove(actor)
	}
	return actor, err
}

// Check returns an error of Slack's when it does not take the bot token, or cannot be reached.
func (s *Slack) Check(ctx context.Context) error {
	_, err := s.client.Self(ctx)
	return err
}

// introduce learns who we are, and goes on trying while Slack is away (auth.test). An error is that
// of ctx.
func (s *Slack) introduce(ctx context.Context) error {
	wait := firstRetry
	for {
		err := s.Check(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.cfg.Log.Warn().Err(err).Dur("again_in", wait).Msg("ask Slack who we are")
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, longestRetry)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
