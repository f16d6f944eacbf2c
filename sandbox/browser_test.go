package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
)

// browser opens the page in a real browser. Where there is none the test is skipped, but never in
// CI.
func browser(t *testing.T, url string, width, height int64) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium found, and in CI there must be one")
		}
		t.Skip("no Chromium found")
	}
	ctx, end := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(chromedp.ExecPath(program), chromedp.NoSandbox))
	var reading sync.WaitGroup
	t.Cleanup(func() {
		end()
		reading.Wait()
	})
	// The first action starts the browser, and its context is the browser's life: no timeout on it.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	reading.Go(func() {
		for message, err := range messages {
			if err != nil {
				return // the browser has ended
			}
			if message.Type != "log" && message.Type != "debug" && message.Type != "info" {
				t.Errorf("the page's console, %s: %s", message.Type, message.Text)
			}
		}
	})
	run(t, ctx, chromedp.Navigate(url), chromedp.WaitVisible(testid("composer")))
	return ctx
}

func testid(id string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid=%q]`, id)) }

func run(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) { //nolint:revive // t first
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	if err := chromedp.Do(limited, actions...); err != nil {
		t.Fatal(err)
	}
}

// picture keeps what the page looked like; see go test -artifacts.
func picture(t *testing.T, ctx context.Context, name string) { //nolint:revive // as above
	t.Helper()
	content, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTwoPeopleAtThePage(t *testing.T) {
	t.Parallel()
	box := start(t, sandbox.Config{Seed: 1})
	startApp(t, box)
	ctx := browser(t, box.URL, 1440, 900)

	picture(t, ctx, "1-empty")
	run(t, ctx, chromedp.Click(testid("samples-open")), chromedp.WaitVisible(testid("samples")))
	picture(t, ctx, "2-samples")
	run(t, ctx,
		chromedp.Click(testid("sample-rename-domain.csv")), chromedp.WaitVisible(testid("pending-file")),
		chromedp.SendKeys(testid("composer"), "reason: we are Northwind Group from Monday"),
		chromedp.Click(testid("send")), chromedp.WaitVisible(testid("button-approve")))
	picture(t, ctx, "3-card")
	run(t, ctx, chromedp.SendKeys(testid("composer"), "/countersign "), chromedp.WaitVisible(testid("suggestions")))
	picture(t, ctx, "4-suggestions")
	run(t, ctx, chromedp.SendKeys(testid("composer"), "help\r"), chromedp.WaitVisible(chromedp.CSS(".message.ephemeral")),
		chromedp.Click(testid("person-U0BOB")), chromedp.WaitVisible(testid("person-U0BOB")+".on"),
		chromedp.WaitNotPresent(chromedp.CSS(".message.ephemeral")),
		chromedp.Click(testid("button-approve")), chromedp.WaitVisible(testid("confirm-ok")))
	picture(t, ctx, "5-confirm")
	run(t, ctx, chromedp.Click(testid("confirm-ok")), chromedp.WaitVisible(testid("thread-open")),
		chromedp.WaitNotPresent(testid("button-approve")), chromedp.Click(testid("thread-open")),
		chromedp.WaitVisible(testid("thread")+" "+testid("file-batch-1-results.csv")+" td"))
	limited, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	_, err := chromedp.Run(limited, chromedp.Poll[bool](`document.querySelectorAll('.account.changed').length === 40`))
	if err != nil {
		t.Fatalf("wait for 40 changed accounts: %v", err)
	}
	changed, err := chromedp.Run(limited, chromedp.Text(testid("account")+" .account-email"))
	if err != nil {
		t.Fatal(err)
	}
	picture(t, ctx, "6-done")
	if want := "→"; len(changed) < len(want) || changed[:len(want)] != want {
		t.Errorf("first account: %q, want its old and new address", changed)
	}
	run(t, ctx, chromedp.EmulateViewport(1100, 760))
	picture(t, ctx, "7-narrow")
	if found := box.Workspace.Violations(); len(found) > 0 {
		t.Errorf("violations: %v", found)
	}
}

func TestFormsAndMenusAtThePage(t *testing.T) {
	t.Parallel()
	box := start(t, sandbox.Config{Seed: 1})
	program := startApp(t, box)
	ctx := browser(t, box.URL, 1440, 900)
	list := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(list, box.Samples()[0].Content, 0o600); err != nil {
		t.Fatal(err)
	}

	run(t, ctx, chromedp.SendKeys(testid("composer"), "/countersign form\r"), chromedp.WaitVisible(testid("modal-submit")),
		chromedp.SendKeys(testid("input-address"), "nowhere"), chromedp.SetValue(testid("input-action"), "deactivate"),
		chromedp.SetUploadFiles(testid("input-file"), []string{list}))
	picture(t, ctx, "form")
	run(t, ctx, chromedp.Evaluate[chromedp.Void](
		`document.querySelector('[data-testid=input-action]').dispatchEvent(new Event('change', {bubbles: true}))`),
		chromedp.Click(testid("modal-submit")), chromedp.WaitVisible(chromedp.CSS(".input-error")),
		chromedp.SendKeys(testid("input-person"), "lang"), chromedp.WaitVisible(testid("option")))
	picture(t, ctx, "search")
	run(t, ctx, chromedp.SendKeys(testid("input-person"), kb.ArrowDown+"\r"), chromedp.WaitVisible(testid("clear-person")),
		chromedp.SendKeys(testid("input-address"), "@northwind.example"), chromedp.Click(testid("modal-submit")),
		chromedp.WaitNotPresent(testid("modal")))
	program.mu.Lock()
	if want := "deactivate nowhere@northwind.example 1 712020:2"; program.submitted != want {
		t.Errorf("submitted %q, want %q", program.submitted, want)
	}
	program.mu.Unlock()

	run(t, ctx, chromedp.Evaluate[chromedp.Void](`(() => {
		const carried = new DataTransfer();
		carried.items.add(new File(['a,b'], 'dropped.csv'));
		document.querySelector('main').dispatchEvent(new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}));
	})()`), chromedp.WaitVisible(testid("pending-file")), chromedp.Click(chromedp.CSS("[aria-label='Remove dropped.csv']")),
		chromedp.WaitNotPresent(testid("pending-file")))

	run(t, ctx, chromedp.SendKeys(testid("composer"), "/countersign gallery\r"), chromedp.WaitVisible(testid("overflow-more")),
		chromedp.Click(testid("overflow-more")), chromedp.WaitVisible(chromedp.CSS(".menu button")),
		chromedp.WaitNotPresent(chromedp.CSS(".unknown")))
	picture(t, ctx, "gallery")
	run(t, ctx, chromedp.Click(testid("table-on")), chromedp.Click(testid("table-on")),
		chromedp.WaitNotPresent(testid("data-table")+" tbody tr:nth-child(3)"), // two of twelve rows are left for the third page
		chromedp.Click(testid("overflow-more")), chromedp.WaitVisible(chromedp.CSS(".menu button")),
		chromedp.Click(chromedp.CSS(".menu button")), chromedp.WaitVisible(chromedp.CSS(".message.ephemeral")),
		chromedp.SendKeys(testid("composer"), "/other\r"), chromedp.WaitVisible(testid("toast")),
		chromedp.Click(testid("channel-C0GENERAL")), chromedp.Click(chromedp.CSS(".faults summary")))
	picture(t, ctx, "toast-and-faults")
	if found := box.Workspace.Violations(); len(found) > 0 {
		t.Errorf("violations: %v", found)
	}
}

// Home and Messages are tabs of the app; a shortcut of a message and one of the + open forms, which Escape closes; the address
// says who acts.
func TestHomeAndShortcutsAtThePage(t *testing.T) {
	t.Parallel()
	box := start(t, sandbox.Config{Seed: 1, Shortcuts: []workspace.Shortcut{
		{Name: "New request", CallbackID: "new"}, {Name: "Use this CSV", CallbackID: "use", Message: true},
	}})
	startApp(t, box)
	if _, err := box.Workspace.Say(t.Context(), sandbox.Bob, sandbox.General, "", "hello"); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t, box.URL+"/?as=bob&in="+sandbox.General, 1100, 800)
	pressed := testid("home") + " .section-text"
	run(t, ctx, chromedp.WaitVisible(testid("person-U0BOB")+".on"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid=message-more]').click()`),
		chromedp.WaitVisible(testid("shortcut-use")), chromedp.Click(testid("shortcut-use")), chromedp.WaitVisible(testid("modal")),
		chromedp.KeyEvent(kb.Escape), chromedp.WaitNotPresent(testid("modal")),
		chromedp.Click(testid("plus")), chromedp.WaitVisible(testid("shortcut-new")), chromedp.KeyEvent(kb.Escape),
		chromedp.WaitNotPresent(testid("shortcut-new")), chromedp.Click(testid("plus")), chromedp.Click(testid("shortcut-new")),
		chromedp.WaitVisible(testid("modal")), chromedp.Click(testid("modal-close")), chromedp.WaitNotPresent(testid("modal")))
	direct := box.Workspace.OpenDM(sandbox.Bob)
	run(t, ctx, chromedp.Click(testid("channel-"+direct)), chromedp.WaitVisible(pressed), chromedp.Click(testid("table-on")),
		chromedp.Click(testid("home")+" tbody tr:last-child "+testid("button-review")))
	picture(t, ctx, "home")
	limited, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	_, err := chromedp.Run(limited, chromedp.Poll[bool](
		`document.querySelector('[data-testid=home] .section-text').textContent === 'pressed: 8'`))
	if err != nil {
		t.Fatalf("wait for the button of the last row: %v", err)
	}
	run(t, ctx, chromedp.Click(testid("tab-messages")), chromedp.WaitNotPresent(testid("home")))
	if found := box.Workspace.Violations(); len(found) > 0 {
		t.Errorf("violations: %v", found)
	}
}
