package simulation

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/cli"
	"github.com/countersign/countersign/store"
)

// Nothing that a zip of evidence says can be changed without a command of its instructions noticing, though SHA256SUMS is
// written anew: every member of every line of JSON, every cell, every line, every file, or some of each (forge.all). Beside the zip lies the whole log.
func TestForgedEvidenceIsFound(t *testing.T) {
	t.Parallel()
	needsPython(t)
	place := filepath.Join(t.TempDir(), "countersign.db")
	numbers := evidenceLives(t, place)
	for number, complaint := range complaints(t, place) {
		t.Errorf("batch %s as it was written: %s", number, complaint)
	}
	for _, number := range numbers {
		t.Run(fmt.Sprintf("batch %d", number), func(t *testing.T) {
			files := evidenceOf(t, place, number)
			if testing.Short() && number != numbers[0] {
				t.Skip("one batch is enough under the race detector")
			}
			foundByGuide(t, files)
		})
	}
}

// evidenceOf is the zip of a batch, unpacked, with the log beside it.
func evidenceOf(t *testing.T, database string, number int64) map[string]string {
	t.Helper()
	var raw, log, stderr bytes.Buffer
	if code := cli.Run([]string{"audit", "batch", fmt.Sprint(number), "--database", database}, &raw, &stderr); code != 0 {
		t.Fatalf("audit batch: %d %s", code, stderr.String())
	}
	if code := cli.Run([]string{"audit", "export", "--database", database}, &log, &stderr); code != 0 {
		t.Fatalf("audit export: %d %s", code, stderr.String())
	}
	files := unzip(t, raw.Bytes())
	files["log.jsonl"] = log.String()
	return files
}

// A forgery is one file with other content. The file is missing where gone is true.
type forgery struct {
	What    string `json:"what"`
	File    string `json:"file"`
	Content string `json:"content"`
	Gone    bool   `json:"gone"`
}

// notForged are the files that nothing is said by: SHA256SUMS is written anew by a forger, and who follows instructions
// takes them from the project (cli/verify-batch.md says both). All other files count, whatever their names.
var notForged = []string{"SHA256SUMS", "VERIFY.md"}

// foundByGuide runs the commands of the instructions on the files as they are, and then on each forgery of them.
func foundByGuide(t *testing.T, files map[string]string) {
	t.Helper()
	blocks := guideBlocks(files)
	for i, block := range blocks {
		if out, err := sh(t, files, block); err != nil || out != "" {
			t.Fatalf("command %d of VERIFY.md: %v\n%s", i+1, err, out)
		}
	}
	var forged []forgery
	counted := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if slices.Contains(notForged, name) {
			continue
		}
		before := len(forged)
		forged = append(forged, forgery{What: "taken away", File: name, Gone: true})
		for what, content := range forgeries(t, name, files[name]) {
			if content != files[name] {
				forged = append(forged, forgery{What: what, File: name, Content: content})
			}
		}
		counted[name] = len(forged) - before
		if counted[name] < 2 && files[name] != "" {
			t.Errorf("%s was not forged", name)
		}
	}
	seed := rand.Uint64()
	if !*forgeAll {
		for name := range counted {
			forged = fewer(forged, name, forgedAtOnce, seed)
		}
	}
	forged = fewer(forged, "log.jsonl", logForgeries, seed)
	t.Logf("seed %d", seed)
	for _, f := range unnoticed(t, files, blocks[1:], forged) { // the first is that of SHA256SUMS
		t.Errorf("%s: %s: no command notices", f.File, f.What)
	}
	t.Logf("%d forgeries: %v", len(forged), counted)
}

var forgeAll = flag.Bool("forge.all", false, "try all forgeries of the evidence, and not some of each file")

// How many forgeries of a file are tried in a run, unless all are, and of the log in any case: it is long, and a chain is a chain.
const (
	forgedAtOnce = 100
	logForgeries = 300
)

// fewer leaves at most so many of the forgeries of one file, which ones is up to the seed.
func fewer(forged []forgery, file string, most int, seed uint64) (out []forgery) {
	dice := rand.New(rand.NewPCG(seed, 0))
	var of []forgery
	for _, f := range forged {
		if f.File == file {
			of = append(of, f)
		} else {
			out = append(out, f)
		}
	}
	slices.SortFunc(of, func(a, b forgery) int { return strings.Compare(a.What, b.What) })
	dice.Shuffle(len(of), func(i, k int) { of[i], of[k] = of[k], of[i] })
	return append(out, of[:min(len(of), most)]...)
}

// guideBlocks are the commands of the VERIFY.md of the files.
func guideBlocks(files map[string]string) (blocks []string) {
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(files["VERIFY.md"], -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// unnoticed runs the Python of the commands on each forgery and returns those that none of them notices. One process does
// it, for there are thousands.
func unnoticed(t *testing.T, files map[string]string, blocks []string, forged []forgery) (out []forgery) {
	t.Helper()
	var programs []string
	for _, block := range blocks {
		program, ok := strings.CutPrefix(strings.TrimSuffix(block, "\nEND\n"), "python3 - <<'END'\n")
		if !ok {
			t.Fatalf("not a command of Python alone:\n%s", block)
		}
		programs = append(programs, program)
	}
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	input, err := json.Marshal(map[string]any{"programs": programs, "forged": forged})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", forger)
	cmd.Dir, cmd.Stdin = folder, bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// forger is the program of unnoticed: like the shell, it ends at the first command that fails. It begins with the one that
// noticed the last forgery of the same file, for most of a file's are noticed by one command.
const forger = `
import gc, json, os, sys, warnings
warnings.simplefilter("ignore")  # of files that a program leaves open
given = json.load(sys.stdin)
texts = given["programs"]
programs = [compile(p, f"command {i + 2}", "exec") for i, p in enumerate(texts)]
order, out = {}, []
for f in given["forged"]:
    kept = open(f["file"], "rb").read()
    os.remove(f["file"])
    if not f["gone"]:
        open(f["file"], "wb").write(f["content"].encode("utf-8", "surrogatepass"))
    # The commands that do not name a file do not look at it.
    mine = order.setdefault(f["file"], [i for i, text in enumerate(texts) if f["file"] in text])
    try:
        for i in mine:
            exec(programs[i], {})
        out.append(f)
    except Exception:
        mine.remove(i)
        mine.insert(0, i)
    open(f["file"], "wb").write(kept)
json.dump(out, sys.stdout)
`

// forgeries are other contents of a file, by what was done: of its own structure, whatever that is.
func forgeries(t *testing.T, name, content string) map[string]string {
	t.Helper()
	out := map[string]string{"emptied": "", "with something behind it": content + "x"}
	if name == "decisions.json" && strings.TrimSpace(content) == "[]" {
		delete(out, "emptied") // it is caught as no JSON; what counts is that a decision can be put in
		out["a decision put in"] = `[{"person":{"id":"U0EVE"},"verdict":"approve","digest":"","reason":"","at":""}]`
	}
	switch filepath.Ext(name) {
	case ".json":
		maps.Copy(out, forgedJSON(t, []byte(content)))
	case ".jsonl":
		forgeLines(t, content, out)
	case ".csv":
		forgeCells(t, content, out)
	case ".txt":
		for i := range content {
			if i%97 == 0 {
				out[fmt.Sprintf("byte %d", i)] = content[:i] + "#" + content[i+1:]
			}
		}
	default:
		t.Fatalf("%s: how is it forged?", name)
	}
	return out
}

// forgeLines changes every line of JSON, takes it away, doubles it, and exchanges it with the next. A line with a hash of
// its own gets it anew.
func forgeLines(t *testing.T, content string, out map[string]string) {
	t.Helper()
	lines := strings.SplitAfter(content, "\n")
	lines = lines[:len(lines)-1]
	with := func(i int, to ...string) string {
		return strings.Join(slices.Concat(lines[:i], to, lines[i+1:]), "")
	}
	for i, line := range lines {
		at := fmt.Sprintf("line %d", i+1)
		out[at+" taken away"] = with(i)
		out[at+" doubled"] = with(i, line, line)
		if i+1 < len(lines) {
			out[at+" exchanged"] = strings.Join(slices.Concat(lines[:i], []string{lines[i+1], line}, lines[i+2:]), "")
		}
		for what, forged := range forgedJSON(t, []byte(line)) {
			out[at+": "+what] = with(i, forged+"\n")
			if end := regexp.MustCompile(`,"hash":"[0-9a-f]{64}"}$`).FindString(forged); end != "" {
				body := strings.TrimSuffix(forged, end)
				out[at+" with its hash anew: "+what] = with(i, body+`,"hash":"`+store.HexSum([]byte(body+"}"))+"\"}\n")
			}
		}
	}
}

// forgeCells changes every cell, and takes every row away, doubles it, and exchanges it with the next.
func forgeCells(t *testing.T, content string, out map[string]string) {
	t.Helper()
	mark := "\ufeff"
	read := csv.NewReader(strings.NewReader(strings.TrimPrefix(content, mark)))
	read.FieldsPerRecord = -1
	rows, err := read.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	write := func(rows [][]string) string {
		var buf strings.Builder
		buf.WriteString(mark)
		w := csv.NewWriter(&buf)
		w.UseCRLF = true
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		return buf.String()
	}
	with := func(i int, to ...[]string) string { return write(slices.Concat(rows[:i], to, rows[i+1:])) }
	for i, row := range rows {
		at := fmt.Sprintf("row %d", i)
		out[at+" taken away"] = with(i)
		out[at+" doubled"] = with(i, row, row)
		if i+1 < len(rows) {
			out[at+" exchanged"] = write(slices.Concat(rows[:i], [][]string{rows[i+1], row}, rows[i+2:]))
		}
		out[at+" longer"] = with(i, append(slices.Clone(row), "x"))
		for k, cell := range row {
			for _, value := range []string{cell + "x", "x", "", "0", "1", "done", "'" + cell} {
				if value == cell {
					continue
				}
				changed := slices.Clone(row)
				changed[k] = value
				out[fmt.Sprintf("%s, %s: %q became %q", at, rows[0][min(k, len(rows[0])-1)], cell, value)] = with(i, changed)
			}
		}
	}
}

// member is a value within a document and how it is reached.
type member struct {
	path  string
	raw   json.RawMessage
	write func(json.RawMessage) string // the whole document with another value, "" takes it away
}

// forgedJSON are documents with one value changed, taken away or put in. Everything else keeps its spelling and order.
func forgedJSON(t *testing.T, doc []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	var walk func(m member)
	walk = func(m member) {
		for _, other := range otherValues(m.raw) {
			out[fmt.Sprintf("%s: %.60s became %s", m.path, m.raw, other)] = m.write(json.RawMessage(other))
		}
		for _, within := range membersOf(t, m) {
			out[within.path+" taken away"] = within.write(nil)
			walk(within)
		}
	}
	walk(member{path: "$", raw: bytes.TrimSpace(doc), write: func(raw json.RawMessage) string { return string(raw) }})
	return out
}

// otherValues are what a value may be forged into; nothing that means the same.
func otherValues(raw json.RawMessage) []string {
	switch raw[0] {
	case '{', '[':
		more, end := `"zz":1`, raw[len(raw)-1:]
		if raw[0] == '[' {
			more = `"zz"`
		}
		if !isEmpty(raw) {
			more = "," + more
		}
		return []string{string(raw[:len(raw)-1]) + more + string(end)}
	case '"':
		others := []string{string(raw[:len(raw)-1]) + `x"`, `"x"`, `"approve"`, `7`}
		if len(raw) > 2 {
			others = append(others, `""`)
		}
		return slices.DeleteFunc(others, func(s string) bool { return s == string(raw) })
	case 't':
		return []string{"false"}
	case 'f':
		return []string{"true"}
	case 'n':
		return []string{`"x"`, "1", `["U0EVE"]`, `{"by":{"id":"U0EVE"}}`}
	}
	others := []string{string(raw) + "1", "-1"}
	if string(raw) != "0" {
		others = append(others, "0")
	}
	return others
}

func isEmpty(raw json.RawMessage) bool { return len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0 }

// membersOf are the values within an object or an array.
func membersOf(t *testing.T, m member) (out []member) {
	t.Helper()
	if m.raw[0] != '{' && m.raw[0] != '[' {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(m.raw))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	var values []json.RawMessage
	for dec.More() {
		name := ""
		if m.raw[0] == '{' {
			token, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			spelled, err := store.Canonical(token)
			if err != nil {
				t.Fatal(err)
			}
			name = spelled + ":"
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names, values = append(names, name), append(values, value)
	}
	for i := range values {
		out = append(out, member{
			path: fmt.Sprintf("%s.%s%d", m.path, strings.Trim(names[i], `":`), i), raw: values[i],
			write: func(raw json.RawMessage) string {
				var parts []string
				for k := range values {
					switch {
					case k != i:
						parts = append(parts, names[k]+string(values[k]))
					case raw != nil:
						parts = append(parts, names[k]+string(raw))
					}
				}
				return m.write(json.RawMessage(string(m.raw[0]) + strings.Join(parts, ",") + string(m.raw[len(m.raw)-1])))
			},
		})
	}
	return out
}
