package workspace

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Upload is a file that somebody puts into the workspace.
type Upload struct {
	Name    string
	Content []byte
}

// File is a file object as Slack shows it (docs: file object).
type File struct {
	ID                 string   `json:"id"`
	Created            int64    `json:"created"` // seconds
	Name               string   `json:"name"`
	Title              string   `json:"title"`
	Mimetype           string   `json:"mimetype"`
	Filetype           string   `json:"filetype"`
	PrettyType         string   `json:"pretty_type"`
	User               string   `json:"user"`
	Mode               string   `json:"mode"` // "hosted", "snippet", "external", "tombstone", "hidden_by_limit"
	Size               int      `json:"size"` // bytes
	IsExternal         bool     `json:"is_external"`
	ExternalType       string   `json:"external_type"`
	FileAccess         string   `json:"file_access,omitempty"` // "visible"; "check_file_info" on a pushed stub
	URLPrivate         string   `json:"url_private,omitempty"`
	URLPrivateDownload string   `json:"url_private_download,omitempty"`
	Permalink          string   `json:"permalink,omitempty"`
	Shares             []Shared `json:"shares,omitempty"`
}

// Shared is a message that shows a file.
type Shared struct {
	Channel  string `json:"channel"`
	TS       string `json:"ts"`
	ThreadTS string `json:"thread_ts,omitempty"`
}

// storedFile is a file with its bytes.
type storedFile struct {
	File
	content []byte
}

// upload is a URL given out by files.getUploadURLExternal.
type upload struct {
	file    string // id
	name    string
	length  int
	content []byte
	arrived bool
}

// maxUpload bounds an uploaded file.
const maxUpload = 64 << 20

// AddFile puts a person's file into the workspace without sharing it, as a file input of a modal
// does; it gives its id.
func (w *Workspace) AddFile(person string, u Upload) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.store(w.newID("F", 9), person, u.Name, u.Name, u.Content).ID
}

// File returns a file with its bytes.
func (w *Workspace) File(id string) (File, []byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[id]
	if f == nil {
		return File{}, nil, false
	}
	return w.readFile(f), slices.Clone(f.content), true
}

// UpdateFile changes a file and its bytes: made external, replaced between preview and run. A
// content of nil stays as it is.
func (w *Workspace) UpdateFile(id string, content []byte, change func(*File)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[id]
	if f == nil {
		return fmt.Errorf("update file %s: %w", id, ErrNotFound)
	}
	if content != nil {
		f.content, f.Size = slices.Clone(content), len(content)
	}
	if change != nil {
		change(&f.File)
	}
	w.changed()
	return nil
}

// DeleteFile leaves a tombstone of a file and sends file_deleted.
func (w *Workspace) DeleteFile(id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[id]
	if f == nil {
		return fmt.Errorf("delete file %s: %w", id, ErrNotFound)
	}
	w.bury(f)
	return nil
}

func (w *Workspace) bury(f *storedFile) {
	f.Mode, f.content = "tombstone", nil
	w.changed()
	if w.has("files:read") {
		w.emit(nil, map[string]any{"type": "file_deleted", "file_id": f.ID})
	}
}

// store keeps a file. The caller holds w.mu.
func (w *Workspace) store(id, person, name, title string, content []byte) *storedFile {
	extension := strings.TrimPrefix(strings.ToLower(path.Ext(name)), ".")
	if extension == "" {
		extension = "binary"
	}
	kind, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(strings.ToLower(name))), ";")
	switch {
	case extension == "csv":
		kind = "text/csv"
	case kind == "":
		kind = "application/octet-stream"
	}
	f := &storedFile{content: slices.Clone(content), File: File{
		ID: id, Created: time.Now().Unix(), Name: name, Title: title, Mimetype: kind, Filetype: extension,
		PrettyType: strings.ToUpper(extension), User: person, Mode: "hosted", Size: len(content), FileAccess: "visible",
	}}
	w.files[id] = f
	w.changed()
	return f
}

// readFile copies a file object with its addresses. The caller holds w.mu.
func (w *Workspace) readFile(f *storedFile) File {
	out := f.File
	out.Shares = slices.Clone(f.Shares)
	if f.Mode != "tombstone" {
		base := w.baseURL + "/files-pri/" + w.cfg.TeamID + "-" + f.ID
		out.URLPrivate = base + "/" + url.PathEscape(f.Name)
		out.URLPrivateDownload = base + "/download/" + url.PathEscape(f.Name)
		out.Permalink = w.baseURL + "/files/" + f.User + "/" + f.ID + "/" + url.PathEscape(f.Name)
	}
	return out
}

// fileWire returns the file object of files.info and of messages. The caller holds w.mu.
func (w *Workspace) fileWire(f *storedFile) map[string]any {
	if f.Mode == "tombstone" || f.Mode == "hidden_by_limit" {
		return map[string]any{"id": f.ID, "mode": f.Mode}
	}
	out := w.readFile(f)
	wire := map[string]any{
		"id": out.ID, "created": out.Created, "timestamp": out.Created, "name": out.Name, "title": out.Title,
		"mimetype": out.Mimetype, "filetype": out.Filetype, "pretty_type": out.PrettyType, "user": out.User,
		"user_team": w.teamOf(out.User), "editable": false, "size": out.Size, "mode": out.Mode, "is_external": out.IsExternal,
		"external_type": out.ExternalType, "is_public": false, "public_url_shared": false, "display_as_bot": false,
		"username": "", "url_private": out.URLPrivate, "permalink": out.Permalink, "file_access": out.FileAccess,
		"has_rich_preview": false,
	}
	if !out.IsExternal {
		wire["url_private_download"] = out.URLPrivateDownload
	}
	return wire
}

// filesWire returns the files of a message; in a channel shared with others a pushed event has
// stubs only (docs: Slack Connect).
func (w *Workspace) filesWire(ids []string, in *Channel) []map[string]any {
	list := []map[string]any{}
	for _, id := range ids {
		f := w.files[id]
		switch {
		case f == nil:
		case in != nil && in.ExtShared:
			list = append(list, map[string]any{"id": id, "created": f.Created, "file_access": "check_file_info"})
		default:
			list = append(list, w.fileWire(f))
		}
	}
	return list
}

// mayRead reports whether the app may read a file: its own, or one shared in a channel that it is
// in. The caller holds w.mu.
func (w *Workspace) mayRead(f *storedFile) bool {
	if f.User == BotUserID || len(f.Shares) == 0 {
		return true // a file input's file is shared with nobody else
	}
	return slices.ContainsFunc(f.Shares, func(s Shared) bool {
		c := w.channel(s.Channel)
		return c != nil && c.BotMember
	})
}

// serveUpload takes the bytes of the second step, as a form's file or as the body itself.
func (w *Workspace) serveUpload(rw http.ResponseWriter, r *http.Request) {
	if w.planned(rw, r, "upload") {
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxUpload)
	var from io.Reader = r.Body
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		parts, err := r.MultipartReader()
		if err != nil {
			http.Error(rw, "the form cannot be read", http.StatusBadRequest)
			return
		}
		from = nil
		for from == nil {
			part, err := parts.NextPart()
			if err != nil {
				http.Error(rw, "the form has no file", http.StatusBadRequest)
				return
			}
			if part.FileName() != "" {
				from = part
			}
		}
	}
	content, err := io.ReadAll(from)
	if err != nil {
		http.Error(rw, "the file cannot be read", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.uploads[r.PathValue("secret")]
	if u == nil {
		http.Error(rw, "no such upload", http.StatusNotFound)
		return
	}
	if len(content) != u.length {
		w.violate("upload", "wrong_length", fmt.Sprintf("%s has %d bytes, %d were announced", u.name, len(content), u.length))
		http.Error(rw, "the length is not the one announced", http.StatusBadRequest)
		return
	}
	u.content, u.arrived = content, true
	_, _ = fmt.Fprintf(rw, "OK - %d", len(content)) // nobody is left to tell
}

// serveDownload gives the bytes of a file to a token that may read it, and sends anybody else to
// the sign-in page.
func (w *Workspace) serveDownload(rw http.ResponseWriter, r *http.Request) {
	if w.planned(rw, r, "download") {
		return
	}
	_, id, _ := strings.Cut(r.PathValue("file"), "-")
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	w.mu.Lock()
	f := w.files[id]
	allowed := token == w.cfg.BotToken && !w.botRevoked && w.has("files:read") && f != nil && w.mayRead(f)
	if r.URL.Query().Has("token") {
		w.violate("download", "token_in_address", "a token in the address ends in logs; send it in the Authorization header")
	}
	var content []byte
	var kind, name, mode string
	if f != nil {
		content, kind, name, mode = f.content, f.Mimetype, f.Name, f.Mode
	}
	w.mu.Unlock()
	switch {
	case !allowed:
		http.Redirect(rw, r, "/files-pri/signin?redir="+url.QueryEscape(r.URL.Path), http.StatusFound)
	case mode == "tombstone":
		http.Error(rw, "the file was deleted", http.StatusNotFound)
	default:
		rw.Header().Set("Content-Type", kind)
		rw.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		_, _ = rw.Write(content) // nobody is left to tell
	}
}

// serveSignIn is what Slack shows instead of a file: a page, with status 200.
func serveSignIn(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(rw, "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head>"+
		"<body><h1>Sign in to your workspace</h1></body></html>\n")
}
