//go:build browser

package simulation

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/workflow/policy"
)

var pictures = flag.String("pictures", "", "folder for the pictures that the documents show")

// surf opens the demo's page in a real browser. There must be one: who asks for these tests wants them to run.
func surf(t *testing.T, url string) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Fatal("no Chromium found")
	}
	ctx, end := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(chromedp.ExecPath(program), chromedp.NoSandbox))
	t.Cleanup(end)
	// The first action starts the browser, and its context is the browser's life: no timeout on it.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	do(t, ctx, "open the page", chromedp.Navigate(url), chromedp.WaitVisible(mark("composer")))
	return ctx
}

// window opens the page a second time in the same browser, as somebody else.
//
//nolint:revive // t first, as in all helpers
func window(t *testing.T, ctx context.Context, url, as string) context.Context {
	t.Helper()
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1440, 757)); err != nil {
		t.Fatalf("open a window as %s: %v", as, err)
	}
	do(t, ctx, "open the page as "+as, chromedp.Navigate(url+"/?as="+as), chromedp.WaitVisible(mark("composer")))
	return ctx
}

func mark(id string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid=%q]`, id)) }

//nolint:revive // t first, as in all helpers
func do(t *testing.T, ctx context.Context, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	if err := chromedp.Do(limited, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// snap keeps what the page looks like; see go test -artifacts, and -pictures for those of the documents.
//
//nolint:revive // t first, as in all helpers
func snap(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	content, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatalf("take a picture: %v", err)
	}
	folders := []string{t.ArtifactDir()}
	if *pictures != "" && slices.Contains([]string{"asked", "confirm", "demo"}, name) { // those of docs/helpdesk.md
		folders = append(folders, *pictures)
	}
	for _, folder := range folders {
		if err := os.WriteFile(filepath.Join(folder, name+".png"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Two people at the page: Hana sends a file with rows of every sort, Alice approves it, both see it done.
func TestBrowserTwoPeople(t *testing.T) {
	h := newEnv(t)
	h.begin()
	ctx := surf(t, h.world.URL)
	var moving film
	moving.take(t, ctx, time.Second)
	do(t, ctx, "Hana picks a file",
		chromedp.Click(mark("person-switch")), chromedp.Click(mark("person-"+sandbox.Hana)),
		chromedp.Click(mark("samples-open")), chromedp.WaitVisible(mark("samples")),
		chromedp.Click(mark("sample-rename-with-bad-rows.csv")), chromedp.WaitVisible(mark("pending-file")))
	moving.take(t, ctx, time.Second)
	do(t, ctx, "Hana gives a reason", chromedp.SendKeys(mark("composer"), "reason: we are Northwind Group from Monday"))
	moving.take(t, ctx, 1500*time.Millisecond)
	do(t, ctx, "Hana sends it", chromedp.Click(mark("send")), chromedp.WaitVisible(mark("button-approve")))
	moving.take(t, ctx, 2*time.Second)
	snap(t, ctx, "asked")
	do(t, ctx, "Hana tries to approve it herself",
		chromedp.Click(mark("button-approve")), chromedp.WaitVisible(mark("confirm-ok")),
		chromedp.Click(mark("confirm-ok")), chromedp.WaitVisible(chromedp.CSS(".message.ephemeral")))
	snap(t, ctx, "2-own-approval")
	do(t, ctx, "Alice takes over", chromedp.Evaluate[chromedp.Void](`window.emptied = false; new MutationObserver(() => {
			if (document.querySelector('.welcome')) window.emptied = true;
		}).observe(document.body, {childList: true, subtree: true})`),
		chromedp.Click(mark("person-switch")), chromedp.Click(mark("person-"+sandbox.Alice)),
		chromedp.WaitNotPresent(chromedp.CSS(".message.ephemeral"))) // Hana's, gone with all that was drawn for her
	do(t, ctx, "Alice approves it", chromedp.Click(mark("button-approve")), chromedp.WaitVisible(mark("confirm-ok")))
	if emptied, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`window.emptied`)); err != nil || emptied {
		t.Errorf("the channel was said to be empty before Alice's messages came (%v)", err)
	}
	snap(t, ctx, "confirm")
	moving.take(t, ctx, 1500*time.Millisecond)
	do(t, ctx, "Alice is asked once more", chromedp.Click(mark("confirm-ok")), chromedp.WaitNotPresent(mark("button-approve")))
	moving.take(t, ctx, time.Second)
	do(t, ctx, "both see it done",
		chromedp.Click(chromedp.CSS("article:last-of-type ")+mark("thread-open")), // the card's; the file above it has one, too
		chromedp.WaitVisible(mark("thread")+" "+mark("file-batch-1-results.csv")))
	limited, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	text, err := chromedp.Run(limited, chromedp.Text(mark("thread")))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "batch-1-results.csv") {
		t.Errorf("the thread has no results: %s", text)
	}
	if n := len(h.world.Organisation.Effects()); n == 0 {
		t.Error("nothing was changed")
	}
	do(t, ctx, "nothing is new any more", chromedp.WaitNotPresent(chromedp.CSS(".message.fresh")))
	time.Sleep(time.Second) // of real time, which the page's colours take to fade before its picture
	snap(t, ctx, "demo")
	moving.take(t, ctx, 3*time.Second)
	moving.save(t, "demo")
	h.clean()
}

// A file over the rule's number needs two people; the card says so, and waits after the first.
func TestBrowserTwoApprovals(t *testing.T) {
	h := newEnv(t)
	h.cfg.Protect = []string{"group:break-glass"}
	h.cfg.Approval.Rules = []policy.Rule{{When: policy.When{ChangesOver: new(20)}, Approvals: 2}}
	h.begin()
	ctx := surf(t, h.world.URL+"/?as=hana")
	do(t, ctx, "Hana sends a file",
		chromedp.Click(mark("guide-1")), chromedp.WaitVisible(mark("samples")),
		chromedp.Click(mark("sample-rename-domain.csv")), chromedp.WaitVisible(mark("pending-file")),
		chromedp.SendKeys(mark("composer"), "reason: the old domain is given up"),
		chromedp.Click(mark("send")), chromedp.WaitVisible(mark("button-approve")))
	approve := func(person, name string) context.Context {
		t.Helper()
		ctx := window(t, ctx, h.world.URL, person)
		do(t, ctx, person+" approves it", chromedp.Click(mark("button-approve")), chromedp.WaitVisible(mark("confirm-ok")))
		snap(t, ctx, name)
		do(t, ctx, person+" is asked once more", chromedp.Click(mark("confirm-ok")))
		return ctx
	}
	bob := approve("bob", "5-first-of-two")
	h.says("U0BOB") // who has approved stands on it
	snap(t, bob, "6-one-of-two")
	approve("alice", "7-second-of-two")
	do(t, ctx, "Hana sees it decided", chromedp.WaitNotPresent(mark("button-approve")))
	do(t, bob, "Bob sees it decided", chromedp.WaitNotPresent(mark("button-approve")))
	h.file("batch-1-results.csv")
	snap(t, ctx, "8-done")
}
