package actiontest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
)

// TestPageSaysWhatTheCatalogueSays holds docs/actions.md to the catalogue: the rights, the steps, the proofs and the side
// effects are those of examples that are checked against the sandbox, the calls those of testdata/calls.
func TestPageSaysWhatTheCatalogueSays(t *testing.T) {
	calls, err := os.ReadFile(filepath.Join("testdata", "calls", "all.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got := page(t, string(calls))
	path := filepath.Join("..", "..", "..", "docs", "actions.md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a page of the documents
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/actions.md; `go generate ./workflow/action` writes it (-want +got)\n%s", diff)
	}
}

// page is the text of docs/actions.md.
func page(t *testing.T, calls string) string {
	var summary, sections, missing strings.Builder
	for _, act := range action.Catalogue() {
		synctest.Test(t, func(t *testing.T) {
			seen := newEnv(t).sample(act)
			seen.held = newEnv(t).heldAtSCIM(act)
			fmt.Fprintf(&summary, "| [%s](#%s) | %s | %s |\n", act.Name, act.Name, act.Help, seen.undone())
			seen.section(&sections, calls)
		})
	}
	for _, name := range workflow.ActionNames() {
		if !action.Built(name) {
			fmt.Fprintf(&missing, "\n`%s` is not supported yet.\n", name)
		}
	}
	return "# The actions\n\n" + pageIntro + "\n| action | what it does | undone by |\n| --- | --- | --- |\n" + summary.String() +
		missing.String() + sections.String()
}

const pageIntro = "`go generate ./workflow/action` makes this page from the catalogue in [workflow/action](../workflow/action).\n" + `
- *Needs*: whose account it may be, and the columns that a row must fill. Columns in brackets may be empty.
- *Rights*: what Atlassian must grant for the account (` + "`GET /users/{id}/manage`" + `), and the key of the place. Without one of
  the rights the row is blocked, and says who owns what it is about.
- *Place*: where the call is made. What a SCIM directory of ours (` + "`atlassian.scim`" + `) holds is changed there; what another one
  holds is blocked.
- *Costs*: the side effects that the card counts, and the calls for a request of one row with their aim. In a request of many rows one search
  checks 100 accounts. What an identity provider holds may come back when it syncs; the card counts these accounts for every action.
- *Proves*: what is read back until it shows the new value. Only then a change is done.
`

// sampled is what an action was seen to do.
type sampled struct {
	act     *action.Action
	rights  []string
	effects []workflow.Effect
	steps   []workflow.Step
	held    bool // it is made at a SCIM directory of ours, too, where that holds what it is about
}

// sample checks the action's example about every account, also with a message, and two rows that swap addresses.
func (e *env) sample(act *action.Action) sampled {
	e.t.Helper()
	paid := e.seats(10)
	if err := e.org.Join(paid.ID, leaver); err != nil {
		e.t.Fatal(err)
	}
	if act.Name == workflow.GroupAdd || act.Name == workflow.GroupRemove {
		e.around.Group = paid.Name
	}
	watch := &rights{Reader: e.directory}
	checker := plan.Checker{Reader: watch, OrgID: orgID, Batch: 1, Guard: open{}, Workers: 1, Deletion: e.store.deletion}
	out := sampled{act: act}
	for _, rows := range e.examples(act) {
		for i := range rows {
			rows[i].Line = i + 1
		}
		made, err := checker.Check(e.t.Context(), rows)
		if err != nil {
			e.t.Fatal(err)
		}
		if made.Ready() != len(rows) {
			continue
		}
		if len(made.Steps()) >= len(out.steps) && len(rows) == 1 {
			out.steps = made.Steps()
		}
		for i := range made.Changes {
			for _, effect := range made.Changes[i].Effects {
				kind, _ := effect.Kind()
				if _, gives, ok := effect.AccessOf(); ok {
					kind = map[bool]workflow.Effect{true: "gives", false: "takes"}[gives]
				}
				if _, kept := effect.SCIMOf(); kept {
					continue // the place says so
				}
				out.effects = append(out.effects, kind)
			}
		}
	}
	if len(out.steps) == 0 {
		e.t.Fatalf("no example of %s is ready", act.Name)
	}
	slices.Sort(out.effects)
	slices.Sort(watch.names)
	out.effects, out.rights = slices.Compact(out.effects), slices.Compact(watch.names)
	return out
}

// heldAtSCIM reports whether the action is made at a SCIM directory of ours where that holds the account and keeps the group.
func (e *env) heldAtSCIM(act *action.Action) bool {
	e.t.Helper()
	user := e.held(scimOurs)
	group := e.kept("hr-people", nil)
	for range 2 {
		e.around.Group = group.Name
		for _, rows := range e.examples(act) {
			if slices.ContainsFunc(e.check(rows...).Steps(), func(s workflow.Step) bool { return s.Place == workflow.PlaceSCIM }) {
				return true
			}
		}
		if err := e.scim.Join(scimOurs, group.ID, user.ID); err != nil { // to be taken out, somebody has to be in it
			e.t.Fatal(err)
		}
		if err := e.scim.Push(scimOurs, user.ID, func(u *scim.User) { u.Active = false }); err != nil { // and deactivated, to be activated
			e.t.Fatal(err)
		}
	}
	return false
}

// examples are the requests by which an action is looked at.
func (e *env) examples(act *action.Action) [][]workflow.Row {
	var out [][]workflow.Row
	accounts := e.org.Accounts()
	for _, a := range accounts {
		values := act.Example(workflow.Account{
			ID: a.ID, Name: a.Name, Email: a.Email, Type: "atlassian", Status: workflow.AccountStatus(a.Status), Managed: true,
		}, e.around)
		out = append(out, []workflow.Row{{Action: act.Name, Values: values}})
		if act.Takes(workflow.ColumnMessage) {
			out = append(out, []workflow.Row{{Action: act.Name, Values: values.With(workflow.ColumnMessage, "hello")}})
		}
	}
	if act.Name == workflow.Rename {
		a, b := accounts[0], accounts[2]
		swap := func(id, to string) workflow.Row {
			return workflow.Row{
				Action: act.Name, Values: workflow.Of(workflow.ColumnAccountID, id).With(workflow.ColumnNewEmail, to),
			}
		}
		out = append(out, []workflow.Row{swap(a.ID, b.Email), swap(b.ID, a.Email)})
	}
	return out
}

// rights is a reader that notes which rights are asked for.
type rights struct {
	workflow.Reader
	names []string
}

func (r *rights) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	for _, f := range facts {
		if f.Kind == workflow.KindManage {
			r.names = append(r.names, f.Arg)
		}
	}
	return r.Reader.Read(ctx, facts...)
}

// section is what the page says of one action.
func (s sampled) section(out *strings.Builder, calls string) {
	fmt.Fprintf(out, "\n## %s\n\n", s.act.Name)
	if s.act.Usage != "" {
		fmt.Fprintf(out, "`/countersign %s`\n\n", s.act.Usage)
	}
	fmt.Fprintf(out, "| | |\n| --- | --- |\n| does | %s |\n| needs | %s |\n| rights | %s |\n| place | %s |\n",
		s.act.Help, s.needs(), s.allRights(), s.places())
	check, run := callsOf(calls, s.act.Name)
	fmt.Fprintf(out, "| costs | %s |\n| calls, check | %s |\n| calls, run | %s |\n| proves by reading | %s |\n| undone by | %s |\n",
		s.costs(), withAim(check, s.act.Aim.Check), withAim(run, s.act.Aim.Run), s.proof(), s.undone())
}

// withAim puts the aim behind a total of calls.
func withAim(calls string, aim int) string {
	total, classes, _ := strings.Cut(calls, " · ")
	return fmt.Sprintf("%s, aim %d · %s", total, aim, classes)
}

func (s sampled) needs() string {
	words := []string{subjectWords(s.act.Subject)}
	for _, use := range s.act.Columns {
		column := "`" + string(use.Column) + "`"
		if !use.Required {
			column = "[" + column + "]"
		}
		words = append(words, column)
	}
	return strings.Join(words, " · ")
}

// allRights are what must be granted for the account, and whose key the places take.
func (s sampled) allRights() string {
	var words []string
	for _, right := range s.rights {
		words = append(words, "`"+right+"` for the account")
	}
	keys := map[workflow.Place]string{
		workflow.PlaceAccount: "the organisation's key", workflow.PlaceDirectory: "the organisation's key",
		workflow.PlaceSite: "the site's key, of an account that administers it", workflow.PlaceSCIM: "the SCIM directory's key",
	}
	words = append(words, listed(s.steps, func(step workflow.Step) string { return keys[step.Place] }))
	if s.held && !slices.Contains(words, keys[workflow.PlaceSCIM]) {
		words = append(words, keys[workflow.PlaceSCIM]+" for what it holds")
	}
	return strings.Join(words, " · ")
}

func subjectWords(s workflow.Subject) string {
	switch {
	case s.Absent:
		return "an address that nobody has yet"
	case s.Managed && s.Closed:
		return "a managed account, also one in its 14 days of deletion"
	case s.Managed && s.Any:
		return "a managed account, also a customer's"
	case s.Managed:
		return "a managed account"
	}
	return "any account of the organisation"
}

func (s sampled) places() string {
	words := map[workflow.Place]string{
		workflow.PlaceAccount: "the account (user management)", workflow.PlaceDirectory: "a directory of the organisation",
		workflow.PlaceSite: "a Jira site", workflow.PlaceSCIM: "a SCIM directory of ours",
	}
	out := listed(s.steps, func(step workflow.Step) string { return words[step.Place] })
	if scim := words[workflow.PlaceSCIM]; s.held && out != scim {
		out += "; " + scim + " for what it holds"
	}
	return out
}

func (s sampled) costs() string {
	words := map[workflow.Effect]string{
		workflow.EffectSignedOut: "signs out", workflow.EffectSignedOutTwice: "signs out twice where addresses are swapped",
		workflow.EffectLockedOut: "locks out", workflow.EffectBilled: "lets people log in, may be billed",
		workflow.EffectMailed: "sends a mail where there is a message", workflow.EffectSiteMail: "Jira sends an invitation",
		workflow.EffectNoMail: "sends no mail without a message", workflow.EffectOffSite: "takes the access to the site",
		workflow.EffectNoProduct: "gives no access to a product", workflow.EffectNoAccess: "takes product access, frees licences",
		workflow.EffectAccess: "gives product access, may take licences", workflow.EffectGroupsLeft: "leaves groups, undo gives them back",
		workflow.EffectGroupsLost: "loses groups", workflow.EffectDeleted: "deletes for good after 14 days",
		workflow.EffectLogInBriefly: "lets people log in for some seconds", workflow.EffectTokensLost: "loses API tokens",
		workflow.EffectProvisioned: "gives an account, may be billed", workflow.EffectFinal: "cannot be undone", workflow.EffectComesBack: "an identity provider may set it again",
		"gives": "gives the group's access, may take licences", "takes": "takes the group's access",
	}
	var out []string
	for _, effect := range s.effects {
		if words[effect] == "" {
			out = append(out, strings.ReplaceAll(string(effect), "_", " "))
			continue
		}
		out = append(out, words[effect])
	}
	if len(out) == 0 {
		return "no side effect"
	}
	return strings.Join(out, " · ")
}

func (s sampled) proof() string {
	words := map[workflow.FactKind]string{
		workflow.KindProfile: "the profile", workflow.KindMembership: "how the account stands there",
		action.KindTokens: "the list of API tokens", action.KindGroup: "the group's members", action.KindGroupLeft: "the group's members",
		action.KindLifecycle: "the account's status in the organisation", action.KindInvited: "who holds the address",
		action.KindRecordNamed:  "the SCIM record",
		action.KindInvitedRoles: "who holds the address, and their products", action.KindSiteGroups: "the user's groups at the site",
		action.KindSiteHolder: "who holds the address at the site", action.KindColumns: "the user's columns beside the site's",
		action.KindMember: "the group's members",
	}
	return listed(s.steps, func(step workflow.Step) string {
		part, _ := action.For(step.Action)
		var out []string
		for _, fact := range part.Proof(step) {
			if words[fact.Kind] == "" {
				out = append(out, string(fact.Kind))
				continue
			}
			out = append(out, words[fact.Kind])
		}
		return strings.Join(slices.Compact(out), ", ")
	})
}

func (s sampled) undone() string {
	back := listed(s.steps, func(step workflow.Step) string {
		part, _ := action.For(step.Action)
		if s.act.Final || part.Undo == nil {
			return ""
		}
		inverse, ok := part.Undo(step)
		if !ok {
			return ""
		}
		return "`" + string(inverse.Action) + "`"
	})
	if back == "" {
		return "nothing"
	}
	return back
}

// listed are the words of all steps, each once.
func listed(steps []workflow.Step, words func(workflow.Step) string) string {
	var out []string
	for _, step := range steps {
		if w := words(step); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, ", ")
}

// callsOf are the calls of an action in the text that TestCallsPerChange holds: those of its check and of its run.
func callsOf(text string, name workflow.ActionName) (check, run string) {
	_, of, _ := strings.Cut("\n"+text, "\n"+string(name)+"\n")
	var out []string
	for line := range strings.Lines(of) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "    "):
			n, class, _ := strings.Cut(strings.TrimSpace(line), " ")
			out[len(out)-1] += " · " + n + " × `" + class + "`"
		case strings.HasPrefix(line, "  "):
			_, total, _ := strings.Cut(line, ": ")
			out = append(out, total)
		default:
			return out[0], out[1]
		}
	}
	return out[0], out[1]
}
