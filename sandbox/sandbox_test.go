package sandbox_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
)

const patience = 20 * time.Second

func start(t *testing.T, config sandbox.Config) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := box.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return box
}

// ask sends what the page's script would and decodes the answer into into.
func ask(t *testing.T, box *sandbox.Sandbox, method, path string, body, into any) int {
	t.Helper()
	var sent io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case []byte:
		sent, kind = bytes.NewReader(body), "application/octet-stream"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, box.URL+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return response.StatusCode
}

type state struct {
	Person   string
	Channel  string
	People   []struct{ ID, Name, Badge string }
	Channels []struct {
		ID, Name string
		IM       bool
	}
	Messages []message
	Thread   []message
}

type message struct {
	TS, User, Text string
	Edited         bool
	Ephemeral      bool
	ReplyCount     int `json:"reply_count"`
	Blocks         []struct {
		Type     string
		BlockID  string `json:"block_id"`
		Elements json.RawMessage
	}
	Files []struct {
		Name, URL string
		Size      int
	}
}

type outcome struct {
	Error string
}

func look(t *testing.T, box *sandbox.Sandbox, person, channel, thread string) state {
	t.Helper()
	var seen state
	query := url.Values{"person": {person}, "channel": {channel}, "thread": {thread}}
	if status := ask(t, box, http.MethodGet, "/page/state?"+query.Encode(), nil, &seen); status != http.StatusOK {
		t.Fatalf("read state: status %d", status)
	}
	return seen
}

// until waits for a change of the workspace that makes holds true.
func until(t *testing.T, box *sandbox.Sandbox, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := box.Workspace.WaitFor(ctx, holds); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}

func TestStartRefusesAddressesThatOthersReach(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.168.1.1:0", "[::]:0", "example.com:0", "127.0.0.1"} {
		if box, err := sandbox.Start(t.Context(), sandbox.Config{Addr: addr}); err == nil {
			t.Errorf("start on %q: no error", addr)
			_ = box.Close(t.Context())
		}
	}
}

func TestStartServesPageAndPlatforms(t *testing.T) {
	box := start(t, sandbox.Config{})
	for path, want := range map[string]int{
		"/": http.StatusOK, "/static/app.js": http.StatusOK, "/api/auth.test": http.StatusOK, "/page/samples": http.StatusOK,
		"/page/organisation": http.StatusOK, "/atlassian/admin/v1/orgs": http.StatusUnauthorized, "/absent": http.StatusNotFound,
	} {
		if got := ask(t, box, http.MethodGet, path, nil, nil); got != want {
			t.Errorf("GET %s: status %d, want %d", path, got, want)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.URL+"/api/auth.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "rebound.example"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("another host name: status %d, want 403", response.StatusCode)
	}
}

func TestPeopleSeeWhatIsTheirs(t *testing.T) {
	box := start(t, sandbox.Config{})
	first := look(t, box, "", "", "")
	if first.Person != sandbox.Alice || first.Channel != sandbox.Requests {
		t.Errorf("first look: %s in %s, want %s in %s", first.Person, first.Channel, sandbox.Alice, sandbox.Requests)
	}
	badges := make(map[string]string)
	for _, person := range first.People {
		badges[person.Name] = person.Badge
	}
	want := map[string]string{
		"countersign": "", "Alice Ahlgren": "IT admins", "Bob Brennan": "IT admins", "Hana Kovar": "Helpdesk",
		"Gus Ferreira": "guest", "Dora Dimitrov": "deactivated",
	}
	if diff := cmp.Diff(want, badges); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	for _, channel := range look(t, box, sandbox.Gus, "", "").Channels {
		if channel.ID == sandbox.Reports {
			t.Errorf("the guest sees %s", channel.Name)
		}
	}
}

func TestFileCommandAndClickReachTheApp(t *testing.T) {
	box := start(t, sandbox.Config{Seed: 7})
	startApp(t, box)
	sample := box.Samples()[0]

	var uploaded struct{ ID string }
	ask(t, box, http.MethodPost, "/page/upload?name="+sample.Name, sample.Content, &uploaded)
	say := map[string]any{
		"person": sandbox.Alice, "channel": sandbox.Requests, "text": "new domain", "files": []string{uploaded.ID},
	}
	var said outcome
	if ask(t, box, http.MethodPost, "/page/say", say, &said); said.Error != "" {
		t.Fatalf("say: %s", said.Error)
	}
	until(t, box, "the card", func() bool { return len(box.Workspace.Messages(sandbox.Requests, "")) == 2 })
	messages := look(t, box, sandbox.Bob, sandbox.Requests, "").Messages
	posted := messages[0].Files
	if len(posted) != 1 || posted[0].Name != sample.Name || posted[0].Size != len(sample.Content) {
		t.Fatalf("posted file: %+v", posted)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.URL+posted[0].URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if content, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(content, sample.Content) {
		t.Errorf("downloaded file: %d bytes, %v; want the %d that were sent", len(content), err, len(sample.Content))
	}
	if got := response.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("downloaded file: disposition %q, want an attachment", got)
	}

	card := messages[1]
	click := map[string]string{"person": sandbox.Bob, "channel": sandbox.Requests, "ts": card.TS, "action": "approve"}
	var clicked outcome
	if ask(t, box, http.MethodPost, "/page/click", click, &clicked); clicked.Error != "" {
		t.Fatalf("click: %s", clicked.Error)
	}
	until(t, box, "the results", func() bool {
		thread := box.Workspace.Thread(sandbox.Requests, card.TS, "")
		return len(thread) == 3 && len(thread[2].Files) == 1
	})
	after := look(t, box, sandbox.Bob, sandbox.Requests, card.TS)
	if !after.Messages[1].Edited || after.Messages[1].ReplyCount != 2 {
		t.Errorf("card: edited %t with %d replies, want edited with 2", after.Messages[1].Edited, after.Messages[1].ReplyCount)
	}
	var org struct {
		Accounts []struct{ Email string }
		Effects  []struct{ Kind, From, To string }
	}
	ask(t, box, http.MethodGet, "/page/organisation", nil, &org)
	if len(org.Effects) != 40 || !strings.HasSuffix(org.Effects[0].To, "@northwind-group.example") {
		t.Errorf("effects: %d, first %+v", len(org.Effects), org.Effects[:1])
	}

	var commanded outcome
	command := map[string]string{"person": sandbox.Hana, "channel": sandbox.Requests, "text": "help"}
	if ask(t, box, http.MethodPost, "/page/command", command, &commanded); commanded.Error != "" {
		t.Fatalf("command: %s", commanded.Error)
	}
	ephemeral := func(person string) int {
		count := 0
		for _, message := range look(t, box, person, sandbox.Requests, "").Messages {
			if message.Ephemeral {
				count++
			}
		}
		return count
	}
	until(t, box, "the answer", func() bool {
		return slices.ContainsFunc(box.Workspace.Messages(sandbox.Requests, sandbox.Hana), isEphemeral)
	})
	if hana, bob := ephemeral(sandbox.Hana), ephemeral(sandbox.Bob); hana != 1 || bob != 0 {
		t.Errorf("private answers: Hana sees %d and Bob %d, want 1 and 0", hana, bob)
	}
	if found := box.Workspace.Violations(); len(found) > 0 {
		t.Errorf("violations: %v", found)
	}
}

func TestCommandWithoutAnAppFails(t *testing.T) {
	box := start(t, sandbox.Config{})
	var commanded outcome
	ask(t, box, http.MethodPost, "/page/command",
		map[string]string{"person": sandbox.Alice, "channel": sandbox.Requests, "text": "help"}, &commanded)
	if commanded.Error != "dispatch_failed" {
		t.Errorf("command: %q, want dispatch_failed", commanded.Error)
	}
}

func TestEventsPulseOnChange(t *testing.T) {
	box := start(t, sandbox.Config{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.URL+"/page/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	buffer := make([]byte, 256)
	if count, err := response.Body.Read(buffer); err != nil || !strings.HasPrefix(string(buffer[:count]), "retry:") {
		t.Fatalf("first event: %q, %v", buffer[:count], err)
	}
	if _, err := box.Workspace.Say(t.Context(), sandbox.Alice, sandbox.General, "", "hello"); err != nil {
		t.Fatal(err)
	}
	if count, err := response.Body.Read(buffer); err != nil || !strings.Contains(string(buffer[:count]), "event: workspace\n") {
		t.Errorf("second event: %q, %v; want workspace", buffer[:count], err)
	}
	account := box.Organisation.Accounts()[0]
	account.Name = "Somebody Else"
	if err := box.Organisation.Put(account); err != nil {
		t.Fatal(err)
	}
	count, err := response.Body.Read(buffer)
	if err != nil || !strings.Contains(string(buffer[:count]), "event: organisation\n") {
		t.Errorf("third event: %q, %v; want organisation", buffer[:count], err)
	}
}

func TestFaultSwitchesReachBothPlatforms(t *testing.T) {
	box := start(t, sandbox.Config{})
	status := func() int { return ask(t, box, http.MethodGet, "/api/auth.test", nil, nil) }
	if got := status(); got != http.StatusOK {
		t.Fatalf("healthy: status %d", got)
	}
	ask(t, box, http.MethodPost, "/page/faults", map[string]bool{"slack_outage": true, "errors": true}, nil)
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("Slack outage: status %d, want 503", got)
	}
	var failed int
	for range 12 {
		if ask(t, box, http.MethodGet, "/atlassian/admin/v1/orgs", nil, nil) == http.StatusServiceUnavailable {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("errors: %d of 12 calls failed, want 2", failed)
	}
	ask(t, box, http.MethodPost, "/page/faults", map[string]bool{}, nil)
	if got := status(); got != http.StatusOK {
		t.Errorf("healed: status %d, want 200", got)
	}
	got := ask(t, box, http.MethodPost, "/page/faults", map[string]bool{"earthquake": true}, nil)
	if got != http.StatusBadRequest {
		t.Errorf("unknown switch: status %d, want 400", got)
	}
}

func TestSeedIsTheSameForTheSameNumber(t *testing.T) {
	one, again, other := start(t, sandbox.Config{Seed: 3}), start(t, sandbox.Config{Seed: 3}), start(t, sandbox.Config{Seed: 4})
	if diff := cmp.Diff(one.Organisation.Accounts(), again.Organisation.Accounts()); diff != "" {
		t.Errorf("same seed (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(one.Samples(), again.Samples()); diff != "" {
		t.Errorf("same seed, samples (-first +second):\n%s", diff)
	}
	if cmp.Equal(one.Organisation.Accounts(), other.Organisation.Accounts()) {
		t.Error("another seed gives the same accounts")
	}
}

func TestSeedHasEveryCase(t *testing.T) {
	for seed := range uint64(20) {
		box := start(t, sandbox.Config{Seed: seed})
		count := make(map[string]int)
		addresses := make(map[string]bool)
		for _, account := range box.Organisation.Accounts() {
			count["all"]++
			owner := account.Locks["email.set"]
			for name, is := range map[string]bool{
				"inactive": account.Status == "inactive", "app": account.Type == "app", "admin": account.OrgAdmin,
				"stuck": len(account.LifecycleErrors) > 0, "hidden": account.Hidden, "unmanaged": !account.Managed,
				"scim": owner == "externalDirectory.scim", "google": owner == "externalDirectory.google",
			} {
				if is {
					count[name]++
				}
			}
			if addresses[account.Email] || strings.ContainsFunc(account.Email, func(r rune) bool { return r > '~' || r <= ' ' }) {
				t.Errorf("seed %d: address %q is there twice or is not plain", seed, account.Email)
			}
			addresses[account.Email] = true
		}
		members := make(map[string]int)
		for _, group := range box.Organisation.Groups() {
			for _, account := range box.Organisation.Accounts() {
				if slices.Contains(account.Groups, group.ID) {
					members[group.Name]++
				}
			}
		}
		if members["break-glass"] != 2 || members["jira-users"] < 150 || members["finance"] < 5 || members["finance"] > 60 {
			t.Errorf("seed %d: members %v, want 2 in break-glass, many in jira-users and some in finance", seed, members)
		}
		want := map[string]int{
			"all": 250, "inactive": 14, "app": 1, "admin": 1, "stuck": 1, "hidden": 1, "unmanaged": 14, "scim": 14, "google": 4,
		}
		if diff := cmp.Diff(want, count); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestSamplesFitTheCompany(t *testing.T) {
	box := start(t, sandbox.Config{Seed: 11})
	byAddress := make(map[string]organisation.Account)
	for _, account := range box.Organisation.Accounts() {
		byAddress[account.Email] = account
	}
	rows := make(map[string]int)
	for _, sample := range box.Samples() {
		reader := csv.NewReader(bytes.NewReader(sample.Content))
		if sample.Name == "rename-domain.csv" {
			reader.Comma = ';'
		}
		records, err := reader.ReadAll()
		if err != nil {
			t.Errorf("%s: %v", sample.Name, err)
			continue
		}
		rows[sample.Name] = len(records) - 1
		for _, person := range box.Workspace.People() {
			if person.Email != "" && bytes.Contains(sample.Content, []byte(person.Email)) {
				t.Errorf("%s names %s, who is in Slack", sample.Name, person.Email)
			}
		}
		if sample.Name != "rename-domain.csv" {
			continue
		}
		for i, record := range records[1:] {
			account, found := byAddress[record[1]]
			_, taken := byAddress[record[2]]
			ready := found && account.ID == record[0] && account.Status == "active" && account.Managed && len(account.Locks) == 0
			if !ready || taken {
				t.Errorf("%s line %d: %v is not ready: %+v, new address taken: %t", sample.Name, i+2, record, account, taken)
			}
		}
	}
	want := map[string]int{"rename-domain.csv": 40, "rename-with-bad-rows.csv": 14, "leavers.csv": 8, "mixed-actions.csv": 8}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func isEphemeral(message workspace.Message) bool { return message.Ephemeral }
