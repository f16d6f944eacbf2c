package simulation

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/store/sqlite"
)

// While the program runs on a database no second process starts on it, by whatever name: nothing would keep the two from
// making each call twice. The first one goes on as if nothing had been tried, and starts again afterwards.
func TestSecondProcessByAnotherName(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	p := h.launch()
	h.reached()
	folder, path := t.TempDir(), h.cfg.Store.Path
	symbolic, hard, within := filepath.Join(folder, "symbolic.db"), filepath.Join(folder, "hard.db"), filepath.Join(folder, "folder")
	for _, err := range []error{
		os.Symlink(path, symbolic), os.Link(path, hard), os.Symlink(filepath.Dir(path), within),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, other := range map[string]string{
		"its own name": path, "a symbolic link": symbolic, "a hard link": hard, "a linked folder": filepath.Join(within, filepath.Base(path)),
		"dots": filepath.Dir(path) + "/../" + filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path),
	} {
		if code, out := h.second(other); code != 1 || !strings.Contains(out, "countersign") || !strings.Contains(out, "store.path") {
			t.Errorf("by %s: ended with %d: %s", name, code, out)
		}
	}
	if _, err := os.Stat(hard + "-wal"); err == nil {
		t.Error("the second process has begun to write")
	}
	if n := h.world.Workspace.Connections(); n != 2 {
		t.Errorf("%d connections, want the two of the first process", n)
	}
	h.end()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the first process ended with %d", code)
	}
	h.launch()
	h.reached()
	h.end()
	db, err := sqlite.OpenReadOnly(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := db.Audit(t.Context()); err != nil || !a.Whole() {
		t.Errorf("audit: %v, %v", a.Findings, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// second runs `countersign serve` on another path until it ends by itself.
func (h *env) second(path string) (code int, out string) {
	h.t.Helper()
	cfg := *h.cfg
	cfg.Store.Path = path
	file := filepath.Join(h.t.TempDir(), "second.yaml")
	if err := os.WriteFile(file, []byte(settingsOf(&cfg)), 0o600); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), longestWait) // where it does not end it is killed: -1
	defer cancel()
	cmd := exec.CommandContext(ctx, "countersign", "serve", "--config", file)
	cmd.Env = append(os.Environ(),
		"SLACK_APP_TOKEN="+h.world.AppToken(), "SLACK_BOT_TOKEN="+h.world.BotToken(), "ATLASSIAN_API_KEY="+h.world.APIKey())
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	_ = cmd.Run() // how it ended is in its state
	return cmd.ProcessState.ExitCode(), both.String()
}
