package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var embedded embed.FS

// assets serves the embedded files with the headers that keep a browser inside this machine.
type assets struct {
	files  fs.FS
	index  []byte
	policy string
}

func newAssets() (*assets, error) {
	files, err := fs.Sub(embedded, "static")
	if err != nil {
		return nil, fmt.Errorf("open embedded page: %w", err)
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return nil, fmt.Errorf("read embedded page: %w", err)
	}
	hash, err := importMapHash(index)
	if err != nil {
		return nil, err
	}
	return &assets{files: files, index: index, policy: contentPolicy(hash)}, nil
}

// contentPolicy allows this origin alone. The import map is the one inline script, allowed by its
// hash: browsers take import maps only inline.
func contentPolicy(importMap string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' '" + importMap + "'",
		"style-src 'self'",
		"font-src 'self'",
		"img-src 'self' data: blob:",
		"connect-src 'self'",
		"form-action 'none'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// importMapHash returns the import map's hash as Content-Security-Policy spells it: over the exact
// bytes between the tags.
func importMapHash(index []byte) (string, error) {
	_, rest, found := bytes.Cut(index, []byte(`<script type="importmap">`))
	if !found {
		return "", errors.New("find import map in embedded page: no such tag")
	}
	body, _, found := bytes.Cut(rest, []byte("</script>"))
	if !found {
		return "", errors.New("find import map in embedded page: tag is not closed")
	}
	sum := sha256.Sum256(body)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), nil
}

// ServeHTTP answers / with the page and /static/… with its parts.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", a.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	// The files change with the binary and carry no version in their names.
	header.Set("Cache-Control", "no-cache")
	if r.URL.Path == "/" {
		header.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(a.index) // a browser that left needs no answer
		return
	}
	name, inside := strings.CutPrefix(r.URL.Path, "/static/")
	if !inside || !fs.ValidPath(name) {
		http.NotFound(w, r)
		return
	}
	body, err := fs.ReadFile(a.files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	header.Set("Content-Type", contentType(name))
	_, _ = w.Write(body)
}

// contentType does not ask the operating system's table first: module scripts are refused by
// browsers under any other type.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	if known := mime.TypeByExtension(path.Ext(name)); known != "" {
		return known
	}
	return "text/plain; charset=utf-8"
}
