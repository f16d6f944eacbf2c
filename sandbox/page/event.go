package page

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// pulseGap holds a busy batch to ten redraws a second.
	pulseGap = 100 * time.Millisecond
	// heartbeat tells a browser, and anything between, that a quiet stream is alive.
	heartbeat = 15 * time.Second
)

// getEvents is a stream of server-sent events without data: "workspace" and "organisation" each say
// that the page should read that half again. Changes within pulseGap share one event.
func (p *Page) getEvents(w http.ResponseWriter, r *http.Request) {
	workspacePulse, stopWorkspace := p.workspace.Subscribe()
	defer stopWorkspace()
	organisationPulse, stopOrganisation := p.organisation.Subscribe()
	defer stopOrganisation()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flusher := http.NewResponseController(w)
	send := func(text string) bool {
		_, err := io.WriteString(w, text)
		return err == nil && flusher.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		name := ""
		select {
		case <-r.Context().Done():
			return
		case <-p.ended.Done():
			return
		case <-beat.C:
			if !send(": alive\n\n") {
				return
			}
			continue
		case <-workspacePulse:
			name = "workspace"
		case <-organisationPulse:
			name = "organisation"
		}
		if !send(fmt.Sprintf("event: %s\ndata: {}\n\n", name)) {
			return
		}
		gap := time.NewTimer(pulseGap)
		select {
		case <-gap.C:
		case <-r.Context().Done():
		case <-p.ended.Done():
		}
		gap.Stop()
	}
}
