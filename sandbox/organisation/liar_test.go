package organisation_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

// listCalls returns one call to each list of the organisation.
func listCalls(w *world, group organisation.Group) [][2]string {
	w.t.Helper()
	return [][2]string{
		{http.MethodGet, manage(person(1), "/api-tokens")},
		{http.MethodGet, "/admin/v1/orgs"},
		{http.MethodGet, admin("v1", "/users")},
		{http.MethodGet, admin("v1", "/domains")},
		{http.MethodGet, admin("v1", "/events-stream")},
		{http.MethodGet, admin("v1", "/event-actions")},
		{http.MethodGet, admin("v2", "/directories")},
		{http.MethodPost, admin("v2", "/workspaces")},
		{http.MethodPost, admin("v2", "/directories/-/users/search")},
		{http.MethodPost, admin("v2", "/directories/-/groups/search")},
		{http.MethodGet, user("-", person(1), "/role-assignments")},
		{http.MethodGet, admin("v2", "/directories/"+group.DirectoryID+"/groups/"+group.ID+"/role-assignments")},
	}
}

func body(method string) any {
	if method == http.MethodPost {
		return `{}`
	}
	return nil
}

// Every list can answer 200 without a list, and nothing else does then.
func TestListsWithoutTheirList(t *testing.T) {
	w := start(t, nil, people(2)...)
	group := w.group(organisation.Group{Name: "finance"})
	kinds := organisation.WithoutList()
	if len(kinds) < 4 {
		t.Fatalf("%d kinds of answers", len(kinds))
	}
	for _, kind := range kinds {
		w.SetFaults(organisation.Faults{After: organisation.OnLists(0, kind)})
		for _, call := range listCalls(w, group) {
			if got := w.call(http.StatusOK, call[0], call[1], body(call[0])).text; got != kind.Body {
				t.Errorf("%s %s answers %s, want %s", call[0], call[1], got, kind.Body)
			}
		}
		w.call(http.StatusOK, http.MethodGet, manage(person(1), "/profile"), nil)
		if got := w.call(http.StatusOK, http.MethodGet, manage(person(1), ""), nil).text; got == kind.Body {
			t.Error("what is no list answers without it, too")
		}
	}
	w.SetFaults(organisation.Faults{After: organisation.OnLists(1, kinds[0])})
	first, _ := w.try(http.MethodGet, admin("v1", "/users"), nil)
	second, _ := w.try(http.MethodGet, admin("v1", "/users"), nil)
	if first.text != kinds[0].Body || second.body["data"] == nil {
		t.Errorf("once: %s then %s", first.text, second.text)
	}
}

// pages reads a list to its end, at most most pages of it, and returns the ids and how many pages.
func (w *world) pages(list string, most int) (ids []string, pages int) {
	w.t.Helper()
	path, cursor := admin("v1", "/users"), ""
	for pages < most {
		var page reply
		field := "account_id"
		if list == "search" {
			request := fields{"limit": 3}
			if cursor != "" {
				request = fields{"cursor": cursor}
			}
			page = w.call(http.StatusOK, http.MethodPost, admin("v2", "/directories/-/users/search"), request)
			field = "accountId"
		} else {
			page = w.call(http.StatusOK, http.MethodGet, path, nil)
		}
		pages++
		ids = append(ids, names(w.t, page, field)...)
		next, more := get(w.t, page.body, "links", "next").(string)
		if !more {
			break
		}
		path, cursor = next, next
	}
	return ids, pages
}

func TestPagesMove(t *testing.T) {
	w := start(t, func(c *organisation.Config) { c.PageSize = 3 }, people(8)...)
	id := func(numbers ...int) []string {
		all := []string{}
		for _, each := range numbers {
			all = append(all, person(each).ID)
		}
		return all
	}
	for _, list := range []string{"users", "search"} {
		for shift, want := range map[int][]string{
			0:  id(0, 1, 2, 3, 4, 5, 6, 7),
			1:  id(0, 1, 2, 4, 5, 6),
			-1: id(0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7),
		} {
			w.SetFaults(organisation.Faults{PageShift: func(*http.Request) int { return shift }})
			got, _ := w.pages(list, 10)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s shifted by %d (-want +got):\n%s", list, shift, diff)
			}
		}
	}
	w.noViolations()
}

func TestTotalDoesNotFit(t *testing.T) {
	w := start(t, nil, people(5)...)
	w.SetFaults(organisation.Faults{Total: func(length int) int { return length + 3 }})
	if got := get(t, w.call(http.StatusOK, http.MethodGet, admin("v1", "/users"), nil).body, "meta", "total"); got != 8.0 {
		t.Errorf("total %v", got)
	}
}

// Endless pages have no data and a new cursor each; healed, the list goes on where it was.
func TestEndlessPages(t *testing.T) {
	w := start(t, func(c *organisation.Config) { c.PageSize = 3 }, people(8)...)
	w.group(organisation.Group{Name: "finance"})
	w.SetFaults(organisation.Faults{Endless: func(*http.Request) bool { return true }})
	for _, list := range []string{"users", "search"} {
		if ids, pages := w.pages(list, 50); len(ids) != 0 || pages != 50 {
			t.Errorf("%s: %d accounts on %d pages", list, len(ids), pages)
		}
	}
	for _, call := range [][2]string{
		{http.MethodGet, admin("v1", "/users")},
		{http.MethodGet, admin("v1", "/domains")},
		{http.MethodGet, admin("v2", "/directories")},
		{http.MethodPost, admin("v2", "/directories/-/users/search")},
		{http.MethodPost, admin("v2", "/directories/-/groups/search")},
	} {
		w.SetFaults(organisation.Faults{Endless: func(*http.Request) bool { return true }})
		path, request := call[1], body(call[0])
		seen := map[string]bool{}
		for range 5 {
			page := w.call(http.StatusOK, call[0], path, request)
			next, _ := get(t, page.body, "links", "next").(string)
			if data := get(t, page.body, "data").([]any); len(data) > 0 || next == "" || seen[next] {
				t.Fatalf("%s: %s", call[1], page.text)
			}
			seen[next] = true
			switch {
			case call[0] == http.MethodPost:
				request = fields{"cursor": next}
			case strings.HasPrefix(next, "http"):
				path = next
			default:
				path = call[1] + "?cursor=" + next
			}
		}
		w.SetFaults(organisation.Faults{})
		if data := get(t, w.call(http.StatusOK, call[0], path, request).body, "data").([]any); len(data) == 0 {
			t.Errorf("%s: nothing comes after the endless pages", call[1])
		}
	}
	w.noViolations()
}

func TestProfileIsMissingAfterAWrite(t *testing.T) {
	bubbleWorld(t, people(2), func(w *world) {
		w.SetFaults(organisation.Faults{Missing: func(string) time.Duration { return 5 * time.Second }})
		profile := manage(person(1), "/profile")
		w.call(http.StatusOK, http.MethodGet, profile, nil)
		w.call(http.StatusNoContent, http.MethodPut, manage(person(1), "/email"), to("new@example.com"))
		gone := w.call(http.StatusNotFound, http.MethodGet, profile, nil)
		if key := get(t, gone.body, "key"); key != "accountNotFound" {
			t.Errorf("key %v", key)
		}
		w.call(http.StatusOK, http.MethodGet, manage(person(0), "/profile"), nil)
		time.Sleep(5 * time.Second) // fake time
		w.call(http.StatusOK, http.MethodGet, profile, nil)
	})
}

func TestSearchLagsJumpsAndOmits(t *testing.T) {
	bubbleWorld(t, people(3), func(w *world) {
		group := w.group(organisation.Group{Name: "finance"})
		time.Sleep(time.Minute) // fake time
		lag := time.Minute
		w.SetFaults(organisation.Faults{SearchLag: func(string) time.Duration { return lag }})
		w.call(http.StatusNoContent, http.MethodPut, manage(person(1), "/email"), to("new@example.com"))
		w.call(http.StatusNoContent, http.MethodPost, memberships(group, ""), member(person(1)))
		search := func(request fields) int {
			page := w.call(http.StatusOK, http.MethodPost, admin("v2", "/directories/-/users/search"), request)
			return len(get(t, page.body, "data").([]any))
		}
		old, renamed := fields{"emails": []string{person(1).Email}}, fields{"emails": []string{"New@example.com"}}
		joined := fields{"groupIds": []string{group.ID}}
		check := func(when string, want ...int) {
			t.Helper()
			if diff := cmp.Diff(want, []int{search(old), search(renamed), search(joined)}); diff != "" {
				t.Errorf("%s: old address, new address, group (-want +got):\n%s", when, diff)
			}
		}
		check("at once", 1, 0, 0)
		time.Sleep(30 * time.Second)
		check("half way", 1, 0, 0)
		time.Sleep(31 * time.Second)
		check("after the lag", 0, 1, 1)
		lag = time.Hour
		check("jumped back", 1, 0, 0)
		lag = 0
		check("and forth", 0, 1, 1)
		w.SetFaults(organisation.Faults{Omit: func(id string) bool { return id == person(1).ID }})
		check("left out", 0, 0, 0)
		if n := search(fields{}); n != 2 {
			t.Errorf("%d of 3 accounts, one of them left out", n)
		}
	})
}

func TestRetryAfterBeyondReason(t *testing.T) {
	w := start(t, nil, people(1)...)
	for _, value := range []string{"5400", "99999999999999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "soon", "-1"} {
		w.SetFaults(organisation.Faults{Before: organisation.OnLists(0, organisation.ThrottledFor(value))})
		got := w.call(http.StatusTooManyRequests, http.MethodGet, admin("v1", "/users"), nil)
		if header := got.header.Get("Retry-After"); header != value {
			t.Errorf("Retry-After %q, want %q", header, value)
		}
	}
	hours := organisation.Throttled(3 * time.Hour).Header.Get("Retry-After")
	if hours != fmt.Sprint(3*60*60) {
		t.Errorf("Retry-After %q for three hours", hours)
	}
	if !slices.ContainsFunc(w.Calls(), func(c organisation.Call) bool { return c.Status == http.StatusTooManyRequests }) {
		t.Error("no call was throttled")
	}
}
