package workspace

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// NewBlocks returns the block types that some workspaces do not take yet and answer with
// invalid_blocks.
func NewBlocks() []string {
	return []string{
		"table", "data_table", "data_visualization", "markdown", "alert", "card", "carousel", "container", "layout",
		"task_card", "plan", "context_actions", "video",
	}
}

// OnMethod returns a function that gives the reply to the first times calls of a method, of any
// when it is empty; times 0 is always. It is for [Faults.BeforeCall].
func OnMethod(method string, times int, reply Reply) func(string, url.Values) *Reply {
	var (
		mu   sync.Mutex
		seen int
	)
	return func(called string, _ url.Values) *Reply {
		if method != "" && method != called {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if seen++; times > 0 && seen > times {
			return nil
		}
		return &reply
	}
}

// HoldBack returns a fault that answers a method with ratelimited and a Retry-After, however
// absurd, until the faults are replaced.
func HoldBack(method string, retryAfter time.Duration) func(string, url.Values) *Reply {
	return OnMethod(method, 0, Reply{Error: "ratelimited", RetryAfter: retryAfter})
}

// NotFoundOnce returns a fault that answers HTTP 404 at the next apps.connections.open, as a
// gateway does in passing.
func NotFoundOnce() func(string, url.Values) *Reply {
	return OnMethod("apps.connections.open", 1, Reply{Status: http.StatusNotFound})
}

// RefuseUploads returns a fault that refuses every step of an upload.
func RefuseUploads() func(string, url.Values) *Reply {
	return FirstReply(
		OnMethod("files.getUploadURLExternal", 0, Reply{Error: "file_uploads_disabled"}),
		OnMethod("upload", 0, Reply{Status: http.StatusServiceUnavailable}),
		OnMethod("files.completeUploadExternal", 0, Reply{Error: "file_uploads_disabled"}),
	)
}

// For limits a fault to a time that begins at the call of For.
func For(duration time.Duration, before func(string, url.Values) *Reply) func(string, url.Values) *Reply {
	until := time.Now().Add(duration)
	return func(method string, args url.Values) *Reply {
		if !time.Now().Before(until) {
			return nil
		}
		return before(method, args)
	}
}

// FirstReply returns a function that asks one after the other and returns the first reply.
func FirstReply(functions ...func(string, url.Values) *Reply) func(string, url.Values) *Reply {
	return func(method string, args url.Values) *Reply {
		for _, each := range functions {
			if reply := each(method, args); reply != nil {
				return reply
			}
		}
		return nil
	}
}

// Archive closes a channel for everybody: posts into it are refused with is_archived.
func (w *Workspace) Archive(channel string) error {
	return w.UpdateChannel(channel, func(c *Channel) { c.Archived = true })
}

// Expel takes the bot out of a channel: a private one is then not there for it.
func (w *Workspace) Expel(channel string) error {
	return w.UpdateChannel(channel, func(c *Channel) { c.BotMember = false })
}

// refusedBlocks refuses blocks of the types that the faults name, at whatever depth. It is no mistake
// of the app's, and no violation. The caller holds w.mu.
func (w *Workspace) refusedBlocks(blocks []any, on Surface, at string) error {
	refused := slices.Clone(w.faults.Refused)
	for _, kind := range w.faults.RefusedBlocks {
		refused = append(refused, RefusedBlock{Type: kind})
	}
	refused = slices.DeleteFunc(refused, func(r RefusedBlock) bool { return r.On != "" && r.On != on })
	for i, block := range blocks {
		for _, each := range refused {
			if !holds(block, each.Type) {
				continue
			}
			code := cmp.Or(each.Code, "invalid_blocks")
			return &refusal{code: code, blameless: true, messages: []string{
				"[ERROR] unsupported type: " + each.Type + " [json-pointer:" + at + "/" + strconv.Itoa(i) + "/type]",
			}}
		}
	}
	return nil
}

// holds reports whether a type occurs in a value, at whatever depth.
func holds(value any, kind string) bool {
	switch value := value.(type) {
	case map[string]any:
		if value["type"] == kind {
			return true
		}
		for _, each := range value {
			if holds(each, kind) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, func(each any) bool { return holds(each, kind) })
	}
	return false
}

// deletePosted deletes what was just posted, when the faults want it.
func (w *Workspace) deletePosted(method string, reply map[string]any, wanted func(channel, ts string) bool) {
	if method != "chat.postMessage" || wanted == nil {
		return
	}
	channel, _ := reply["channel"].(string)
	ts, _ := reply["ts"].(string)
	if !wanted(channel, ts) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, p := w.channel(channel), w.find(channel, ts); c != nil && p != nil {
		w.emitDeleted(c, p)
		w.remove(p)
	}
}

// cutsHello reports whether the connection that has just got its hello is to be cut. The caller
// holds w.mu.
func (w *Workspace) cutsHello() bool {
	if w.cutHellos >= w.faults.CutHellos {
		return false
	}
	w.cutHellos++
	return true
}
