package workflow_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/workflow"
)

// Whatever is set and removed in whatever order, values hold what a map would hold, and are written
// as a map would be.
func TestValuesAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SampledFrom([]workflow.Column{"a", "account_id", "b", "group:1", "zz"})
		texts := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"<&>", "\u2028", `"\`, "\xff", "é"}))
		var v workflow.RowValues
		want := map[workflow.Column]string{}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			key, value := keys.Draw(t, "key"), texts.Draw(t, "value")
			before := slices.Clone(v)
			changed := v.With(key, value)
			if !v.Equal(before) {
				t.Fatalf("With changed %v into %v", before, v)
			}
			v.Set(key, value)
			if !v.Equal(changed) {
				t.Fatalf("Set(%q, %q) made %v, With %v", key, value, v, changed)
			}
			if want[key] = value; value == "" {
				delete(want, key)
			}
		}
		if got := maps.Collect(v.All()); !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		if got := slices.Collect(v.Keys()); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("keys %q of %v", got, want)
		}
		for _, key := range []workflow.Column{"a", "b", "group:1", "missing"} {
			value, found := v.Lookup(key)
			if other, ok := want[key]; value != other || found != ok || v.Get(key) != other {
				t.Fatalf("%q is %q (%t), want %q (%t)", key, value, found, other, ok)
			}
		}
		got, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if as, err := json.Marshal(want); err != nil || string(got) != string(as) {
			t.Fatalf("%s, want %s (%v)", got, as, err)
		}
		if plain, as := unescaped(t, v), unescaped(t, want); plain != as {
			t.Fatalf("%s, want %s", plain, as)
		}
		var back workflow.RowValues
		if err := json.Unmarshal(got, &back); err != nil || !maps.Equal(maps.Collect(back.All()), read(t, got)) {
			t.Fatalf("%s is read as %v (%v)", got, back, err)
		}
	})
}

// unescaped is the JSON of a value as canonical text has it, with nothing escaped for HTML.
func unescaped(t *rapid.T, v any) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// read is what encoding/json makes of an object of texts.
func read(t *rapid.T, raw []byte) map[workflow.Column]string {
	out := map[workflow.Column]string{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Values are read as encoding/json reads them, in whatever form they come.
func TestValuesAreReadAsJSON(t *testing.T) {
	for _, raw := range []string{
		`{}`, ` {} `, `{"a":"b"}`, `{"b":"1","a":"2"}`, `{"a":"1","a":"2"}`, `{"a" : "b" , "c":"d"}`, `{"a":"\u00e9\n"}`, `{"a":"é"}`,
		`null`, `{"a":null}`, `{"a":""}`, `[]`, `{"a":1}`, `{"a":"b",}`, `{"a":"b"`, `{"a":"b"}x`, "{\"a\":\"\x01\"}", `{,"a":"b"}`, `{"a""b"}`,
	} {
		var v workflow.RowValues
		want := map[workflow.Column]string{}
		err, asked := json.Unmarshal([]byte(raw), &v), json.Unmarshal([]byte(raw), &want)
		if (err == nil) != (asked == nil) || err == nil && !maps.Equal(maps.Collect(v.All()), want) {
			t.Errorf("%q is %v (%v), want %v (%v)", raw, v, err, want, asked)
		}
		if !slices.IsSortedFunc(v, func(a, b workflow.ValueOf[workflow.Column]) int { return strings.Compare(string(a.Key), string(b.Key)) }) {
			t.Errorf("%q is not in order: %v", raw, v)
		}
	}
}
