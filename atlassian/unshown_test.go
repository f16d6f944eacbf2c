package atlassian_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// directoryOf is a network with an organisation whose searches leave fields out.
type directoryOf struct {
	users    map[string]map[string]any // by account id, as a search shows them
	profiles map[string]string         // what a profile answers
	groups   string                    // what a search for groups answers
	leave    func(id string, call int) []string
	takes    time.Duration
	searches atomic.Int64
}

func (n *directoryOf) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(n.takes)
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/profile"):
		id := strings.Split(r.URL.Path, "/")[2]
		if body, ok := n.profiles[id]; ok {
			return answer(http.StatusOK, body)
		}
		return answer(http.StatusNotFound, `{"key":"accountNotFound"}`)
	case strings.HasSuffix(r.URL.Path, "/groups/search"):
		return answer(http.StatusOK, n.groups)
	case !strings.HasSuffix(r.URL.Path, "/users/search"):
		return answer(http.StatusOK, `{"data":[]}`)
	}
	call := int(n.searches.Add(1))
	var asked struct {
		Emails     []string
		AccountIDs []string
		GroupIDs   []string
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	data := []map[string]any{}
	for id, u := range n.users {
		address, _ := u["email"].(string)
		if !slices.Contains(asked.Emails, address) && !slices.Contains(asked.AccountIDs, id) || len(asked.GroupIDs) > 0 {
			continue
		}
		shown := map[string]any{}
		for field, value := range u {
			if !slices.Contains(n.leave(id, call), field) {
				shown[field] = value
			}
		}
		data = append(data, shown)
	}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, string(body))
}

func searchedUser(id, email string) map[string]any {
	return map[string]any{
		"accountId": id, "email": email, "accountStatus": "active", "claimStatus": "managed", "membershipStatus": "active",
		"platformRoles": []string{}, "groups": []map[string]string{{"id": "g1"}},
	}
}

// Whom a search by address shows without an address is the holder of one of those that were asked about,
// and nobody else's row suffers for it.
func TestAHolderWithoutAddress(t *testing.T) {
	addresses := make([]string, 250)
	users := map[string]map[string]any{}
	for i := range addresses {
		addresses[i] = fmt.Sprintf("p%d@example.com", i)
		if i%2 == 0 { // the others are free
			id := fmt.Sprintf("a%d", i)
			users[id] = searchedUser(id, addresses[i])
		}
	}
	poor := []string{"a0", "a42", "a248"}
	for name, test := range map[string]struct {
		until    int // the search from which on everything is shown; 0: never
		profiles map[string]string
		unshown  map[string]string
	}{
		"for a moment": {until: 5},
		"for good":     {unshown: map[string]string{"p0@example.com": "a0", "p42@example.com": "a42", "p248@example.com": "a248"}},
		"for good, but in a profile": {
			profiles: map[string]string{"a42": `{"account":{"account_id":"a42","account_status":"active","email":"p42@example.com"}}`},
			unshown:  map[string]string{"p0@example.com": "a0", "p248@example.com": "a248"},
		},
		"for good, in a profile as another": {
			profiles: map[string]string{"a42": `{"account":{"account_id":"a42","account_status":"active","email":"else@example.com"}}`},
			unshown:  map[string]string{"p0@example.com": "a0", "p42@example.com": "a42", "p248@example.com": "a248"},
		},
	} {
		for _, shown := range []string{"email left out", "email null"} {
			t.Run(name+", "+shown, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := &directoryOf{users: users, profiles: test.profiles, leave: func(id string, call int) []string {
						if slices.Contains(poor, id) && (test.until == 0 || call < test.until) {
							return []string{"email"}
						}
						return nil
					}}
					found, err := atlassian.NewDirectory(clientOf(t, network)).ByAddress(t.Context(), addresses)
					unshown, some := errors.AsType[*workflow.Unshown](err)
					if some != (len(test.unshown) > 0) || err != nil && !some {
						t.Fatalf("got %v", err)
					}
					if some {
						if diff := cmp.Diff(test.unshown, unshown.Holders); diff != "" {
							t.Errorf("who is not shown (-want +got)\n%s", diff)
						}
						if !errors.Is(err, workflow.ErrUnavailable) {
							t.Errorf("%v passes for an answer", err)
						}
					}
					for i, address := range addresses {
						_, hidden := test.unshown[address]
						want := 1
						if i%2 == 1 || hidden {
							want = 0
						}
						if len(found[address]) != want {
							t.Errorf("%s is held by %v", address, found[address])
						}
					}
					if searches := network.searches.Load(); searches > 100 {
						t.Errorf("it took %d searches", searches)
					}
				})
			})
		}
	}
}

// Many of whom the search shows no address hold up nobody, whether their profiles tell it or not.
func TestManyHoldersWithoutAddress(t *testing.T) {
	for name, test := range map[string]struct {
		tells bool // the profiles of four of five
		takes time.Duration
	}{
		"most profiles tell":           {true, 100 * time.Millisecond},
		"no profile tells":             {false, 100 * time.Millisecond},
		"no profile tells, and slow":   {false, 3 * time.Second},
		"most profiles tell, and slow": {true, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				addresses := make([]string, 500)
				users, profiles := map[string]map[string]any{}, map[string]string{}
				for i := range addresses {
					id := fmt.Sprintf("a%d", i)
					addresses[i] = fmt.Sprintf("p%d@example.com", i)
					users[id] = searchedUser(id, addresses[i])
					if test.tells && i%25 != 0 {
						profiles[id] = fmt.Sprintf(`{"account":{"account_id":%q,"account_status":"active","email":%q}}`, id, addresses[i])
					}
				}
				hidden := func(id string) bool { return strings.HasSuffix(id, "0") || strings.HasSuffix(id, "5") }
				network := &directoryOf{users: users, profiles: profiles, takes: test.takes, leave: func(id string, _ int) []string {
					if hidden(id) {
						return []string{"email"}
					}
					return nil
				}}
				began := time.Now()
				found, err := atlassian.NewDirectory(clientOf(t, network)).ByAddress(t.Context(), addresses)
				if took := time.Since(began); took > 2*time.Minute {
					t.Errorf("it took %s", took)
				}
				unshown, some := errors.AsType[*workflow.Unshown](err)
				if !some {
					t.Fatalf("got %v", err)
				}
				for i, address := range addresses {
					id := fmt.Sprintf("a%d", i)
					who, unknown := unshown.Holders[address]
					switch {
					case !hidden(id) && (unknown || len(found[address]) != 1):
						t.Errorf("%s waits for others", address)
					case hidden(id) && len(found[address]) == 0 && (!unknown || who != "" && who != id):
						t.Errorf("%s passes for free, or for %q's", address, who)
					case profiles[id] != "" && test.takes < time.Second && hidden(id) && len(found[address]) != 1:
						t.Errorf("the profile of %s was not heeded", id)
					}
				}
			})
		})
	}
}

// A holder who is not shown beside one who is makes it two.
func TestASecondHolderWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &directoryOf{
			users: map[string]map[string]any{
				"a": searchedUser("a", "a@example.com"), "a2": searchedUser("a2", "a@example.com"), "b": searchedUser("b", "b@example.com"),
			},
			leave: func(id string, _ int) []string { return map[string][]string{"a2": {"email"}}[id] },
		}
		d := atlassian.NewDirectory(clientOf(t, network))
		found, err := d.ByAddress(t.Context(), []string{"a@example.com", "b@example.com"})
		unshown, _ := errors.AsType[*workflow.Unshown](err)
		if unshown == nil || cmp.Diff(map[string]string{"a@example.com": "a2"}, unshown.Holders) != "" || len(found["b@example.com"]) != 1 {
			t.Errorf("got %v, %v", found, err)
		}
		ask := workflow.Fact{Kind: action.KindInvited, Arg: "a@example.com", Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
		answers, err := d.Read(t.Context(), ask)
		if err != nil || answers[ask][0].Get(workflow.FieldReason) != action.Unshown {
			t.Errorf("an invited one stands as %v, %v", answers, err)
		}
	})
}

// The same of who is looked for before they are invited.
func TestAnInvitedWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &directoryOf{
			users:  map[string]map[string]any{"a": searchedUser("a", "a@example.com"), "b": searchedUser("b", "b@example.com")},
			groups: `{"data":[{"id":"g7","name":"x","directoryId":"d"}]}`,
			leave: func(id string, _ int) []string {
				return map[string][]string{"a": {"email"}, "b": {"groups"}}[id]
			},
		}
		ask := func(address string) workflow.Fact {
			return workflow.Fact{Kind: action.KindInvited, Arg: address, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
		}
		answers, err := atlassian.NewDirectory(clientOf(t, network)).Read(
			t.Context(), ask("a@example.com"), ask("b@example.com"), ask("free@example.com"))
		if err != nil {
			t.Fatal(err)
		}
		if a := answers[ask("a@example.com")][0]; a.Get(workflow.FieldMembership) != "" || a.Get(workflow.FieldReason) != action.Unshown {
			t.Errorf("who is not shown stands as %v", a)
		}
		if b := answers[ask("b@example.com")][0]; b.Get(workflow.GroupField("g7")) != workflow.GroupIn {
			t.Errorf("whose groups are not shown stands as %v", b)
		}
		if free := answers[ask("free@example.com")][0]; free.Get(workflow.FieldMembership) != workflow.MemberNone {
			t.Errorf("who is not there stands as %v", free)
		}
	})
}

// An answer without groups says nothing of them: neither that somebody is out of one, nor that they may
// be put into it.
func TestAMemberWithoutGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &directoryOf{
			users:  map[string]map[string]any{"a": searchedUser("a", "a@example.com")},
			groups: `{"data":[{"id":"g1","name":"x","directoryId":"d"},{"id":"g2","name":"y","directoryId":"elsewhere"}]}`,
			leave:  func(string, int) []string { return []string{"groups"} },
		}
		d := atlassian.NewDirectory(clientOf(t, network))
		member := action.MemberOf("a", "d")
		left := workflow.Fact{Kind: action.KindGroupLeft, AccountID: "a", Arg: "g1", Endpoint: member.Endpoint}
		answers, err := d.Read(t.Context(), member, left)
		if err != nil {
			t.Fatal(err)
		}
		if got := answers[member][0]; got.Get(workflow.GroupField("g1")) != workflow.GroupIn || got.Get(workflow.GroupField("g2")) != "" {
			t.Errorf("the account stands as %v", got)
		}
		if got := answers[left][0].Get(workflow.GroupField("g1")); got != workflow.GroupIn {
			t.Errorf("it counts as %q of the group that it is in", got)
		}
	})
}

// A group that is found by a name and shown without one is not somebody else's, and not missing: it is
// told what to do.
func TestANamelessGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := atlassian.NewDirectory(clientOf(t, &bodies{all: []string{`{"data":[{"id":"g1","directoryId":"d"}]}`}}))
		fact := action.GroupNamed("finance")
		answers, err := d.Read(t.Context(), fact)
		if err != nil || len(answers[fact]) != 1 {
			t.Fatalf("got %v, %v", answers, err)
		}
		g := action.GroupFrom(answers[fact][0])
		if words := workflow.WhyGroupClosed(g.Closed); g.Closed == "" || !strings.Contains(words, "id instead") {
			t.Errorf("the group is told as %+v, %q", g, words)
		}
	})
}

// A group without a name beside one of the name that was asked for makes it two.
func TestANamelessGroupBesideANamedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := atlassian.NewDirectory(clientOf(t, &directoryOf{
			groups: `{"data":[{"id":"g1","name":"finance","directoryId":"d"},{"id":"g2","directoryId":"e"}]}`,
		}))
		fact := action.GroupNamed("finance")
		if answers, err := d.Read(t.Context(), fact); err != nil || len(answers[fact]) != 2 {
			t.Errorf("got %v, %v", answers, err)
		}
	})
}

// What members of a group may do, and whether it is theirs to say, is not guessed.
func TestAGroupWithoutRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := `{"data":[{"id":"g1","name":"finance","directoryId":"d"}]}`
		for _, poor := range []string{`{"data":[{"resourceId":"r"}]}`, `{"data":[{"resourceId":"r","roles":null}]}`} {
			d := atlassian.NewDirectory(clientOf(t, &bodies{all: []string{found, poor}}))
			if answers, err := d.Read(t.Context(), action.GroupNamed("finance")); !errors.Is(err, workflow.ErrUnavailable) {
				t.Errorf("%s: got %v, %v", poor, answers, err)
			}
		}
		managed := `{"data":[{"id":"g1","name":"finance","directoryId":"d","managedBy":"external"}]}`
		d := atlassian.NewDirectory(clientOf(t, &bodies{all: []string{managed, `{"data":[]}`}}))
		answers, err := d.Read(t.Context(), action.GroupNamed("finance"))
		if err != nil {
			t.Fatal(err)
		}
		if g := action.GroupFrom(answers[action.GroupNamed("finance")][0]); g.Closed != workflow.GroupSynced {
			t.Errorf("a group that is managed outside is told as %+v", g)
		}
	})
}

// A deletion, and a SCIM record, of which the status is not said.
func TestAStatusThatIsNotSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := atlassian.NewDirectory(clientOf(t, &bodies{all: []string{`{"data":{"accountId":"a","email":"a@example.com"}}`}}))
		if answers, err := d.Read(t.Context(), action.Lifecycle("a")); !errors.Is(err, workflow.ErrUnavailable) {
			t.Errorf("got %v, %v", answers, err)
		}
	})
}

// A record that is not said to be active would pass for deactivated, and one without a name for nobody's.
func TestARecordNeedsItsFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &scimWorld{t: t}
		good := `{"id":"r","userName":"ann@example.com","active":false}`
		for _, bad := range []string{
			`{"id":"r","userName":"ann@example.com"}`, `{"id":"r","userName":"ann@example.com","active":null}`, `{"id":"r","active":true}`,
		} {
			if u, err := w.client(&bodies{all: []string{bad, good}}, scimKey).User(t.Context(), "r", "a"); err != nil || u.Active {
				t.Errorf("%s, then a good one: %+v, %v", bad, u, err)
			}
			if u, err := w.client(&bodies{all: []string{bad}}, scimKey).User(t.Context(), "r", "a"); err == nil {
				t.Errorf("%s is taken for %+v", bad, u)
			}
		}
		nobodys := `{"totalResults":1,"Resources":[{"id":"r","active":true}]}`
		_, found, err := w.client(&bodies{all: []string{nobodys}}, scimKey).UserNamed(t.Context(), "ann@example.com", func(string) bool { return false })
		if err == nil {
			t.Errorf("a hit without its name is nobody: found %t", found)
		}
	})
}

// A privilege of which Atlassian says nothing, again and again, is not ours; the row says so for good, and
// what to do. An answer that is about nothing at all is one that failed.
func TestAPrivilegeThatIsNotSaid(t *testing.T) {
	for body, final := range map[string]bool{
		`{"profile.write":{}}`:                    true,
		`{"profile.write":null}`:                  true,
		`{"profile.write":[]}`:                    true,
		`{"email.set":{"allowed":true}}`:          true,
		`{}`:                                      false,
		`{"code":500,"message":"Internal error"}`: false,
		`{"errors":[{"code":"ADMIN-500-1"}]}`:     false,
		`{"profile.write":{"name":{"allowed":true}},"ok":false}`: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			network := &bodies{all: []string{body}}
			_, err := atlassian.NewDirectory(clientOf(t, network)).Read(t.Context(), workflow.Manage("a", atlassian.PrivilegeProfile))
			refused, isFinal := errors.AsType[*workflow.Refusal](err)
			if isFinal != final || !final && !errors.Is(err, workflow.ErrUnavailable) {
				t.Errorf("%s: got %v", body, err)
			}
			if final && !strings.Contains(refused.Reason.Words(), "Atlassian admin") {
				t.Errorf("%s: %s", body, refused.Reason.Words())
			}
			if network.calls.Load() < 3 {
				t.Errorf("%s: given up after %d calls", body, network.calls.Load())
			}
		})
	}
}

// A privilege that is left out of every answer is not waited for at each account of a large file.
func TestAPrivilegeThatIsNeverSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := atlassian.NewDirectory(clientOf(t, &bodies{all: []string{`{"email.set":{"allowed":true}}`}}))
		began := time.Now()
		for i := range 200 {
			_, err := d.Read(t.Context(), workflow.Manage(fmt.Sprintf("a%d", i), atlassian.PrivilegeProfile))
			if refused, ok := errors.AsType[*workflow.Refusal](err); !ok || refused.Reason.Code != workflow.ReasonNotSaid {
				t.Fatalf("account %d: got %v", i, err)
			}
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// At a site, an address whose holder the search does not show takes nothing from the others: who holds it
// is known by id.
func TestAHolderAtASiteWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := map[string]map[string]any{}
		var facts []workflow.Fact
		for i := range 3 { // the last one is no user of the site
			address := fmt.Sprintf("person.%d@example.com", i)
			users[personID(i)] = searchedUser(personID(i), address)
			facts = append(facts, workflow.Fact{
				Kind: action.KindSiteHolder, Arg: address, Endpoint: workflow.Endpoint{Place: workflow.PlaceSite, Site: "one"},
			})
		}
		network := &directoryOf{users: users, leave: func(id string, _ int) []string {
			return map[string][]string{personID(0): {"email"}, personID(2): {"email"}}[id]
		}}
		one := siteClient(t, "https://one.atlassian.test", newSite(t, 2).Transport(), zerolog.Nop())
		answers, err := atlassian.NewDirectory(clientOf(t, network), one).Read(t.Context(), facts...)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{workflow.MemberActive, workflow.MemberActive, workflow.MemberNone} {
			if got := answers[facts[i]][0].Get(workflow.FieldMembership); got != want {
				t.Errorf("%s stands as %q, want %q", facts[i].Arg, got, want)
			}
		}
	})
}
