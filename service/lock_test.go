package service

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestLockStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "bot.db")
	release, err := lockStore(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockStore(path)
	if err == nil {
		t.Fatal("two hold the lock")
	}
	for _, want := range []string{path, path + ".lock", fmt.Sprintf("(process %d)", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal does not name %s: %v", want, err)
		}
	}
	other, err := lockStore(path + "2")
	if err != nil {
		t.Errorf("another database is locked, too: %v", err)
	} else if err := other(); err != nil {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockStore(path)
	if err != nil {
		t.Fatalf("the lock outlives its holder: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

// A database is locked whatever name leads to it: a symbolic link to it or to its folder, a relative path, a hard link; also
// where the other name was there before the first process, and before the database.
func TestLockStoreByOtherNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		alias func(t *testing.T, path string) string
		early bool // the alias is there before anybody has the lock
	}{
		"symbolic link":                     {alias: symlink},
		"symbolic link before the database": {alias: symlink, early: true},
		"symbolic link to a symbolic link":  {alias: func(t *testing.T, path string) string { return symlink(t, symlink(t, path)) }},
		"symbolic link to the folder":       {alias: inLinkedFolder},
		"path with dots":                    {alias: dotted},
		"relative path":                     {alias: relative},
		"hard link":                         {alias: hardlink},
		"hard link in the same folder":      {alias: func(t *testing.T, path string) string { return linked(t, path, path+"2") }},
		"symbolic link to a hard link":      {alias: func(t *testing.T, path string) string { return symlink(t, hardlink(t, path)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "bot.db")
			alias := ""
			if test.early {
				alias = test.alias(t, path)
			}
			release, err := lockStore(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("not empty"), 0o600); err != nil {
				t.Fatal(err)
			}
			if !test.early {
				alias = test.alias(t, path)
			}
			if _, err := lockStore(alias); err == nil {
				t.Errorf("two hold the lock, the other one by %s", alias)
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
			again, err := lockStore(path)
			if err != nil {
				t.Fatalf("by its own name: %v", err)
			}
			if err := again(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The file itself is locked, where the system can: a name under which it was run before does not help.
func TestLockStoreIsOnTheFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "windows" {
		t.Skip("the system has no lock that does not stand in SQLite's way")
	}
	path := filepath.Join(t.TempDir(), "bot.db")
	release, err := lockStore(path)
	if err != nil {
		t.Fatal(err)
	}
	alias := hardlink(t, path)
	if err := os.WriteFile(alias+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lockStore(alias); err == nil || !strings.Contains(err.Error(), "under another name of the same file") {
		t.Errorf("by a hard link with a lock of its own: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "alias.db")
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func hardlink(t *testing.T, to string) string {
	t.Helper()
	return linked(t, to, filepath.Join(t.TempDir(), "alias.db"))
}

func linked(t *testing.T, to, name string) string {
	t.Helper()
	if err := os.Link(to, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func relative(t *testing.T, path string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(here, path)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func inLinkedFolder(t *testing.T, path string) string {
	t.Helper()
	return filepath.Join(symlink(t, filepath.Dir(path)), filepath.Base(path))
}

func dotted(_ *testing.T, path string) string {
	folder := filepath.Dir(path)
	return folder + "/./../" + filepath.Base(folder) + "/" + filepath.Base(path)
}
