package page

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"

	"github.com/countersign/countersign/sandbox/workspace"
)

const (
	// maxUpload is a little over countersign's own limit of 10 MB, so that its refusal can be seen.
	maxUpload = 12 << 20
	// maxPending is how many files that were picked and never sent are kept; older ones are
	// dropped.
	maxPending = 16
)

// uploads are files picked in the browser and not yet sent with a message or a form. The zero value
// is empty.
type uploads struct {
	mu    sync.Mutex
	last  int
	order []string
	files map[string]workspace.Upload
}

func (u *uploads) add(file workspace.Upload) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files = make(map[string]workspace.Upload)
	}
	u.last++
	id := fmt.Sprintf("pending-%d", u.last)
	u.files[id] = file
	u.order = append(u.order, id)
	if len(u.order) > maxPending {
		delete(u.files, u.order[0])
		u.order = u.order[1:]
	}
	return id
}

// get returns the files with these ids; they stay until remove, so that what could not be sent can
// be sent again.
func (u *uploads) get(ids []string) ([]workspace.Upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var files []workspace.Upload
	for _, id := range ids {
		file, found := u.files[id]
		if !found {
			return nil, fmt.Errorf("find picked file %s: it is gone; pick it again", id)
		}
		files = append(files, file)
	}
	return files, nil
}

func (u *uploads) remove(ids []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range ids {
		delete(u.files, id)
	}
	u.order = slices.DeleteFunc(u.order, func(id string) bool { return slices.Contains(ids, id) })
}

// postUpload takes one file as the request's body, named by ?name=, and answers the id under which
// to send it. With ?for= a person it is put into the workspace at once, as the file input of a form
// does.
func (p *Page) postUpload(w http.ResponseWriter, r *http.Request) {
	// A form on another site cannot send this type without asking first.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/octet-stream" {
		http.Error(w, "an upload is application/octet-stream", http.StatusUnsupportedMediaType)
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpload))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		http.Error(w, fmt.Sprintf("the file is larger than %d MB", tooLarge.Limit>>20), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the file could not be read to its end", http.StatusBadRequest)
		return
	}
	file := workspace.Upload{Name: cmp.Or(r.URL.Query().Get("name"), "file"), Content: content}
	if person := r.URL.Query().Get("for"); person != "" {
		answer(w, map[string]string{"id": p.workspace.AddFile(person, file)})
		return
	}
	answer(w, map[string]string{"id": p.uploads.add(file)})
}

// getFile answers a file that was posted in the workspace. It is always a download: its content is
// anybody's.
func (p *Page) getFile(w http.ResponseWriter, r *http.Request) {
	file, content, found := p.workspace.File(r.PathValue("id"))
	if !found {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.Name}))
	_, _ = w.Write(content) // a browser that left needs no answer
}
