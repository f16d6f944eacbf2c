package workflow_test

import (
	"testing"

	"github.com/countersign/countersign/workflow"
)

func TestNameKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Ada Lang", "LANG, Ada", " ada  lang ", "Ada-Lang"},
		{"Zoë Müller", "Muller Zoe", "Zoe\u0308 Mu\u0308ller"},
		{"Łukasz Strauß", "Strauss, Lukasz"},
		{"Sean O'Neil", "sean o’neil", "SEAN ONEIL"},
	} {
		for _, name := range same {
			if got, want := workflow.NameKey(name), workflow.NameKey(same[0]); got != want {
				t.Errorf("%q is %q, not %q as %q", name, got, want, same[0])
			}
		}
	}
	if workflow.NameKey("Ada Lang") == workflow.NameKey("Ada King") || workflow.NameKey("王伟") == "" {
		t.Error("names of different people are one, or a name is nothing")
	}
}
