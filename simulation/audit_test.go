package simulation

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/cli"
	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
)

// A batch is run and a report made; then everything that proves it is asked for, while the bot goes on.
func TestEvidence(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.begin()
	request := moves(h.movable(4)) + "712020:nobody,nobody@northwind.example,nobody@northwind-group.example\n"
	h.send(sandbox.Hana, "reason: the <b>company</b> has a “new” name\u2028&", "ask.csv", request)
	h.click(sandbox.Alice, "Approve")
	h.file("batch-1-results.csv")
	if err := h.world.Workspace.Command(t.Context(), sandbox.Alice, sandbox.Requests, "report run nightly-accounts"); err != nil {
		t.Fatal(err)
	}
	var anchor string
	h.until("a report with the head of the log", func() bool {
		for _, m := range h.world.Workspace.Messages(sandbox.Reports, sandbox.Alice) {
			if _, after, ok := strings.Cut(m.Text, "\nLog head: "); ok {
				anchor = after
			}
		}
		return anchor != ""
	})
	if err := h.world.Workspace.Command(t.Context(), sandbox.Hana, sandbox.Requests, "deactivate nobody@northwind.example"); err != nil {
		t.Fatal(err)
	}
	h.until("a batch of which nothing can run", func() bool {
		return slices.ContainsFunc(h.world.Workspace.Messages(sandbox.Requests, sandbox.Hana), func(m workspace.Message) bool {
			return m.Ephemeral && strings.Contains(m.Text, "Nothing in #2 can run")
		})
	})

	code, out, errw := h.command("audit", "verify", "--head", anchor)
	if code != 0 || !strings.HasPrefix(out, "whole: ") || errw != "" {
		t.Errorf("verify --head %q: %d %s%s", anchor, code, out, errw)
	}
	head := regexp.MustCompile(`head:  (\d+:[0-9a-f]{64})`).FindStringSubmatch(out)
	if head == nil {
		t.Fatalf("no head in %q", out)
	}
	for _, given := range []string{head[1], head[1][strings.Index(head[1], ":")+1:], "Log head: " + anchor} {
		if code, out, errw := h.command("audit", "verify", "--head", given); code != 0 {
			t.Errorf("verify --head %q: %d %s%s", given, code, out, errw)
		}
	}
	wrong := "1:" + strings.Repeat("ab", 16)
	code, out, errw = h.command("audit", "verify", "--head", wrong)
	if code != 1 || !strings.Contains(out, "WRONG  event 1: the log does not have the head that was given") ||
		!strings.Contains(errw, "is not what was written") {
		t.Errorf("verify --head %s: %d %s%s", wrong, code, out, errw)
	}

	code, log, errw := h.command("audit", "export")
	if code != 0 || errw != "" {
		t.Fatalf("export: %d %s", code, errw)
	}
	exported(t, log)
	copied(t, h)
	verifiedWithoutUs(t, h, log, request)
}

// exported holds the lines of an export against what the documents say of them.
func exported(t *testing.T, log string) {
	t.Helper()
	before := ""
	for i, line := range strings.Split(strings.TrimSuffix(log, "\n"), "\n") {
		var e struct {
			Seq        int
			Hash, Prev string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		body := regexp.MustCompile(`,"hash":"[0-9a-f]{64}"}$`).ReplaceAllString(line, "}")
		if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(body))); e.Seq != i+1 || e.Prev != before || e.Hash != sum {
			t.Errorf("line %d: event %d with hash %s behind %s; computed %s", i+1, e.Seq, e.Hash, e.Prev, sum)
		}
		before = e.Hash
	}
}

// verifiedWithoutUs unpacks the evidence of the batch and runs the commands of its own VERIFY.md, on what is whole and on
// what somebody changed.
func verifiedWithoutUs(t *testing.T, h *env, log, request string) {
	t.Helper()
	code, raw, errw := h.command("audit", "batch", "1")
	if code != 0 || errw != "" {
		t.Fatalf("audit batch: %d %s", code, errw)
	}
	files := unzip(t, []byte(raw))
	if files["request.csv"] != request {
		t.Errorf("the request is %q", files["request.csv"])
	}
	files["log.jsonl"] = log
	blocks := guideBlocks(files)
	if len(blocks) != 6 {
		t.Fatalf("VERIFY.md has %d commands, want 6", len(blocks))
	}
	needsPython(t)
	for i, block := range blocks {
		if out, err := sh(t, files, block); err != nil || out != "" {
			t.Errorf("command %d of VERIFY.md: %v\n%s", i+1, err, out)
		}
	}
	for name, test := range map[string]struct {
		block     int
		file      string
		from, to  string
		complaint string
	}{
		"request":           {1, "request.csv", "@", "#", "request.csv: FAILED"},
		"a sum with it":     {2, "request.csv", "@", "#", "the request is another"},
		"a step":            {3, "steps.jsonl", "@northwind-group.example", "@evil.example", "the steps are others"},
		"the digest":        {3, "digest.json", "1", "2", "the digest is another"},
		"the seal":          {3, "batch.json", `"seal": "`, `"seal": "x`, "the seal is another"},
		"who dropped out":   {3, "batch.json", `"dropped": null`, `"dropped": ["U0ALICE"]`, "without enough approvals"},
		"who approved":      {3, "decisions.json", sandbox.Alice, sandbox.Hana, "approved their own request"},
		"no approval":       {3, "decisions.json", `"approve"`, `"reject"`, "ran without enough approvals"},
		"what was before":   {4, "changes.jsonl", `"before":"`, `"before":"x`, "is another than planned"},
		"a row run":         {4, "changes.jsonl", `"attempts":0`, `"attempts":1`, "is not in the plan"},
		"an event":          {5, "events.jsonl", sandbox.Alice, sandbox.Bob, "not what was written"},
		"the log":           {6, "log.jsonl", sandbox.Alice, sandbox.Bob, "is not what was written"},
		"another approver":  {5, "decisions.json", sandbox.Alice, sandbox.Bob, "the decisions are not those of the events"},
		"fewer approvals":   {5, "batch.json", `"approvals": 1`, `"approvals": 0`, "the events say that 1 approvals were needed"},
		"an outcome":        {4, "results.csv", ",done,", ",failed,", "and the log says"},
		"a row of the plan": {4, "plan.csv", "@northwind-group.example", "@evil.example", "and the log says"},
		"an event put in":   {6, "events.jsonl", sandbox.Alice, sandbox.Bob, "not in the log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := maps.Clone(files)
			changed[test.file] = strings.Replace(changed[test.file], test.from, test.to, 1)
			if changed[test.file] == files[test.file] {
				t.Fatalf("%s has no %q", test.file, test.from)
			}
			if out, err := sh(t, changed, blocks[test.block-1]); err == nil || !strings.Contains(out, test.complaint) {
				t.Errorf("%v\n%s\nwant %q", err, out, test.complaint)
			}
		})
	}
	if !testing.Short() {
		foundByGuide(t, files)
	}
	if code, _, errw := h.command("audit", "batch", "9"); code != 1 || !strings.Contains(errw, "there is no batch 9") {
		t.Errorf("a batch that is not there: %d %s", code, errw)
	}
	file := filepath.Join(t.TempDir(), "batch-1.zip")
	if code, _, errw := h.command("audit", "batch", "1", "--out", file); code != 0 {
		t.Errorf("--out: %d %s", code, errw)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 600", info, err)
	}
	if code, _, errw := h.command("audit", "batch", "1", "--out", file); code != 1 || !strings.Contains(errw, "is there already") {
		t.Errorf("--out over a file: %d %s", code, errw)
	}
	empty := unzip(t, []byte(second(h.command("audit", "batch", "2"))))
	if !strings.Contains(empty["batch.json"], `"state": "empty"`) || empty["request.txt"] == "" {
		t.Errorf("a batch without a plan: %v", empty)
	}
}

func second(_ int, out, _ string) string { return out }

func unzip(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range archive.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(content)
	}
	return out
}

// sh runs a command in a folder with the files.
func sh(t *testing.T, files map[string]string, command string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", command)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// copied makes a backup while the bot runs; the copy proves itself as the database does.
func copied(t *testing.T, h *env) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy.db")
	if code, out, errw := h.command("backup", file); code != 0 || !strings.Contains(out, "a copy up to event ") {
		t.Errorf("backup: %d %s%s", code, out, errw)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 600", info, err)
	}
	var stdout, stderr bytes.Buffer
	if code := cli.Run([]string{"audit", "verify", "--database", file}, &stdout, &stderr); code != 0 {
		t.Errorf("the copy: %d %s%s", code, stdout.String(), stderr.String())
	}
	if code, _, errw := h.command("backup", file); code != 1 || !strings.Contains(errw, "is there already") {
		t.Errorf("over a file: %d %s", code, errw)
	}
}
