package page

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestGuardRefusesOtherHosts(t *testing.T) {
	answered := Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for host, want := range map[string]int{
		"127.0.0.1:8780":      http.StatusNoContent,
		"localhost:8780":      http.StatusNoContent,
		"localhost":           http.StatusNoContent,
		"[::1]:8780":          http.StatusNoContent,
		"[::1]":               http.StatusNoContent,
		"rebound.example":     http.StatusForbidden,
		"localhost.example":   http.StatusForbidden,
		"127.0.0.1.example":   http.StatusForbidden,
		"192.168.1.1:8780":    http.StatusForbidden,
		"":                    http.StatusForbidden,
		"rebound.example:443": http.StatusForbidden,
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.Host = host
		recorder := httptest.NewRecorder()
		answered.ServeHTTP(recorder, request)
		if recorder.Code != want {
			t.Errorf("host %q: status %d, want %d", host, recorder.Code, want)
		}
	}
}

func TestSameOriginRefusesOtherSites(t *testing.T) {
	answered := SameOrigin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}), "https://api.slack.com")
	for _, test := range []struct {
		origin, site string
		want         int
	}{
		{"https://api.slack.com", "", http.StatusNoContent},
		{"https://api.slack.com", "cross-site", http.StatusForbidden},
		{"https://api.slack.com.elsewhere.example", "", http.StatusForbidden},
		{"", "", http.StatusNoContent},
		{"http://127.0.0.1:8780", "same-origin", http.StatusNoContent},
		{"", "none", http.StatusNoContent},
		{"http://127.0.0.1:9000", "same-site", http.StatusForbidden},
		{"http://127.0.0.1:9000", "", http.StatusForbidden},
		{"https://elsewhere.example", "cross-site", http.StatusForbidden},
		{"", "cross-site", http.StatusForbidden},
		{"null", "", http.StatusForbidden},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/page/say", nil)
		request.Host = "127.0.0.1:8780"
		if test.origin != "" {
			request.Header.Set("Origin", test.origin)
		}
		if test.site != "" {
			request.Header.Set("Sec-Fetch-Site", test.site)
		}
		recorder := httptest.NewRecorder()
		answered.ServeHTTP(recorder, request)
		if recorder.Code != test.want {
			t.Errorf("origin %q site %q: status %d, want %d", test.origin, test.site, recorder.Code, test.want)
		}
	}
}

func TestAssetsAreServedWithTheirTypesAndPolicy(t *testing.T) {
	served, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/":                               "text/html; charset=utf-8",
		"/static/app.js":                  "text/javascript; charset=utf-8",
		"/static/style.css":               "text/css; charset=utf-8",
		"/static/icon.svg":                "image/svg+xml",
		"/static/vendor/preact.module.js": "text/javascript; charset=utf-8",
		"/static/vendor/preact.LICENSE":   "text/plain; charset=utf-8",
		"/static/vendor/lato/LICENSE":     "text/plain; charset=utf-8",
		"/static/vendor/lato/lato-latin-400-normal.woff2": "font/woff2",
	} {
		recorder := httptest.NewRecorder()
		served.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
		if recorder.Code != http.StatusOK || recorder.Body.Len() == 0 {
			t.Errorf("GET %s: status %d, %d bytes", target, recorder.Code, recorder.Body.Len())
		}
		if got := recorder.Header().Get("Content-Type"); got != want {
			t.Errorf("GET %s: content type %q, want %q", target, got, want)
		}
		policy := recorder.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe-inline") {
			t.Errorf("GET %s: content security policy %q", target, policy)
		}
	}
	for _, target := range []string{"/static/", "/static/absent.js", "/static/../doc.go", "/elsewhere"} {
		recorder := httptest.NewRecorder()
		served.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
		if recorder.Code != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", target, recorder.Code)
		}
	}
}

// Every address in the page's files must stay on this machine; the XML namespaces are names and are
// not fetched.
func TestAssetsNameNoOtherSite(t *testing.T) {
	address := regexp.MustCompile(`(?:https?:)?//[a-zA-Z0-9-]+\.[a-zA-Z0-9./-]+`)
	imports := regexp.MustCompile(`(?:from\s*|import\s*\(?)["']([^"']+)["']`)
	known := map[string]bool{"preact": true, "preact/hooks": true, "htm": true}
	err := fs.WalkDir(embedded, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "LICENSE") || strings.HasSuffix(name, ".woff2") {
			return err
		}
		body, err := fs.ReadFile(embedded, name)
		if err != nil {
			return err
		}
		for _, found := range address.FindAllString(string(body), -1) {
			if !strings.HasPrefix(found, "http://www.w3.org/") {
				t.Errorf("%s names %s", name, found)
			}
		}
		for _, found := range imports.FindAllStringSubmatch(string(body), -1) {
			if target, local := strings.CutPrefix(found[1], "./"); local {
				if _, err := fs.Stat(embedded, "static/"+target); err != nil {
					t.Errorf("%s imports %s: %v", name, found[1], err)
				}
			} else if !known[found[1]] {
				t.Errorf("%s imports %s, which the import map does not name", name, found[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
