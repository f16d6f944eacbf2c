package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/settings"
)

// A file that cannot be used is refused at the terminal in the words of Slack: with the columns that are known.
func TestPlanSaysWhatIsKnown(t *testing.T) {
	t.Parallel()
	for content, wants := range map[string][]string{
		"userPrincipalName,objectId\nada@old.example,1\n": {"no column that is known", "old_email", "account_id", "target_email"},
		"old_email,new_emial\nada@old.example,x\n":        {"add --action", `"new_emial" (did you mean new_email?)`},
		"userPrincipalName,mail,objectId\nada@old.example,ada@new.example,1\n": {
			"add --action", `Not understood: "userPrincipalName", "objectId"`, "these are known: account_id", "target_email",
		},
		"\"old_email,new_email\"\n\"a@b.example,c\"\n": {"one pair of quotation marks"},
	} {
		path := filepath.Join(t.TempDir(), "people.csv")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readSheet(new(settings.Config), planOptions{CSV: path})
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q in it", content, err, want)
			}
		}
	}
}
