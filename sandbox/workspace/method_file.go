package workspace

import (
	"cmp"
	"encoding/json"
	"time"
)

// maxShares is how many channels one files.completeUploadExternal may share to.
const maxShares = 100

func filesGetUploadURL(w *Workspace, c *call) (map[string]any, error) {
	length := c.number("length", 0)
	if c.arg("filename") == "" || length <= 0 {
		return nil, refuse("missing_argument")
	}
	u := &upload{file: w.newID("F", 9), name: c.arg("filename"), length: length}
	secret := w.newID("", 24)
	w.uploads[secret] = u
	return map[string]any{"upload_url": w.baseURL + "/files-up/" + secret, "file_id": u.file}, nil
}

func filesCompleteUpload(w *Workspace, c *call) (map[string]any, error) {
	var asked []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if json.Unmarshal([]byte(c.arg("files")), &asked) != nil || len(asked) == 0 {
		return nil, refuse("invalid_arguments", "[ERROR] missing required field: files")
	}
	to := c.list("channels")
	if id := c.arg("channel_id"); id != "" {
		to = append(to, id)
	}
	if len(to) > maxShares {
		return nil, refuse("channels_limit_exceeded")
	}
	thread := c.arg("thread_ts")
	for _, id := range to {
		if _, err := w.shareTarget(id); err != nil {
			return nil, err
		}
	}
	blocks, err := w.readBlocks(c.arg("blocks"), InMessage)
	if err != nil {
		return nil, err
	}
	for _, file := range asked {
		if _, u := w.uploadOf(file.ID); u == nil || !u.arrived {
			return nil, refuse("file_not_found")
		}
	}
	ids, list := []string{}, []map[string]any{}
	for _, file := range asked {
		secret, u := w.uploadOf(file.ID)
		delete(w.uploads, secret)
		if file.Title == "" {
			file.Title = u.name
		}
		stored := w.store(u.file, BotUserID, u.name, file.Title, u.content)
		ids, list = append(ids, u.file), append(list, w.fileWire(stored))
	}
	if len(to) > 0 && !w.faults.LostShare {
		w.shareLater(to, ids, content{text: c.arg("initial_comment"), blocks: blocks}, thread)
	}
	return map[string]any{"files": list}, nil
}

// shareTarget returns a channel that the app may share a file to: an id, never a name or a person.
func (w *Workspace) shareTarget(id string) (*Channel, error) {
	in := w.channel(id)
	switch {
	case in == nil:
		return nil, refuse("channel_not_found")
	case in.Archived:
		return nil, refuse("is_archived")
	case !in.BotMember:
		return nil, refuse("not_in_channel")
	}
	return in, nil
}

func (w *Workspace) uploadOf(file string) (secret string, u *upload) {
	for secret, u := range w.uploads {
		if u.file == file {
			return secret, u
		}
	}
	return "", nil
}

// shareLater posts the files' message a moment after the answer, as Slack does: the answer has no
// ts.
func (w *Workspace) shareLater(to, files []string, got content, thread string) {
	delay := w.faults.ShareDelay
	if delay == 0 {
		delay = DefaultShareDelay
	}
	w.spawn(func() {
		if !w.sleep(w.ctx, delay) {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, id := range to {
			if in, err := w.shareTarget(id); err == nil { // it may have been archived since: then the share is lost
				w.share(in, own(in, w.threadIn(in, thread), got), files)
			}
		}
	})
}

// share posts a message with files and tells the app. The caller holds w.mu.
func (w *Workspace) share(in *Channel, p *post, files []string) <-chan struct{} {
	p.Subtype, p.fileIDs = cmp.Or(p.Subtype, "file_share"), files
	w.add(p)
	for _, id := range files {
		f := w.files[id]
		f.Shares = append(f.Shares, Shared{Channel: in.ID, TS: p.TS, ThreadTS: p.ThreadTS})
	}
	return w.emitMessage(in, p)
}

func filesInfo(w *Workspace, c *call) (map[string]any, error) {
	f := w.files[c.arg("file")]
	switch {
	case f == nil:
		return nil, refuse("file_not_found")
	case f.Mode == "tombstone":
		return nil, refuse("file_deleted")
	case !w.mayRead(f):
		return nil, refuse("not_visible")
	}
	wire := w.fileWire(f)
	shares := map[string]map[string][]map[string]any{}
	places := map[string][]string{"channels": {}, "groups": {}, "ims": {}}
	for _, s := range f.Shares {
		in := w.channel(s.Channel)
		kind := "public"
		if in.Private || in.IM {
			kind = "private"
		}
		if shares[kind] == nil {
			shares[kind] = map[string][]map[string]any{}
		}
		share := map[string]any{
			"ts": s.TS, "channel_name": in.Name, "team_id": w.cfg.TeamID, "reply_users": []string{}, "reply_users_count": 0,
			"reply_count": 0,
		}
		if s.ThreadTS != "" {
			share["thread_ts"] = s.ThreadTS
		}
		shares[kind][in.ID] = append(shares[kind][in.ID], share)
		places[in.kind()+"s"] = append(places[in.kind()+"s"], in.ID)
	}
	wire["shares"], wire["comments_count"] = shares, 0
	for key, ids := range places {
		wire[key] = ids
	}
	return map[string]any{
		"file": wire, "comments": []any{},
		"paging": map[string]any{"count": 100, "total": 0, "page": 1, "pages": 0}, "updated": time.Now().Unix(),
	}, nil
}

func filesDelete(w *Workspace, c *call) (map[string]any, error) {
	f := w.files[c.arg("file")]
	switch {
	case f == nil:
		return nil, refuse("file_not_found")
	case f.Mode == "tombstone":
		return nil, refuse("file_deleted")
	case f.User != BotUserID:
		return nil, refuse("cant_delete_file")
	}
	w.bury(f)
	return nil, nil
}
