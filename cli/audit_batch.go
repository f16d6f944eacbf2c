package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the guide
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// verifyGuide is VERIFY.md of every zip: how to check it without countersign.
//
//go:embed verify-batch.md
var verifyGuide []byte

// auditBatch writes the evidence of a batch as a zip, to a new file where one is named.
func auditBatch(ctx context.Context, db *sqlite.DB, number int64, file string, out io.Writer) (err error) {
	write := func(to io.Writer) error {
		err := db.Evidence(ctx, number, func(e store.Evidence) error { return writeEvidence(to, e) })
		if errors.Is(err, workflow.ErrNoBatch) {
			return fmt.Errorf("there is no batch %d", number)
		}
		return err
	}
	if file == "" {
		if onTerminal(out) {
			return errors.New("a zip is nothing for a terminal; name a file with --out, or send the output elsewhere")
		}
		return write(out)
	}
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; name a new file", file)
	}
	if err != nil {
		return err
	}
	if err = errors.Join(write(to), to.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	_, err = fmt.Fprintln(out, file)
	return err
}

func onTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// evidence is a zip being written, with the hash of everything in it.
type evidence struct {
	zip  *zip.Writer
	at   time.Time
	sums []string
}

// writeEvidence writes the zip. What it says is said of the same moment throughout.
func writeEvidence(to io.Writer, e store.Evidence) error {
	w := &evidence{zip: zip.NewWriter(to), at: e.Batch.Created}
	request := requestName(e.Batch)
	steps := stepsOf(e.Changes)
	seal := workflow.Seal(e.Batch.Digest)
	sealed, err := store.BatchText(e.Batch, e.RequestHash)
	if err != nil {
		return err
	}
	planned, err := plannedReasons(e)
	if err != nil {
		return err
	}
	for _, each := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"VERIFY.md", func(out io.Writer) error { _, err := out.Write(verifyGuide); return err }},
		{"batch.json", func(out io.Writer) error { return indented(out, batchFacts(e, request)) }},
		{"decisions.json", func(out io.Writer) error { return indented(out, decisionFacts(e)) }},
		{"plan.csv", func(out io.Writer) error {
			row := func(c workflow.Change) []string { return sheet.PlanRow(asPlanned(c, planned), seal) }
			return rowsOf(out, e.Changes, sheet.PlanHeader(), row)
		}},
		{"seal.txt", func(out io.Writer) error { _, err := io.WriteString(out, workflow.SealList()); return err }},
		{"results.csv", func(out io.Writer) error { return rowsOf(out, e.Changes, sheet.ResultsHeader(), sheet.ResultRow) }},
		{"sealed.json", func(out io.Writer) error { _, err := io.WriteString(out, sealed); return err }},
		{"rows.jsonl", func(out io.Writer) error { return sealedRows(out, e.Changes) }},
		{"asked.jsonl", func(out io.Writer) error { return askedRows(out, e.Changes) }},
		{"steps.jsonl", func(out io.Writer) error { return stepLines(out, steps) }},
		{"changes.jsonl", func(out io.Writer) error { return changeLines(out, e.Changes, planned) }},
		{"events.jsonl", func(out io.Writer) error {
			return e.Events(func(line []byte) error { _, err := out.Write(line); return err })
		}},
	} {
		if err := w.file(each.name, each.write); err != nil {
			return err
		}
	}
	if e.Batch.Digest != "" {
		text := workflow.DigestText(e.Batch, steps)
		if err := w.file("digest.json", func(out io.Writer) error { _, err := out.Write(text); return err }); err != nil {
			return err
		}
	}
	if e.Kept {
		if err := w.file(request, func(out io.Writer) error { _, err := out.Write(e.Request); return err }); err != nil {
			return err
		}
	}
	slices.Sort(w.sums)
	sums := []byte(strings.Join(w.sums, ""))
	if err := w.file("SHA256SUMS", func(out io.Writer) error { _, err := out.Write(sums); return err }); err != nil {
		return err
	}
	return w.zip.Close()
}

// file adds a file to the zip.
func (w *evidence) file(name string, write func(io.Writer) error) error {
	out, err := w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: w.at.UTC()})
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := write(io.MultiWriter(out, sum)); err != nil {
		return err
	}
	w.sums = append(w.sums, fmt.Sprintf("%x  %s\n", sum.Sum(nil), name))
	return nil
}

// requestName is how the bytes of the request are called: never as the sender called them.
func requestName(b *workflow.Batch) string {
	if b.Source.Kind == workflow.SourceFile {
		return "request.csv"
	}
	return "request.txt"
}

// batchFacts are what is known of the batch as a whole, by the names that the log knows them under: what sealed.json has,
// and what is empty, with the decisions in a file of their own.
func batchFacts(e store.Evidence, request string) map[string]any {
	if !e.Kept {
		request = "" // deleted after store.keep_files
	}
	facts := store.BatchFacts(e.Batch, e.RequestHash)
	for name, value := range facts {
		switch v := reflect.ValueOf(value); {
		case v.Kind() == reflect.Struct && v.IsZero(), v.Kind() == reflect.Slice && v.Len() == 0:
			facts[name] = nil // what is empty has one spelling, which the guide knows
		}
	}
	delete(facts, "decisions")
	facts["request_sha256"] = facts["request"]
	delete(facts, "request")
	facts["request_file"] = request
	facts["seal"] = workflow.Seal(e.Batch.Digest)
	facts["log_head"] = map[string]any{"seq": e.Head.Seq, "hash": e.Head.Hash}
	return facts
}

// decisionFacts are who decided what, in the order they did.
func decisionFacts(e store.Evidence) any {
	return store.BatchFacts(e.Batch, e.RequestHash)["decisions"]
}

// plannedReasons are the reasons that rows with steps had when the plan was sealed, as the log has them.
func plannedReasons(e store.Evidence) (map[int]workflow.Reason, error) {
	out := map[int]workflow.Reason{}
	err := e.Events(func(line []byte) error {
		rows, err := store.PlannedReasons(line)
		maps.Copy(out, rows)
		return err
	})
	return out, err
}

// asPlanned is a row with the reason that it had in the plan: what has steps may have got another since.
func asPlanned(c workflow.Change, planned map[int]workflow.Reason) workflow.Change {
	if len(c.Steps) > 0 {
		c.Reason = planned[c.Row]
	}
	return c
}

// sealedRows writes the lines that the log has the hash of.
func sealedRows(out io.Writer, changes []workflow.Change) error {
	for i := range changes {
		if _, err := io.WriteString(out, store.RowText(&changes[i])+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// askedRows writes the lines of what was asked for, which the log has the hash of, too.
func askedRows(out io.Writer, changes []workflow.Change) error {
	for i := range changes {
		if _, err := io.WriteString(out, store.AskedText(&changes[i].Asked)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// stepsOf are the steps of the plan in running order.
func stepsOf(changes []workflow.Change) []workflow.Step {
	var steps []workflow.Step
	for i := range changes {
		steps = append(steps, changes[i].Steps...)
	}
	slices.SortFunc(steps, func(a, b workflow.Step) int { return a.Seq - b.Seq })
	return steps
}

// stepLines writes each step as the line of JSON that its hash is made of.
func stepLines(out io.Writer, steps []workflow.Step) error {
	for _, s := range steps {
		if _, err := out.Write(append(s.Text(), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// changeLines writes for every row what was before and after, and how that is known.
func changeLines(out io.Writer, changes []workflow.Change, planned map[int]workflow.Reason) error {
	for i := range changes {
		c := &changes[i]
		field, before, after := setValues(c)
		line := map[string]any{
			"row": c.Row, "action": c.Action, "account_id": c.AccountID, "name": c.Name, "status": c.State,
			"field": field, "before": before, "wanted": after, "via": c.Via(), "attempts": c.Attempts,
			"called_at": store.Moment(c.Called), "finished_at": store.Moment(c.Finished),
			"reason": c.Reason.Words(), "reason_code": c.Reason.Code, "reason_facts": append([]string{}, c.Reason.Facts...),
			"steps": json.RawMessage(store.OutcomesText(c)), "step_reasons": stepReasons(c),
			"planned_reason": sheet.PlanReason(asPlanned(*c, planned)),
		}
		if c.State == workflow.ChangeDone { // it is done only when the account was read back and showed it
			line["read_back"] = after
		}
		raw, err := plainJSON(line)
		if err != nil {
			return err
		}
		if _, err := out.Write(raw); err != nil {
			return err
		}
	}
	return nil
}

// stepReasons are the sentences about the steps of a row that has several, "" for a step of which there is none.
func stepReasons(c *workflow.Change) []string {
	if len(c.Steps) < 2 {
		return []string{} // its reason is that of the row
	}
	out := make([]string, len(c.Steps))
	for i := range out {
		out[i] = c.Outcome(i).Reason.Words()
	}
	return out
}

// setValues are the fields that the steps of a row set, but for messages, what the first one expects of each and what the last
// one sets it to, separated by ";". Of a row without steps they are what it asks for.
func setValues(c *workflow.Change) (fields, before, after string) {
	steps := c.Steps
	if len(steps) == 0 {
		steps = []workflow.Step{{Expect: c.Expect, Set: c.Set}}
	}
	from, to := map[string]string{}, map[string]string{}
	for _, s := range steps {
		for field, value := range s.Set.All() {
			name := string(field)
			if field == workflow.FieldMessage {
				continue
			}
			if _, known := to[name]; !known {
				from[name] = s.Expect.Get(field)
			}
			to[name] = value
		}
	}
	var b, a []string
	names := slices.Sorted(maps.Keys(to))
	for _, name := range names {
		b, a = append(b, from[name]), append(a, to[name])
	}
	return strings.Join(names, ";"), strings.Join(b, ";"), strings.Join(a, ";")
}

func rowsOf(out io.Writer, changes []workflow.Change, header []string, row func(workflow.Change) []string) error {
	return sheet.WriteCSV(out, header, func(yield func([]string) bool) {
		for _, c := range changes {
			if !yield(row(c)) {
				return
			}
		}
	})
}

// plainJSON is one line of JSON with its break, with < > & as they are.
func plainJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}

func indented(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
