package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/policy"
)

// policyOptions are the flags of policy.
type policyOptions struct {
	planOptions
	As     string // Slack id of who would ask
	Author string // and of who sent the file, "" for the same
}

func (p *program) policy() *cobra.Command {
	var options policyOptions
	short := "Say who would have to approve a CSV, and why; changes nothing"
	cmd := p.command("policy", short, func(ctx context.Context) error {
		cfg, err := p.load(settings.NeedSlack | settings.NeedAtlassian)
		if err != nil {
			return err
		}
		return runPolicy(ctx, cfg, options, p.out)
	})
	cmd.Flags().StringVar(&options.CSV, "csv", "", "the `file` to check")
	cmd.Flags().StringVar(&options.Verb, "action", "", "the `action` of rows that name none, as rename")
	cmd.Flags().StringVar(&options.As, "as", "", "the Slack `id` of who would ask, as U0HANA")
	cmd.Flags().StringVar(&options.Author, "author", "", "the Slack `id` of who sent the file, where that is somebody else")
	needs(cmd, "csv", "as")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		for _, id := range []string{options.As, options.Author} {
			if id != "" && !settings.IsUserID(id) {
				return fmt.Errorf("%q is not the id of a Slack user (U… or W…)", id)
			}
		}
		return options.check()
	}
	cmd.AddCommand(p.policyTest())
	return cmd
}

// runPolicy is the command policy: the check and the rules that the bot would apply to the same
// file if that person asked, explained. It reads Slack, the directory and, where there is one, the
// database, and changes nothing.
func runPolicy(ctx context.Context, cfg *settings.Config, options policyOptions, out io.Writer) error {
	sheet, err := readSheet(cfg, options.planOptions)
	if err != nil {
		return err
	}
	people, err := readPeople(ctx, cfg)
	if err != nil {
		return err
	}
	e := explanation{cfg: cfg, policy: cfg.Policy(), people: people, out: out}
	if err := e.who(ctx, options); err != nil {
		return err
	}
	if err := e.plan(ctx, sheet); err != nil {
		return err
	}
	if said := options.overruled(sheet); said != "" {
		if _, err := fmt.Fprintln(out, said+"\n"); err != nil {
			return err
		}
	}
	return e.print(ctx)
}

// readPeople opens what tells who is who in Slack, each asked about once.
func readPeople(ctx context.Context, cfg *settings.Config) (workflow.People, error) {
	slack, err := bot.NewSlack(bot.SlackConfig{
		BotToken: cfg.Slack.BotToken.Reveal(), APIURL: cfg.Slack.APIURL, Admins: cfg.People.Admins,
		Requesters: cfg.People.Requesters, ReadOnce: true, Log: zerolog.Nop(),
	})
	if err == nil {
		err = slack.Check(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("ask Slack who is who: %s", slackSays(cfg.Slack.APIURL, err))
	}
	return slack.People(), nil
}

// explanation is what a policy makes of one file, on its way to the terminal.
type explanation struct {
	cfg    *settings.Config
	policy policy.Policy
	people workflow.People
	out    io.Writer

	requester, author workflow.Actor
	admins            []workflow.Person
	humans            workflow.Humans
	asker             workflow.Asker
	recent            int
	noDatabase        bool
	made              *plan.Plan
}

// who finds out about the people.
func (e *explanation) who(ctx context.Context, options policyOptions) (err error) {
	if e.requester, err = e.people.Standing(ctx, options.As, true, 0); err != nil {
		return fmt.Errorf("look up %s in Slack: %w", options.As, err)
	}
	if e.requester.ID == "" {
		e.requester.ID = options.As
	}
	e.author = e.requester
	if options.Author != "" && options.Author != options.As {
		if e.author, err = e.people.Standing(ctx, options.Author, true, 0); err != nil {
			return fmt.Errorf("look up %s in Slack: %w", options.Author, err)
		}
		e.author.ID = options.Author
	}
	if e.admins, err = e.people.Admins(ctx); err != nil {
		return fmt.Errorf("look up the admins in Slack: %w", err)
	}
	if e.asker, err = workflow.ReadAsker(ctx, e.people, e.policy, e.requester.ID, e.author.ID, workflow.Freshness{}); err != nil {
		return fmt.Errorf("look up the user groups of the rules in Slack: %w", err)
	}
	if !e.policy.NeedsRecent() {
		return nil
	}
	db, err := sqlite.OpenReadOnly(ctx, sqlite.Config{Path: e.cfg.Store.Path, Log: zerolog.Nop()})
	if errors.Is(err, fs.ErrNotExist) {
		e.noDatabase = true
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	e.recent, err = db.RecentChanges(ctx, time.Now().Add(-day), e.asker.People, 0)
	return err
}

// plan checks the file as it would be checked for these people.
func (e *explanation) plan(ctx context.Context, sheet *workflow.Sheet) error {
	directory, done, err := service.OpenDirectory(e.cfg)
	if err != nil {
		return err
	}
	defer done()
	checker := plan.Checker{
		Reader: directory, OrgID: e.cfg.Atlassian.OrgID, Workers: e.cfg.Run.Workers,
		Guard: e.policy.Guard(e.asker, append([]workflow.Person{e.requester.Person, e.author.Person}, e.admins...)),
	}
	if e.made, err = checker.Check(ctx, sheet.Rows); err != nil {
		return err
	}
	e.humans, err = workflow.LookUpHumans(ctx, directory, e.policy, append(e.admins, e.requester.Person, e.author.Person))
	return err
}

// print writes what it came to. The first problem in writing ends it.
func (e *explanation) print(ctx context.Context) error {
	var text strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format+"\n", args...) }
	traits := e.made.Traits
	line("%s asks for %s of %s.", named(e.requester.Person), counted(traits.Changes, "change"),
		counted(len(e.made.Changes), "row"))
	if workflow.May(workflow.ActAsk, nil, e.requester) != nil {
		line("%s may not ask: they are in neither people.admins nor people.requesters, or Slack does not let them act.", named(e.requester.Person))
	}
	e.blocked(line)
	ordinary := e.asker
	ordinary.Emergency = false
	askers := []workflow.Person{e.requester.Person, e.author.Person}
	demand := workflow.UntoldApart(e.policy.Demand(traits, ordinary, e.recent), askers...)
	switch {
	case traits.Changes == 0:
		line("No row can run, so nobody has to approve.")
	case len(demand.Why) > 0:
		line("Needs %s: %s.", counted(demand.Approvals, "approval"), strings.Join(demand.Why, "; "))
	default:
		line("Needs %s: approval.approvals; no rule asks for more.", counted(demand.Approvals, "approval"))
	}
	if urgent := workflow.UntoldApart(e.policy.Demand(traits, e.asker, e.recent), askers...); urgent.Emergency && traits.Changes > 0 {
		line("With a `reason: …` that they write themselves it is an emergency (group %s): it needs %s from another person, and every admin is told.",
			e.policy.Emergency, counted(urgent.Approvals, "approval"))
	}
	e.rules(line)
	e.approvers(ctx, line, demand)
	_, err := io.WriteString(e.out, text.String())
	return err
}

// day is what changes_over_24h counts over.
const day = 24 * time.Hour

// blocked counts what cannot run, by cause.
func (e *explanation) blocked(line func(string, ...any)) {
	lines := map[string][]string{}
	for i := range e.made.Changes {
		if c := &e.made.Changes[i]; c.State == workflow.ChangeBlocked || c.State == workflow.ChangeBad {
			cause := c.Reason.Cause()
			lines[cause] = append(lines[cause], fmt.Sprint(c.Row))
		}
	}
	for _, cause := range slices.Sorted(maps.Keys(lines)) {
		const shown = 10
		rows := lines[cause]
		more := ""
		if len(rows) > shown {
			more = " and " + workflow.Number(len(rows)-shown) + " more"
		}
		line("  blocked: %s: line %s%s", cause, strings.Join(rows[:min(len(rows), shown)], ", "), more)
	}
	for _, group := range e.made.Traits.NoGroups {
		line("  warning: the settings name the group %q, which Atlassian does not have", oneLine(group))
	}
}

// rules adds for every rule whether it applies.
func (e *explanation) rules(line func(string, ...any)) {
	for i, r := range e.policy.Applied(e.made.Traits, e.asker, e.recent) {
		verdict := "does not apply"
		if r.Applies {
			verdict = "applies: " + r.Why
		}
		line("  rule %d (%s: %d): %s", i+1, r.When.Words(), r.Approvals, verdict)
	}
	for _, group := range e.asker.Unread {
		if group == e.policy.Emergency {
			line("  warning: Slack does not show the user group %s (emergency.group), so nothing is an emergency now", group)
			continue
		}
		line("  warning: Slack does not show the user group %s; rules that name it count as applying", group)
	}
	if e.noDatabase {
		line("  warning: there is no database at %s, so nothing counts as asked for in the last 24 hours", e.cfg.Store.Path)
	}
}

// approvers names who may approve, and reports whether they are enough.
func (e *explanation) approvers(ctx context.Context, line func(string, ...any), demand workflow.Demand) {
	line("May approve:")
	able := mayApprove(ctx, e.people, e.humans, e.requester.Person, e.author.Person, e.admins, e.ownAlone(),
		func(admin workflow.Person, why string) {
			if why == "" {
				line("  %s", named(admin))
			} else {
				line("  not %s: %s", named(admin), why)
			}
		})
	if len(able) < demand.Approvals && e.made.Traits.Changes > 0 {
		line("%s can approve, and %s are needed: nobody can get this approved.",
			workflow.Number(len(able)), workflow.Number(demand.Approvals))
	}
}

// ownAlone are the people whose own account a request of one change is about.
func (e *explanation) ownAlone() []string {
	if len(e.made.Changes) != 1 {
		return nil
	}
	c := &e.made.Changes[0]
	people := append([]workflow.Person{e.requester.Person, e.author.Person}, e.admins...)
	return policy.NewOwners(people, e.policy.Accounts).Of(c.AccountID, c.OldEmail(), c.NewEmail())
}

// counted is a number with its word, which takes an s where there is not one.
func counted(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return workflow.Number(n) + " " + word
}

func named(p workflow.Person) string {
	if p.Name == "" {
		return p.ID
	}
	return oneLine(p.Name) + " (" + p.ID + ")"
}
