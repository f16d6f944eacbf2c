package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

func TestReportsReadOneAfterTheOther(t *testing.T) {
	reports := nightly(t, "0 2 * * *")
	second := reports[0]
	second.Name, second.Schedule = "second", "1 2 * * *" // at the same moment they would share a night
	inBubble(t, append(reports, second), func(b *bench) {
		b.until("2026-11-22T12:00:00Z")
		b.dir.set(func(d *directory) { d.takes = 2 * time.Minute })
		b.start()
		b.until("2026-11-23T12:00:00Z")
		b.wantReads("2026-11-23T01:00:00Z", "2026-11-23T01:02:00Z")
		b.dir.set(func(d *directory) {
			if d.overlap {
				b.Error("two reports read the directory at once")
			}
		})
	})
}

func TestShowAndPost(t *testing.T) {
	reports := nightly(t, "0 2 * * *")
	reports[0].Keep = 2
	inBubble(t, reports, func(b *bench) {
		b.until("2026-11-20T12:00:00Z")
		b.start()
		for day := 21; day <= 23; day++ {
			b.dir.set(func(d *directory) { d.accounts = day })
			b.until(fmt.Sprintf("2026-11-%dT12:00:00Z", day))
		}
		want := report.Result{
			Run: 3, Report: "nightly", Kind: report.ManagedAccounts, Date: "2026-11-23", FileName: "nightly-2026-11-23.csv",
			At: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC), Figures: figures(23),
			Before: figures(22), Snapshot: 3,
		}
		result, file, err := b.runner.Show(b.Context(), "nightly", "2026-11-23")
		if err != nil {
			b.Fatal(err)
		}
		var table, again bytes.Buffer
		if err := file.Write(b.Context(), &table); err != nil || file.Name != want.FileName || file.Size != table.Len() {
			b.Errorf("%s has %d bytes, not %d, %v", file.Name, table.Len(), file.Size, err)
		}
		if result.Log.Seq == 0 || len(result.Log.Hash) != 64 {
			b.Errorf("the head of the log is %+v", result.Log)
		}
		want.Log = result.Log
		if diff := cmp.Diff(want, result); diff != "" {
			b.Errorf("(-want +got)\n%s", diff)
		}
		if lines := bytes.Count(table.Bytes(), []byte("\r\n")); lines != 24 {
			b.Errorf("%d lines, want a header and 23", lines)
		}
		if file, err = b.runner.File(b.Context(), result); err != nil {
			b.Fatal(err)
		}
		if err := file.Write(b.Context(), &again); err != nil || !bytes.Equal(again.Bytes(), table.Bytes()) {
			b.Errorf("the file differs from what is shown, %v", err)
		}
		for date, want := range map[string]error{
			"": nil, "2026-11-22": nil, "2026-11-21": report.ErrNoSnapshot, "2026-11-19": report.ErrNoRun,
		} {
			if _, _, err := b.runner.Show(b.Context(), "nightly", date); !errors.Is(err, want) {
				b.Errorf("show %q: %v, want %v", date, err, want)
			}
		}
		_, _, err = b.runner.Show(b.Context(), "nightly", "2026-11-19")
		if none, is := errors.AsType[*report.NoRunError](err); !is || none.Report != "nightly" || none.Last != "2026-11-23" {
			b.Errorf("of a day without a run: %v, want the name and the last day", err)
		}
		if _, _, err := b.runner.Show(b.Context(), "x", ""); !errors.Is(err, report.ErrUnknownReport) {
			b.Errorf("%v, want ErrUnknownReport", err)
		}
		if _, err := b.runner.File(b.Context(), report.Result{Kind: report.ManagedAccounts}); !errors.Is(err, report.ErrNoSnapshot) {
			b.Errorf("%v, want ErrNoSnapshot", err)
		}

		b.unposted(1, 2, 3)
		b.post(workflow.Post{Key: "report/nightly/1/message", TS: "1.1"}) // its file went with its snapshot
		b.post(workflow.Post{Key: result.MessageKey(), TS: "3.1"})
		b.unposted(2, 3)
		b.post(workflow.Post{Key: result.FileKey(), File: "F3", Sending: time.Now()})
		b.unposted(2, 3)
		b.post(workflow.Post{Key: result.FileKey(), File: "F3", TS: "3.2"})
		b.unposted(2)
	})
}

func (b *bench) post(p workflow.Post) {
	b.Helper()
	if err := b.db.SavePost(b.Context(), p); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) unposted(want ...int64) {
	b.Helper()
	list, err := b.runner.Unposted(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var got []int64
	for _, r := range list {
		got = append(got, r.Run)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("not posted yet (-want +got)\n%s", diff)
	}
}
