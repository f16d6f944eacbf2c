//go:build browser

package simulation

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox"
)

// Hana asks by the form: a person found as she types, checked before anybody sees it. Alice, at a window of her own, finds
// it on Home, looks at every row and approves.
func TestBrowserForm(t *testing.T) {
	h := newEnv(t)
	h.begin()
	account := h.movable(1)[0]
	ctx := surf(t, h.world.URL+"/?as=hana")
	field := func(name string) chromedp.CSS { return mark("input-" + name) }
	do(t, ctx, "Hana opens the form",
		chromedp.SendKeys(mark("composer"), "/countersign new\r"), chromedp.WaitVisible(mark("modal")),
		chromedp.SetValue(field(view.FieldAction), "deactivate"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid=input-`+view.FieldAction+
			`]').dispatchEvent(new Event('change', {bubbles: true}))`))
	do(t, ctx, "Hana searches a person",
		chromedp.SendKeys(field(view.FieldPerson), account.Email), chromedp.WaitVisible(mark("option")))
	snap(t, ctx, "9-search")
	do(t, ctx, "Hana takes the hit and gives a reason",
		chromedp.SendKeys(field(view.FieldPerson), "\r"), chromedp.WaitNotPresent(mark("option")),
		chromedp.WaitVisible(field(view.FieldReason)), chromedp.SendKeys(field(view.FieldReason), "left the company"))
	do(t, ctx, "Hana has it checked",
		chromedp.Click(mark("modal-submit")), chromedp.WaitNotPresent(field(view.FieldReason)), chromedp.WaitVisible(mark("modal-submit")))
	snap(t, ctx, "10-checked")
	if n := len(h.world.Workspace.Messages(sandbox.Requests, sandbox.Alice)); n != 0 {
		t.Errorf("%d messages are public before the form is sent", n)
	}
	do(t, ctx, "Hana sends it", chromedp.Click(mark("modal-submit")), chromedp.WaitNotPresent(mark("modal-submit")),
		chromedp.KeyEvent(kb.Escape), chromedp.WaitNotPresent(mark("modal")), chromedp.WaitVisible(mark("button-approve")))
	alice := window(t, ctx, h.world.URL, "alice")
	do(t, alice, "Alice opens Home",
		chromedp.Click(mark("channel-"+h.world.Workspace.OpenDM(sandbox.Alice))), chromedp.WaitVisible(mark("home")+" "+mark("button-details")))
	snap(t, alice, "11-home")
	do(t, alice, "Alice looks at the rows",
		chromedp.Click(mark("home")+" "+mark("button-details")), chromedp.WaitVisible(mark("modal")+" "+mark("data-table")))
	snap(t, alice, "12-details")
	do(t, alice, "Alice goes back and approves",
		chromedp.KeyEvent(kb.Escape), chromedp.WaitNotPresent(mark("modal")), chromedp.Click(mark("channel-"+sandbox.Requests)),
		chromedp.WaitVisible(mark("button-approve")), chromedp.Click(mark("button-approve")),
		chromedp.WaitVisible(mark("confirm-ok")), chromedp.Click(mark("confirm-ok")), chromedp.WaitNotPresent(mark("button-approve")))
	do(t, ctx, "Hana sees it decided", chromedp.WaitNotPresent(mark("button-approve")))
	h.file("batch-1-results.csv")
	h.clean()
}
