package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// The test file of a policy has a line for each request:
//
//	WHO ACTION COUNT [account:X]… [group:NAME]… = N [proof] [by U…,U…]
//	WHO ACTION COUNT [account:X]… [group:NAME]… = blocked
//
// WHO asks for COUNT changes by ACTION, and needs N approvals; the people behind "by" are those who may give one. X is an
// address or an account id, or "@domain" or "group:name" for one of these accounts. NAME is a group that they are added to or
// leave; an action that is about groups counts as about any of them where a line names none. What stands behind # is a comment.

// policyLine is one line of the file.
type policyLine struct {
	number   int
	text     string
	who      string
	action   *action.Action
	count    int
	accounts []string
	groups   []string
	want     verdict
}

// verdict is what a policy says of a request.
type verdict struct {
	blocked   bool
	approvals int
	proof     bool
	by        []string // Slack ids, sorted; nil where the line names none
	why       string   // of what is, in words
}

// maxPolicyFile is how many bytes a file of such lines may have.
const maxPolicyFile = 1 << 20

func (p *program) policyTest() *cobra.Command {
	var file string
	cmd := p.command("test FILE", "Hold the rules to a file of expected approvals", func(ctx context.Context) error {
		cfg, err := p.load(settings.NeedSlack | settings.NeedAtlassian)
		if err != nil {
			return err
		}
		content, err := readCapped(file, maxPolicyFile)
		if err != nil {
			return fmt.Errorf("cannot read the test file: %w", err)
		}
		return p.testPolicy(ctx, cfg, file, string(content))
	})
	cmd.Args = oneArg(func(word string) error {
		file = word
		return nil
	})
	return cmd
}

// testPolicy prints each line that does not hold, with what is.
func (p *program) testPolicy(ctx context.Context, cfg *settings.Config, file, text string) error {
	people, err := readPeople(ctx, cfg)
	if err != nil {
		return err
	}
	judge, err := newJudge(ctx, cfg, people)
	if err != nil {
		return err
	}
	defer judge.close()
	all, wrong := 0, 0
	number := 0
	for raw := range strings.Lines(text) {
		number++
		raw, _, _ = strings.Cut(raw, "#")
		if raw = workflow.TrimCell(raw); raw == "" { // editors put a mark of the encoding before the first line
			continue
		}
		all++
		problem := ""
		if line, err := readPolicyLine(number, raw); err != nil {
			problem = err.Error()
		} else if is, err := judge.judge(ctx, line); err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		} else if !line.want.holds(is) {
			problem = "it is " + is.words(line.want.by != nil)
		}
		if problem != "" {
			wrong++
			if _, err := fmt.Fprintf(p.out, "%s:%d: %s: %s\n", file, number, oneLine(raw), oneLine(problem)); err != nil {
				return err
			}
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%s of %s failed", workflow.Number(wrong), counted(all, "line"))
	}
	_, err = fmt.Fprintf(p.out, "%s passed\n", counted(all, "line"))
	return err
}

// readPolicyLine reads one line that is not empty.
func readPolicyLine(number int, text string) (policyLine, error) {
	line := policyLine{number: number, text: text}
	words := strings.Fields(text)
	at := slices.Index(words, "=")
	if at < 3 || at == len(words)-1 {
		return line, errors.New("write it as WHO ACTION COUNT [account:X]… = N [proof] [by U…,U…], or … = blocked")
	}
	line.who = words[0]
	if !settings.IsUserID(line.who) {
		return line, fmt.Errorf("%q is not the id of a Slack user (U… or W…)", line.who)
	}
	name := workflow.ActionName(words[1])
	built, ok := action.For(name)
	if !ok && slices.Contains(workflow.ActionNames(), name) {
		return line, fmt.Errorf("%s is not supported yet", name)
	}
	if !ok {
		return line, fmt.Errorf("%q is not an action; the actions are %s", words[1], actionWords())
	}
	line.action = built
	count, err := strconv.Atoi(words[2])
	if err != nil || count < 1 {
		return line, fmt.Errorf("%q is not a number of changes", words[2])
	}
	line.count = count
	for _, word := range words[3:at] {
		kind, name, _ := strings.Cut(word, ":")
		switch {
		case kind == "account" && name != "":
			line.accounts = append(line.accounts, name)
		case kind == "group" && name != "":
			line.groups = append(line.groups, name)
		default:
			return line, fmt.Errorf("%q is not account:X or group:NAME", word)
		}
	}
	if len(line.accounts) > line.count {
		return line, fmt.Errorf("it names %s and makes %s", counted(len(line.accounts), "account"), counted(line.count, "change"))
	}
	line.want, err = readVerdict(words[at+1:])
	return line, err
}

// readVerdict reads what stands behind the equals sign.
func readVerdict(words []string) (verdict, error) {
	if words[0] == "blocked" {
		if len(words) > 1 {
			return verdict{}, fmt.Errorf("%q comes after blocked", words[1])
		}
		return verdict{blocked: true}, nil
	}
	approvals, err := strconv.Atoi(words[0])
	if err != nil || approvals < 1 {
		return verdict{}, fmt.Errorf("%q is neither a number of approvals nor blocked", words[0])
	}
	out := verdict{approvals: approvals}
	rest := words[1:]
	if len(rest) > 0 && rest[0] == "proof" {
		out.proof, rest = true, rest[1:]
	}
	if len(rest) == 0 {
		return out, nil
	}
	if rest[0] != "by" || len(rest) == 1 {
		return out, fmt.Errorf("%q is neither proof nor by U…,U…", strings.Join(rest, " "))
	}
	for id := range strings.SplitSeq(strings.Join(rest[1:], ""), ",") {
		if !settings.IsUserID(id) {
			return out, fmt.Errorf("%q is not the id of a Slack user (U… or W…)", id)
		}
		out.by = append(out.by, id)
	}
	slices.Sort(out.by)
	return out, nil
}

// holds reports whether what is, is as wanted.
func (v verdict) holds(is verdict) bool {
	return v.blocked == is.blocked && v.approvals == is.approvals && v.proof == is.proof && (v.by == nil || slices.Equal(v.by, is.by))
}

// words is the verdict as a line has it, with its reason.
func (v verdict) words(by bool) string {
	text := "blocked"
	if !v.blocked {
		text = strconv.Itoa(v.approvals)
		if v.proof {
			text += " proof"
		}
		if by && len(v.by) > 0 {
			text += " by " + strings.Join(v.by, ",")
		} else if by {
			text += " by nobody"
		}
	}
	if v.why != "" {
		text += " (" + v.why + ")"
	}
	return text
}
