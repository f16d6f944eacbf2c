package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/settings"
)

// typedSetup is a setup for which all secrets were typed in.
func typedSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{file: filepath.Join(t.TempDir(), "config.yaml"), cfg: settings.Default(), channel: foundChannel{id: "C0REQUESTS", name: "requests"}}
	s.cfg.Atlassian.OrgID = "11111111-2222-3333-4444-555555555555"
	s.cfg.People.Admins = []string{"U0ALICE", "U0BOB"}
	s.app.secret, s.bot.secret, s.key.secret = settings.NewSecret("xapp-1"), settings.NewSecret("xoxb-1"), settings.NewSecret("key")
	return s
}

// What init writes are settings that can be read, with a nightly record of the accounts; settings that
// cannot be read are not written, and no secret is left behind for them.
func TestInitWritesSettingsThatHold(t *testing.T) {
	s := typedSetup(t)
	written, err := s.write()
	if err != nil || len(written) != 4 {
		t.Fatalf("%v: %v", written, err)
	}
	cfg, err := settings.Load(s.file, settings.NeedSlack|settings.NeedAtlassian)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Reports) != 1 || cfg.Reports[0].Kind != "managed-accounts" {
		t.Errorf("the reports are %+v, want one of the accounts", cfg.Reports)
	}
	for _, path := range written {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}

	s = typedSetup(t)
	s.cfg.People.Admins = []string{"alice"}
	if written, err := s.write(); err == nil || len(written) > 0 {
		t.Errorf("settings that cannot be read: %v, %v", written, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(s.file), secretsFolder, "[^.]*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if _, err := os.Stat(s.file); err == nil {
		t.Error("the settings were written")
	}
}

// What holds secrets, or settings with them, goes neither into git nor into an image.
func TestSecretsAreIgnored(t *testing.T) {
	for _, file := range []string{".gitignore", ".dockerignore"} {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"/" + secretsFolder + "/", "/" + settings.DefaultFile} {
			if !strings.Contains("\n"+string(text)+"\n", "\n"+line+"\n") {
				t.Errorf("%s lacks %s", file, line)
			}
		}
	}
}
