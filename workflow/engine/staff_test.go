package engine_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
)

// staff are the people of the tests as Slack shows them: hana, alice and bob with their roles, and
// nobody else, until a test says otherwise.
type staff struct {
	mu      sync.Mutex
	changed map[string]workflow.Actor // by id; a person without a role may do nothing
	groups  map[string][]string
	err     error         // Slack cannot be asked
	slow    time.Duration // how long it takes to read a person
}

func (s *staff) set(change func(*staff)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *staff) is(who workflow.Actor) {
	s.set(func(s *staff) {
		if s.changed == nil {
			s.changed = map[string]workflow.Actor{}
		}
		s.changed[who.ID] = who
	})
}

func (s *staff) all() []workflow.Actor {
	out := []workflow.Actor{hana, alice, bob}
	for _, who := range s.changed {
		out = slices.DeleteFunc(out, func(a workflow.Actor) bool { return a.ID == who.ID })
		out = append(out, who)
	}
	return out
}

func (s *staff) Standing(_ context.Context, id string, _ bool, _ workflow.LogicalTime) (workflow.Actor, error) {
	s.mu.Lock()
	slow := s.slow
	s.mu.Unlock()
	time.Sleep(slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, who := range s.all() {
		if who.ID == id {
			return who, s.err
		}
	}
	return workflow.Actor{}, s.err
}

func (s *staff) Members(_ context.Context, group string, _ workflow.Freshness) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[group] == nil && s.err == nil {
		return nil, workflow.ErrGroupUnreadable
	}
	return s.groups[group], s.err
}

func (s *staff) Admins(context.Context) ([]workflow.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []workflow.Person
	for _, who := range s.all() {
		if who.Admin {
			out = append(out, who.Person)
		}
	}
	return out, s.err
}
