package bot

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// A form is remembered for its person alone, for an hour, or for a day where only it has its rows; and
// not more of them than there is room for.
func TestFormsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := formStore{open: map[string]*openForm{}}
		s.put("a", openForm{person: "U1"})
		s.put("b", openForm{person: "U1", rows: []workflow.Row{{}}})
		if _, ok := s.get("a", "U2"); ok {
			t.Error("somebody else's form is found")
		}
		time.Sleep(59 * time.Minute)
		if _, ok := s.get("a", "U1"); !ok {
			t.Error("a form is forgotten within the hour")
		}
		time.Sleep(time.Minute)
		_, a := s.get("a", "U1")
		if _, b := s.get("b", "U1"); a || !b {
			t.Errorf("after an hour the form is known: %v, the draft: %v", a, b)
		}
		stopped := false
		s.put("c", openForm{person: "U1", stop: func() { stopped = true }})
		s.put("c", openForm{person: "U1"}) // what the check came to
		if stopped {
			t.Error("a check ended itself")
		}
		s.put("c", openForm{person: "U1", stop: func() { stopped = true }})
		if s.forget("c"); !stopped {
			t.Error("a closed form is checked on")
		}
		for i := range 5 {
			time.Sleep(time.Second)
			s.put(fmt.Sprint("large", i), openForm{person: "U1", content: make([]byte, formContents/3)})
		}
		for i := range 2 * formsMost {
			s.put(fmt.Sprint("small", i), openForm{person: "U1"})
		}
		_, oldest := s.get("large0", "U1")
		if len(s.open) > formsMost || oldest {
			t.Errorf("%d forms are remembered, the oldest large one %v", len(s.open), oldest)
		}
	})
}

// What is pressed below a check is about what was checked, also when the form was filled in with
// something else since.
func TestFormOfACheckThatIsOld(t *testing.T) {
	b := &Bot{unsent: formStore{open: map[string]*openForm{}}}
	shown := view.Draft{Lines: "p1@old.example", File: &view.FormFile{ID: "F1", SHA256: "aa"}}
	since := shown
	since.File = &view.FormFile{ID: "F2"}
	for name, lines := range map[string]string{"carried": "p1@old.example", "too long to be carried": strings.Repeat("p1@old.example\n", 300)} {
		shown.Lines, since.Lines = lines, lines
		checked := viewed{Callback: view.CheckedForm, Metadata: view.Carried{Key: "k", Draft: shown}.String()}
		b.unsent.put("k", openForm{person: "U1", draft: shown})
		if c, _, ok := b.formOf(checked, "U1"); !ok || !reflect.DeepEqual(c.Draft, shown) {
			t.Errorf("%s: %v, %+v", name, ok, c.Draft)
		}
		b.unsent.put("k", openForm{person: "U1", draft: since})
		if c, _, ok := b.formOf(checked, "U1"); ok && !reflect.DeepEqual(c.Draft, shown) {
			t.Errorf("%s: another draft than was checked: %+v", name, c.Draft)
		}
	}
}
