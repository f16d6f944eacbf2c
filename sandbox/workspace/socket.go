package workspace

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	ticketLife     = 30 * time.Second // "short-lived" in the docs
	pingEvery      = 10 * time.Second
	warningTime    = 10 * time.Second // from the warning to the refresh (docs: Socket Mode)
	connectionLife = 18060            // approximate_connection_time in seconds, as seen in the wild
	maxConnections = 10               // of one app (docs: Socket Mode)
	maxAck         = 20_000           // bytes; a longer acknowledgement is dropped without a word (slack-go#1196)
	closeGrace     = 2 * time.Second
	writeTimeout   = 5 * time.Second
	queueLength    = 4096
)

// conn is one Socket Mode connection.
type conn struct {
	ws   *websocket.Conn
	out  chan frame
	gone chan struct{} // closed by cut
	once sync.Once
	done atomic.Bool // said goodbye: takes no more frames
}

// frame is something to send.
type frame struct {
	text []byte
	cut  bool // break the connection
	half bool // send the beginning of a frame and break the connection
	last bool // close the connection after it
}

// push queues a frame; it reports false when the connection is gone or does not take any more.
func (c *conn) push(f frame) bool {
	select {
	case <-c.gone:
		return false
	default:
	}
	if c.done.Load() {
		return false
	}
	select {
	case c.out <- f:
		c.done.Store(f.last)
		return true
	default:
		return false
	}
}

func (c *conn) cut() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.ws.NetConn().Close() // the reader and the writer end by it
	})
}

// connectionsOpen is apps.connections.open: a URL with a ticket for one connection.
func connectionsOpen(w *Workspace, _ *call) (map[string]any, error) {
	ticket := strings.ToLower(w.newID("", 32))
	w.tickets[ticket] = time.Now().Add(ticketLife)
	base := strings.Replace(w.baseURL, "http", "ws", 1)
	return map[string]any{"url": base + "/link/?ticket=" + ticket + "&app_id=" + AppID}, nil
}

// serveSocket is the life of one connection.
func (w *Workspace) serveSocket(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	until, known := w.tickets[ticket]
	delete(w.tickets, ticket)
	base, open := w.baseURL, !w.closed
	if open {
		w.work.Add(1)
		defer w.work.Done()
	}
	w.mu.Unlock()
	if !open || !known || time.Now().After(until) {
		http.Error(rw, "the ticket is not valid", http.StatusUnauthorized)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(r *http.Request) bool { return mayConnect(r, base) }}
	ws, err := upgrader.Upgrade(rw, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := &conn{ws: ws, out: make(chan frame, queueLength), gone: make(chan struct{})}
	defer c.cut()
	w.join(c)
	defer w.leave(c)
	var writer sync.WaitGroup
	writer.Go(func() { w.write(c) })
	defer writer.Wait()
	defer c.cut() // before the writer is waited for
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		w.acknowledged(data)
	}
}

// mayConnect takes clients without an Origin, slack-go's fixed one and our own page.
func mayConnect(r *http.Request, base string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "https://api.slack.com" {
		return true
	}
	from, err := url.Parse(origin)
	own, err2 := url.Parse(base)
	return err == nil && err2 == nil && from.Host == own.Host
}

// join sends the hello and makes the connection known.
func (w *Workspace) join(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials++
	switch {
	case w.dials <= w.faults.CutDials:
		c.push(frame{cut: true})
		return
	case w.dials <= w.faults.MuteDials:
		return
	}
	if len(w.conns) >= maxConnections {
		w.violate("socket", "too_many_websockets", fmt.Sprintf("more than %d connections", maxConnections))
		c.push(frame{text: disconnectText("too_many_websockets"), last: true})
		return
	}
	w.conns = append(w.conns, c)
	c.push(frame{text: encode(map[string]any{
		"type": "hello", "num_connections": len(w.conns), "connection_info": map[string]any{"app_id": AppID},
		"debug_info": map[string]any{
			"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": connectionLife,
		},
	})})
	if w.cutsHello() {
		after := w.faults.CutHelloAfter
		w.spawn(func() {
			_ = w.sleep(w.ctx, after)
			c.push(frame{cut: true})
		})
	}
	w.cfg.Log("socket opened, %d in all", len(w.conns))
	w.changed()
}

func (w *Workspace) leave(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = slices.DeleteFunc(w.conns, func(other *conn) bool { return other == c })
	w.cfg.Log("socket closed, %d left", len(w.conns))
	w.changed()
}

// write sends what is queued, and pings at once and then every ten seconds: slack-go gives up when
// none comes within 30 s.
func (w *Workspace) write(c *conn) {
	defer c.cut()
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	w.ping(c)
	for {
		select {
		case f := <-c.out:
			if !c.send(f) {
				c.linger(f)
				return
			}
		case <-ticker.C:
			w.ping(c)
		case <-c.gone:
			return
		case <-w.ctx.Done():
			return
		}
	}
}

func (c *conn) send(f frame) bool {
	if f.cut {
		return false
	}
	if f.half {
		// Final text frame of 4096 bytes, of which one comes.
		_, _ = c.ws.NetConn().Write([]byte{0x81, 0x7e, 0x10, 0x00, '{'})
		return false
	}
	if c.ws.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil ||
		c.ws.WriteMessage(websocket.TextMessage, f.text) != nil {
		return false
	}
	if f.last {
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = c.ws.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(writeTimeout))
	}
	return !f.last
}

// linger leaves the peer time to read a goodbye: closing at once could reset the connection before
// it did.
func (c *conn) linger(f frame) {
	if !f.last {
		return
	}
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.gone:
	}
}

func (w *Workspace) ping(c *conn) {
	w.mu.Lock()
	stopped := w.faults.StopPings
	w.mu.Unlock()
	if !stopped {
		_ = c.ws.WriteControl(websocket.PingMessage, []byte("Ping from applink-sandbox"), time.Now().Add(writeTimeout))
	}
}

// disconnect announces the end of a connection. The caller holds w.mu.
func (w *Workspace) disconnect(c *conn, reason string) {
	if reason != "warning" {
		c.push(frame{text: disconnectText(reason), last: true})
		return
	}
	c.push(frame{text: disconnectText(reason)})
	w.spawn(func() {
		if w.sleep(w.ctx, warningTime) {
			c.push(frame{text: disconnectText("refresh_requested"), last: true})
		}
	})
}

func disconnectText(reason string) []byte {
	return encode(map[string]any{
		"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "applink-sandbox"},
	})
}

// encode is for values that are made of maps, lists and plain values only, which cannot fail.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return data
}
