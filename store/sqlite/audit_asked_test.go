package sqlite

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/store"
)

// Rows that were asked for and not checked yet are proved as well.
func TestAuditFindsTamperingWithWhatIsAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	db, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	changes, _ := renames(3)
	create(t, db, changes...)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ statement, want string }{
		"what was asked": {"UPDATE request_row SET cells = json_set(cells, '$[1]', 'eve@x') WHERE row = 2", "its rows are not what was asked for"},
		"what it means":  {"UPDATE request_row SET meaning = 'new_email,email' WHERE row = 2", "its rows are not what was asked for"},
		"a value more":   {"UPDATE request_row SET given = '{\"group\":\"admins\"}' WHERE row = 2", "its rows are not what was asked for"},
		"its spelling":   {"UPDATE request_row SET cells = cells || ' ' WHERE row = 2", "row 2: its cells is spelled otherwise"},
		"a plan":         {planPutIn, "row 2: has a plan, and the log tells of none"},
		"a row less":     {"DELETE FROM request_row WHERE row = 3", "its rows are not what was asked for"},
	} {
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(copied, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		tamper(t, copied, test.statement)
		a := audit(t, copied)
		if a.Whole() || !slices.ContainsFunc(a.Findings, func(f store.Finding) bool { return strings.Contains(f.String(), test.want) }) {
			t.Errorf("%s: found %v, want %q", name, a.Findings, test.want)
		}
	}
}
