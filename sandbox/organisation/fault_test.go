package organisation_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestDropBeforeAndAfterTheEffect(t *testing.T) {
	body := to("new@example.com")
	path := manage(person(1), "/email")
	for _, test := range []struct {
		name    string
		faults  organisation.Faults
		effects int
	}{
		{"before", organisation.Faults{Before: organisation.On(http.MethodPut, "/email", 1, organisation.Drop())}, 0},
		{"after", organisation.Faults{After: organisation.On(http.MethodPut, "/email", 1, organisation.Drop())}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := start(t, nil, person(1))
			w.call(http.StatusOK, http.MethodGet, manage(person(1), ""), nil) // so that the connection is a used one
			w.SetFaults(test.faults)
			if got, err := w.try(http.MethodPut, path, body); err == nil {
				t.Fatalf("answered %d %s", got.status, got.text)
			}
			if got := len(w.Effects()); got != test.effects {
				t.Errorf("%d effects of the dropped call, want %d", got, test.effects)
			}
			calls := w.Calls()
			if last := calls[len(calls)-1]; len(calls) != 2 || !last.Dropped || last.Status != 0 {
				t.Errorf("calls %+v, want the second one dropped", calls)
			}
			w.call(http.StatusNoContent, http.MethodPut, path, body)
			if got := len(w.Effects()); got != test.effects+1 {
				t.Errorf("%d effects after the second call, want %d", got, test.effects+1)
			}
		})
	}
}

func TestFaultsReplaceAnswers(t *testing.T) {
	path := manage(person(1), "/email")
	reset := time.Date(2026, 11, 24, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name   string
		fault  organisation.Fault
		status int
		header map[string]string
		text   string
	}{
		{"throttled", organisation.Throttled(1500 * time.Millisecond), 429, map[string]string{"Retry-After": "2"}, ""},
		{"throttled, bare", organisation.ThrottledBare(), 429, map[string]string{"Retry-After": ""}, ""},
		{
			"reset without seconds", organisation.ThrottledUntil(10, reset, false), 429,
			map[string]string{
				"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "2026-11-24T03:04Z",
			},
			"",
		},
		{
			"reset with seconds", organisation.ThrottledUntil(10, reset, true), 429,
			map[string]string{"X-Ratelimit-Reset": "2026-11-24T03:04:05Z"},
			"",
		},
		{"broken", organisation.Broken(503), 503, nil, `{"code":503,"message":"Service Unavailable"}`},
		{"unauthorized", organisation.Unauthorized(), 401, nil, `{"key":"unauthorized"}`},
		{"own body", organisation.Fault{Status: 400, Body: `{"key":"odd"}`}, 400, nil, `{"key":"odd"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := start(t, nil, person(1))
			body := to("new@example.com")
			w.SetFaults(organisation.Faults{Before: organisation.On("", "/email", 1, test.fault)})
			got := w.call(test.status, http.MethodPut, path, body)
			if got.text != test.text {
				t.Errorf("body %s, want %s", got.text, test.text)
			}
			for name, want := range test.header {
				if value := got.header.Get(name); value != want {
					t.Errorf("%s: %q, want %q", name, value, want)
				}
			}
			if len(w.Effects()) != 0 {
				t.Errorf("a fault before the effect let it through")
			}
			w.SetFaults(organisation.Faults{After: organisation.On("", "/email", 1, test.fault)})
			w.call(test.status, http.MethodPut, path, body)
			if len(w.Effects()) != 1 {
				t.Errorf("a fault after the effect held it back")
			}
		})
	}
}

func TestFaultsSeeTheBody(t *testing.T) {
	w := start(t, nil, person(1), person(2))
	w.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
		if text, _ := io.ReadAll(r.Body); strings.Contains(string(text), "b@example.com") {
			fault := organisation.Broken(http.StatusBadGateway)
			return &fault
		}
		return nil
	}})
	w.call(http.StatusNoContent, http.MethodPut, manage(person(1), "/email"), to("a@example.com"))
	w.call(http.StatusBadGateway, http.MethodPut, manage(person(2), "/email"), to("b@example.com"))
}

// inBubble returns a client without sockets, for fake time.
func inBubble(t *testing.T, accounts ...organisation.Account) (*organisation.Organisation, *http.Client) {
	t.Helper()
	o, err := organisation.New(organisation.Config{OrgID: orgID, APIKey: key, BaseURL: "http://organisation.test"})
	if err != nil {
		t.Fatal(err)
	}
	o.AddDomain(organisation.Domain{Name: "example.com", Verified: true})
	for _, each := range accounts {
		if err := o.Put(each); err != nil {
			t.Fatal(err)
		}
	}
	return o, &http.Client{Transport: o.Transport()}
}

// send makes a call in fake time and returns the answer with its body read.
func send(
	ctx context.Context, t *testing.T, client *http.Client, method, path, body string,
) (reply, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, "http://organisation.test"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return reply{status: response.StatusCode, header: response.Header, text: string(text)}, err
}

func TestClientThatGivesUp(t *testing.T) {
	const body = `{"email":"new@example.com"}`
	for _, test := range []struct {
		name   string
		faults organisation.Faults
		atOnce int // effects when the client has given up
		atLast int // and in the end
	}{
		{"not heard", organisation.Faults{Latency: func(*http.Request) time.Duration { return time.Hour }}, 0, 0},
		{"hung before", organisation.Faults{Before: organisation.On("", "", 1, organisation.Hang(time.Hour))}, 0, 0},
		{"hung after", organisation.Faults{After: organisation.On("", "", 1, organisation.Hang(time.Hour))}, 1, 1},
		{"on its way", organisation.Faults{Before: organisation.On("", "", 1, organisation.Late(40*time.Second))}, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, client := inBubble(t, person(1))
				o.SetFaults(test.faults)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				_, err := send(ctx, t, client, http.MethodPut, manage(person(1), "/email"), body)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("error %v, want the deadline", err)
				}
				synctest.Wait()
				if got := len(o.Effects()); got != test.atOnce {
					t.Errorf("%d effects at once, want %d", got, test.atOnce)
				}
				time.Sleep(time.Hour) // fake time
				synctest.Wait()
				if got := len(o.Effects()); got != test.atLast {
					t.Errorf("%d effects at last, want %d", got, test.atLast)
				}
			})
		})
	}
}

func TestTransportCuts(t *testing.T) {
	o, client := inBubble(t, person(1))
	o.SetFaults(organisation.Faults{After: organisation.On("", "", 1, organisation.Drop())})
	_, err := send(t.Context(), t, client, http.MethodPost, manage(person(1), "/lifecycle/disable"), `{}`)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want one that wraps io.ErrUnexpectedEOF", err)
	}
	if len(o.Effects()) != 1 {
		t.Errorf("effects %v, want one", o.Effects())
	}
}

func TestHalfAnAnswer(t *testing.T) {
	fault := organisation.Faults{After: organisation.On("", "", 0, organisation.Half())}
	o, bubble := inBubble(t, person(1))
	o.SetFaults(fault)
	w := start(t, nil, person(1))
	w.SetFaults(fault)
	for name, read := range map[string]func(method, rest string) error{
		"without a socket": func(method, rest string) error {
			_, err := send(t.Context(), t, bubble, method, manage(person(1), rest), `{}`)
			return err
		},
		"over a socket": func(method, rest string) error {
			_, err := w.try(method, manage(person(1), rest), `{}`)
			return err
		},
	} {
		if err := read(http.MethodGet, "/profile"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: error %v, want io.ErrUnexpectedEOF", name, err)
		}
		if err := read(http.MethodPost, "/lifecycle/disable"); err == nil {
			t.Errorf("%s: an answer without a body arrived", name)
		}
	}
	if len(o.Effects()) != 1 || len(w.Effects()) != 1 {
		t.Errorf("effects %v and %v, want one each", o.Effects(), w.Effects())
	}
	// What arrives of the half is the half.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+manage(person(1), "/profile"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	if len(text) == 0 || int64(len(text)) >= response.ContentLength {
		t.Errorf("%d of %d bytes arrived", len(text), response.ContentLength)
	}
}

func TestFirstFaultWins(t *testing.T) {
	w := start(t, nil, person(1))
	w.SetFaults(organisation.Faults{Before: organisation.First(
		organisation.On(http.MethodPut, "", 0, organisation.Broken(500)),
		organisation.On("", "/profile", 1, organisation.Fault{Status: 502, Body: "<html>"}),
		organisation.On("", "", 1, organisation.Broken(503)),
	)})
	var got []int
	for range 3 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+manage(person(1), "/profile"), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		response, err := w.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode == http.StatusBadGateway && string(text) != "<html>" {
			t.Errorf("body %q, want the fault's own", text)
		}
		got = append(got, response.StatusCode)
	}
	if diff := cmp.Diff([]int{502, 503, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestReadLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, client := inBubble(t, person(1))
		o.SetFaults(organisation.Faults{ReadLag: func(id string) time.Duration {
			if _, known := o.Account(id); !known { // a fault may ask the organisation
				t.Errorf("lag of account %q", id)
			}
			return 10 * time.Second
		}})
		shows := func(want string) {
			t.Helper()
			got, err := send(t.Context(), t, client, http.MethodGet, manage(person(1), "/profile"), "")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.text, `"email":"`+want+`"`) {
				t.Errorf("profile %s, want %s", got.text, want)
			}
		}
		put := func(address string) {
			t.Helper()
			body := `{"email":"` + address + `"}`
			got, err := send(t.Context(), t, client, http.MethodPut, manage(person(1), "/email"), body)
			if err != nil || got.status != http.StatusNoContent {
				t.Fatal(got.text, err)
			}
		}
		put("one@example.com")
		shows(person(1).Email)
		time.Sleep(6 * time.Second)
		put("two@example.com")
		time.Sleep(5 * time.Second)
		shows("one@example.com")
		time.Sleep(5 * time.Second)
		shows("two@example.com")
		if now, _ := o.Account(person(1).ID); now.Email != "two@example.com" {
			t.Errorf("account has %s", now.Email)
		}
	})
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit organisation.RateLimit
		want  []string // status, Remaining, Reset, Retry-After of one call after the other
	}{
		{
			"by the minute",
			organisation.RateLimit{PerMinute: 2, Headers: true},
			[]string{"200 1 2000-01-01T00:01Z ", "200 0 2000-01-01T00:01Z ", "429 0 2000-01-01T00:01Z "},
		},
		{
			"with seconds and Retry-After",
			organisation.RateLimit{PerMinute: 1, Headers: true, Seconds: true, RetryAfter: true},
			[]string{"200 0 2000-01-01T00:01:00Z ", "429 0 2000-01-01T00:01:00Z 20"},
		},
		{"without headers", organisation.RateLimit{PerMinute: 1}, []string{"200   ", "429   "}},
		{"bursts", organisation.RateLimit{Burst: 1, RetryAfter: true}, []string{"200   ", "429   1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // fake time begins at 2000-01-01T00:00:00Z
				o, client := inBubble(t, person(1))
				o.SetLimit(test.limit)
				call := func() string {
					got, err := send(t.Context(), t, client, http.MethodGet, manage(person(1), ""), "")
					if err != nil {
						t.Fatal(err)
					}
					header := got.header
					return strings.Join([]string{
						strconv.Itoa(got.status),
						header.Get("X-RateLimit-Remaining"), header.Get("X-RateLimit-Reset"), header.Get("Retry-After"),
					}, " ")
				}
				time.Sleep(40 * time.Second)
				var got []string
				for range test.want {
					got = append(got, call())
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
				other, err := send(t.Context(), t, client, http.MethodGet, admin("v1", "/users"), "")
				if err != nil || other.status != http.StatusOK {
					t.Errorf("another endpoint is limited, too: %v %v", other, err)
				}
				time.Sleep(20 * time.Second)
				if again := call(); !strings.HasPrefix(again, "200") {
					t.Errorf("after the reset: %s", again)
				}
			})
		})
	}
}
