package page

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
)

// Guard lets through only requests that name this machine as their host. A web site can point a
// name of its own at 127.0.0.1 and so reach a loopback listener from the visitor's browser; the
// Host header then still bears that name.
func Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			http.Error(w, "this server answers to localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// SameOrigin lets through only what the page itself, or no browser page at all, has sent: every
// browser tells where a cross-site request comes from. The origins named besides are let through,
// too.
func SameOrigin(next http.Handler, besides ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromHere(r, besides) {
			http.Error(w, "only the sandbox's own page may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func fromHere(r *http.Request, besides []string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(besides, origin) {
		return true
	}
	from, err := url.Parse(origin)
	return err == nil && from.Scheme == "http" && from.Host == r.Host
}

func loopbackHost(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
