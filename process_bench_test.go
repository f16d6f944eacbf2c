package main

import (
	"bytes"
	"context"
	"fmt"
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
// go test -run '^$' -bench Process -benchtime 1x .

// newHouseOf is a house whose program is built as it is deployed.
func newHouseOf(b *testing.B) *house {
	b.Helper()
	h := newHouse(b)
	h.program = filepath.Join(b.TempDir(), "countersign")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", h.program, ".")
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
func (h *house) await(what string, seen func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Minute)
	defer cancel()
	if err := h.world.Workspace.WaitFor(ctx, seen); err != nil {
		h.t.Fatalf("never seen: %s", what)
	}
}

// BenchmarkProcessBatch takes large batches from the file to the results: seconds for 1,000 changes of check and run, the
// most memory that the process ever took, and the size of its database for each change.
func BenchmarkProcessBatch(b *testing.B) {
	for _, rows := range []int{1000, 10_000, 50_000} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			for b.Loop() {
				h := newHouseOf(b)
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
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkProcessStart starts the program again and again: milliseconds until Slack reaches it and until it is ready, and
// what is resident when it has nothing to do.
func BenchmarkProcessStart(b *testing.B) {
	h := newHouseOf(b)
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
