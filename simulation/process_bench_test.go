package simulation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
)

// These benchmarks run the program as it is built for use, in a process of its own, against the sandbox in this one:
// go test -run '^$' -bench Process -benchtime 1x ./simulation

// newEnvOf is a env whose program is built as it is deployed.
func newEnvOf(b *testing.B) *env {
	b.Helper()
	h := newEnv(b)
	h.program = filepath.Join(b.TempDir(), "countersign")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", h.program, "github.com/countersign/countersign")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the program: %v\n%s", err, out)
	}
	h.world.Organisation.SetLimit(organisation.RateLimit{})
	return h
}

// memory reads a field of /proc/PID/status in MB: VmRSS is what is resident, VmHWM the most that ever was.
func (p *process) memory(b *testing.B, field string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skipf("only where there is /proc: %v", err)
	}
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) == 3 && words[0] == field+":" {
			kib, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib * 1024 / 1e6
		}
	}
	b.Fatalf("no %s in %s", field, text)
	return 0
}

// await waits for what takes long.
func (h *env) await(what string, seen func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Minute)
	defer cancel()
	if err := h.world.Workspace.WaitFor(ctx, seen); err != nil {
		h.t.Fatalf("never seen: %s", what)
	}
}

// BenchmarkProcessBatch takes large batches from the file to the results: seconds for 1,000 changes of check and run, the
// processor's time for each, the most memory that the process ever took, and the size of its database for each change.
func BenchmarkProcessBatch(b *testing.B) {
	for _, rows := range []int{1000, 10_000, 50_000} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			for b.Loop() {
				h := newEnvOf(b)
				h.cfg.Limits.MaxChanges = 100_000
				_, file := h.employ(rows)
				p := h.launch()
				h.reached()
				began := time.Now()
				h.send(sandbox.Hana, "", "ask.csv", file)
				h.await("the plan", func() bool { m, ok := h.card(1); return ok && buttons(m)["Approve"] != "" })
				checked := time.Since(began)
				afterCheck := p.memory(b, "VmHWM")
				began = time.Now()
				h.click(sandbox.Alice, "Approve")
				h.await("the end", func() bool { return h.posts()["batch-1-results.csv"] > 0 })
				ran := time.Since(began)
				if n := len(h.world.Organisation.Effects()); n != rows {
					b.Errorf("%d changes were made, want %d", n, rows)
				}
				b.ReportMetric(checked.Seconds()*1000/float64(rows), "s-check/1000")
				b.ReportMetric(ran.Seconds()*1000/float64(rows), "s-run/1000")
				b.ReportMetric(afterCheck, "MB-check")
				b.ReportMetric(p.memory(b, "VmHWM"), "MB-peak")
				info, err := os.Stat(h.cfg.Store.Path)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size())/1000/float64(rows), "kB-stored/change")
				h.end()
				took := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
				b.ReportMetric(float64(took.Microseconds())/1000/float64(rows), "ms-cpu/change")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkProcessStart starts the program again and again: milliseconds until Slack reaches it and until it is ready, and
// what is resident when it has nothing to do.
func BenchmarkProcessStart(b *testing.B) {
	h := newEnvOf(b)
	var reached []float64
	var idle float64
	for b.Loop() {
		began := time.Now()
		p := h.launch()
		h.reached()
		reached = append(reached, float64(time.Since(began).Microseconds())/1000)
		if idle == 0 {
			time.Sleep(5 * time.Second)
			idle = p.memory(b, "VmRSS")
		}
		h.end()
	}
	slices.Sort(reached)
	b.ReportMetric(reached[len(reached)/2], "ms-connected")
	b.ReportMetric(idle, "MB-idle")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProcessKill kills the program in the middle of a batch and starts it again, over and over: milliseconds from the
// start of the process to the first call for the batch, the longest and the median.
func BenchmarkProcessKill(b *testing.B) {
	for _, rows := range []int{500, 5000, 50_000} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) { killAndStart(b, rows) })
	}
}

func killAndStart(b *testing.B, rows int) {
	h := newEnvOf(b)
	h.cfg.Limits.MaxChanges = rows
	h.world.Organisation.SetFaults(organisation.Faults{Latency: func(*http.Request) time.Duration { return 20 * time.Millisecond }})
	_, file := h.employ(rows)
	p := h.launch()
	h.reached()
	h.send(sandbox.Hana, "", "ask.csv", file)
	h.await("the plan", func() bool { m, ok := h.card(1); return ok && buttons(m)["Approve"] != "" })
	h.click(sandbox.Alice, "Approve")
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	org := h.world.Organisation
	effects := func(n int) {
		if err := org.WaitFor(ctx, func() bool { return len(org.Effects()) >= n }); err != nil {
			b.Fatal("the run did not go on")
		}
	}
	effects(50)
	var first []float64
	for b.Loop() {
		h.kill(p)
		began, had := time.Now(), len(org.Calls())
		p = h.launch()
		var call time.Time
		if err := org.WaitFor(ctx, func() bool {
			for _, c := range org.Calls()[had:] {
				asks := !strings.HasSuffix(c.Path, "/profile") && !strings.HasSuffix(c.Path, "/email") // as when the key is tried
				if !asks && c.At.After(began) {
					call = c.At
					return true
				}
			}
			return false
		}); err != nil {
			b.Fatal("no call after the start")
		}
		first = append(first, float64(call.Sub(began).Microseconds())/1000)
		effects(len(org.Effects()) + 20)
	}
	h.kill(p)
	slices.Sort(first)
	b.ReportMetric(first[len(first)/2], "ms-median")
	b.ReportMetric(first[len(first)-1], "ms-most")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProcessAck sends slash commands while 10,000 changes run: milliseconds until each is acknowledged.
func BenchmarkProcessAck(b *testing.B) {
	const rows = 10_000
	h := newEnvOf(b)
	h.cfg.Limits.MaxChanges = rows
	_, file := h.employ(rows)
	h.launch()
	h.reached()
	h.send(sandbox.Hana, "", "ask.csv", file)
	h.await("the plan", func() bool { m, ok := h.card(1); return ok && buttons(m)["Approve"] != "" })
	h.click(sandbox.Alice, "Approve")
	words := []string{"help", "batches", "batch 1", "find employee.77@northwind.example", "report list"}
	var took []float64
	for b.Loop() {
		took = nil
		for len(h.world.Organisation.Effects()) < rows {
			began := time.Now()
			if err := h.world.Workspace.Command(b.Context(), sandbox.Bob, sandbox.Requests, words[len(took)%len(words)]); err != nil {
				b.Fatalf("command: %v", err)
			}
			took = append(took, float64(time.Since(began).Microseconds())/1000)
			time.Sleep(50 * time.Millisecond)
		}
	}
	h.end()
	slices.Sort(took)
	b.ReportMetric(float64(len(took)), "commands")
	b.ReportMetric(took[len(took)/2], "ms-p50")
	b.ReportMetric(took[len(took)*99/100], "ms-p99")
	b.ReportMetric(took[len(took)-1], "ms-most")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProcessDemo starts the demo again and again: milliseconds until its page is there.
func BenchmarkProcessDemo(b *testing.B) {
	h := newEnvOf(b)
	var took []float64
	for b.Loop() {
		began := time.Now()
		cmd := exec.CommandContext(b.Context(), h.program, "demo", "--listen", "127.0.0.1:0")
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		var address string
		for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
			if word := strings.Fields(lines.Text()); len(word) == 2 && word[0] == "open" {
				address = word[1]
			}
		}
		page, err := http.Get(address) //nolint:noctx // it is our own process
		if err != nil {
			b.Fatal(err)
		}
		_, err = io.Copy(io.Discard, page.Body)
		if err = errors.Join(err, page.Body.Close()); err != nil || page.StatusCode != http.StatusOK {
			b.Fatalf("the page: %s, %v", page.Status, err)
		}
		took = append(took, float64(time.Since(began).Microseconds())/1000)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			b.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("the demo ended: %v", err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms-page")
	b.ReportMetric(0, "ns/op")
}
