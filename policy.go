package main

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

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
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
		cfg, err := p.load(NeedSlack | NeedAtlassian)
		if err != nil {
			return err
		}
		return runPolicy(ctx, cfg, options, p.out)
	})
	cmd.Flags().StringVar(&options.CSV, "csv", "", "the `file` to check")
	cmd.Flags().StringVar(&options.Verb, "action", "", "the `action` of rows that name none, as rename")
	cmd.Flags().StringVar(&options.As, "as", "", "the Slack `id` of who would ask, as U0HANA")
	cmd.Flags().StringVar(&options.Author, "author", "", "the Slack `id` of who sent the file, where that is somebody else")
	for _, needed := range []string{"csv", "as"} {
		if err := cmd.MarkFlagRequired(needed); err != nil {
			panic(err) // the flag is defined a few lines up
		}
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		for _, id := range []string{options.As, options.Author} {
			if id != "" && !userID.pattern.MatchString(id) {
				return fmt.Errorf("%q is not %s", id, userID.words)
			}
		}
		return nil
	}
	return cmd
}

// runPolicy is the command policy: the check and the rules that the bot would apply to the same file if that person asked,
// explained. It reads Slack, the directory and, where there is one, the database, and changes nothing.
func runPolicy(ctx context.Context, cfg *Config, options policyOptions, out io.Writer) error {
	sheet, err := readSheet(cfg, options.planOptions)
	if err != nil {
		return err
	}
	people, err := bot.NewPeople(ctx, bot.Config{
		BotToken: cfg.Slack.BotToken.Reveal(), APIURL: cfg.Slack.APIURL, Admins: cfg.People.Admins,
		Requesters: cfg.People.Requesters, Log: zerolog.Nop(),
	})
	if err != nil {
		return fmt.Errorf("ask Slack who is who: %s", slackSays(err))
	}
	e := explanation{cfg: cfg, policy: cfg.policy(), people: people, out: out}
	if err := e.who(ctx, options); err != nil {
		return err
	}
	if err := e.plan(ctx, sheet); err != nil {
		return err
	}
	return e.print(ctx)
}

// explanation is what a policy makes of one file, on its way to the terminal.
type explanation struct {
	cfg    *Config
	policy workflow.Policy
	people workflow.People
	out    io.Writer

	requester, author workflow.Actor
	admins            []workflow.Person
	asker             workflow.Asker
	lately            int
	noDatabase        bool
	made              *workflow.Plan
}

// who finds out about the people.
func (e *explanation) who(ctx context.Context, options policyOptions) (err error) {
	if e.requester, err = e.people.Standing(ctx, options.As, true); err != nil {
		return fmt.Errorf("look up %s in Slack: %w", options.As, err)
	}
	if e.requester.ID == "" {
		e.requester.ID = options.As
	}
	e.author = e.requester
	if options.Author != "" && options.Author != options.As {
		if e.author, err = e.people.Standing(ctx, options.Author, true); err != nil {
			return fmt.Errorf("look up %s in Slack: %w", options.Author, err)
		}
		e.author.ID = options.Author
	}
	if e.admins, err = e.people.Admins(ctx); err != nil {
		return fmt.Errorf("look up the admins in Slack: %w", err)
	}
	if e.asker, err = e.policy.Asker(ctx, e.people, e.requester.ID, e.author.ID, 0); err != nil {
		return fmt.Errorf("look up the user groups of the rules in Slack: %w", err)
	}
	if !e.policy.NeedsLately() {
		return nil
	}
	db, err := store.OpenReadOnly(ctx, store.Config{Path: e.cfg.Store.Path, Log: zerolog.Nop()})
	if errors.Is(err, fs.ErrNotExist) {
		e.noDatabase = true
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	e.lately, err = db.Lately(ctx, time.Now().Add(-day), e.asker.People, 0)
	return err
}

// plan checks the file as it would be checked for these people.
func (e *explanation) plan(ctx context.Context, sheet *workflow.Sheet) error {
	client, err := newClient(e.cfg, network{}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	directory := atlassian.NewDirectory(client)
	checker := workflow.Checker{
		Reader: directory, Groups: directory, OrgID: e.cfg.Atlassian.OrgID, Policy: e.policy, Asker: e.asker,
		Owners: workflow.NewOwners(append([]workflow.Person{e.requester.Person, e.author.Person}, e.admins...),
			e.policy.Accounts), Workers: e.cfg.Run.Workers,
	}
	e.made, err = checker.Check(ctx, sheet.Rows)
	return err
}

// print says what it came to. The first problem in writing ends it.
func (e *explanation) print(ctx context.Context) error {
	var text strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format+"\n", args...) }
	traits := e.made.Traits
	line("%s would ask for %s of %s.", named(e.requester.Person), counted(traits.Changes, "change"),
		counted(len(e.made.Changes), "row"))
	if !e.requester.HasRole() {
		line("They may not ask at all: they are in neither people.admins nor people.requesters, or may do nothing in Slack.")
	}
	e.blocked(line)
	demand := e.policy.Demand(traits, e.asker, e.lately)
	switch {
	case traits.Changes == 0:
		line("Nothing in it can run, so nobody has to approve it.")
	case demand.Emergency:
		line("It needs 1 approval by another person: %s is in the emergency group %s. "+
			"A reason is a must, and every admin is told.", e.requester.ID, e.policy.Emergency)
	case len(demand.Why) > 0:
		line("It needs %s: %s.", counted(demand.Approvals, "approval"), strings.Join(demand.Why, "; "))
	default:
		line("It needs %s: approval.approvals, and no rule asks for more.", counted(demand.Approvals, "approval"))
	}
	e.rules(line)
	e.approvers(ctx, line, demand)
	_, err := io.WriteString(e.out, text.String())
	return err
}

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
			more = fmt.Sprintf(" and %d more", len(rows)-shown)
		}
		line("  blocked: %s: line %s%s", cause, strings.Join(rows[:min(len(rows), shown)], ", "), more)
	}
	for _, group := range e.made.Traits.NoGroups {
		line("  mind: Atlassian shows no group %s, which the settings name", oneLine(group))
	}
}

// rules says of every rule whether it applies.
func (e *explanation) rules(line func(string, ...any)) {
	for i, r := range e.policy.Applied(e.made.Traits, e.asker, e.lately) {
		verdict := "does not apply"
		if r.Applies {
			verdict = "applies: " + r.Why
		}
		line("  rule %d (%s: %d): %s", i+1, r.When.Words(), r.Approvals, verdict)
	}
	for _, group := range e.asker.Unread {
		line("  mind: Slack does not show the user group %s; rules that name it are taken to apply", group)
	}
	if e.noDatabase {
		line("  mind: there is no database at %s, so nothing counts as asked for in the last 24 hours", e.cfg.Store.Path)
	}
}

// approvers names who may approve, and says whether they are enough.
func (e *explanation) approvers(ctx context.Context, line func(string, ...any), demand workflow.Demand) {
	able := 0
	line("May approve:")
	for _, admin := range e.admins {
		why := ""
		standing, err := e.people.Standing(ctx, admin.ID, true)
		switch {
		case err != nil:
			why = "Slack cannot be asked about them just now"
		case admin.ID == e.requester.ID || admin.ID == e.author.ID:
			why = "asks for it"
		case !standing.Admin:
			why = "may do nothing in Slack (deactivated, a guest, or of another organisation)"
		case standing.Email == "":
			why = "their address in Slack cannot be read"
		case workflow.SameAddress(standing.Email, e.requester.Email), workflow.SameAddress(standing.Email, e.author.Email):
			why = "has the address of who asks"
		}
		if why == "" {
			able++
			line("  %s", named(admin))
		} else {
			line("  not %s: %s", named(admin), why)
		}
	}
	if able < demand.Approvals && e.made.Traits.Changes > 0 {
		line("That is %d, and %d are needed: nobody can get this approved just now.", able, demand.Approvals)
	}
}

// counted is a number with its word, which takes an s where there is not one.
func counted(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

func named(p workflow.Person) string {
	if p.Name == "" {
		return p.ID
	}
	return oneLine(p.Name) + " (" + p.ID + ")"
}
