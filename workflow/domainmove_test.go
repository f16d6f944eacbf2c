package workflow_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// Names become first.last in ASCII, or it is said why not.
func TestFirstLast(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Ada Lang": "ada.lang", " Zoë  Müller ": "zoe.muller", "Łukasz Żółć": "lukasz.zolc", "Søren Ærø": "soren.aero",
		"Jean-Luc van der O'Brien": "jean-luc.obrien", "Lang, Ada": "ada.lang", "Ada Lang (Deactivated) [ext]": "ada.lang",
		"Straße İpek": "strasse.ipek", "Ada M. Lang": "ada.lang", "ﬁona Ｌａｎｇ": "fiona.lang", "Ada 🦊 Lang": "ada.lang",
	} {
		if got, problem := workflow.FirstLast(name); got != want || problem != "" {
			t.Errorf("%s: %q, %q; want %q", name, got, problem, want)
		}
	}
	for name, want := range map[string]string{
		"": "no first and last name", "Ada": "no first and last name", "Ada (Lang)": "no first and last name",
		"Ада Ланг": "has no ASCII form", "李 雷": "has no ASCII form", "--- ...": "no first and last name",
	} {
		if got, problem := workflow.FirstLast(name); got != "" || !strings.Contains(problem, want) {
			t.Errorf("%q: %q, %q; want why not", name, got, problem)
		}
	}
}

// Whatever the name, what is made of it is the local part of an address that may be set.
func FuzzFirstLast(f *testing.F) {
	f.Add("Zoë Müller")
	f.Add("Lang, Ada (x")
	f.Add("-a. .b-")
	f.Fuzz(func(t *testing.T, name string) {
		local, problem := workflow.FirstLast(name)
		if (local == "") == (problem == "") {
			t.Fatalf("%q: %q, %q", name, local, problem)
		}
		if local != "" && len(local) < 64 && workflow.NewAddressProblem(local+"@new.example") != "" {
			t.Errorf("%q: %s: %s", name, local, workflow.NewAddressProblem(local+"@new.example"))
		}
	})
}
