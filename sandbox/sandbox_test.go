package sandbox_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
)

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

// Both platforms refuse what another site's page sends, whatever it carries; slack-go's own Origin
// opens its socket and nothing else.
func TestPlatformsRefuseForeignOrigins(t *testing.T) {
	box := start(t, sandbox.Config{})
	const foreign, slackGo = "https://elsewhere.example", "https://api.slack.com"
	for _, test := range []struct {
		path, origin, site string
		refused            bool
	}{
		{"/api/auth.test", foreign, "", true},
		{"/api/auth.test", "", "cross-site", true},
		{"/api/auth.test", "null", "", true},
		{"/api/auth.test", slackGo, "", true},
		{"/api/auth.test", "", "", false},
		{"/api/auth.test", box.URL, "same-origin", false},
		{"/link/?ticket=x", foreign, "", true},
		{"/link/?ticket=x", slackGo, "", false},
		{"/files-up/x", foreign, "", true},
		{"/files-pri/x", foreign, "", true},
		{"/commands/x", foreign, "", true},
		{"/atlassian/admin/v1/orgs", foreign, "", true},
		{"/atlassian/admin/v1/orgs", slackGo, "", true},
		{"/atlassian/users/x/manage", "", "same-site", true},
		{"/atlassian/admin/v1/orgs", "", "", false},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, box.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+box.APIKey())
		for name, value := range map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site} {
			if value != "" {
				request.Header.Set(name, value)
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if refused := response.StatusCode == http.StatusForbidden; refused != test.refused {
			t.Errorf("%s from origin %q site %q: status %d, want refused %t",
				test.path, test.origin, test.site, response.StatusCode, test.refused)
		}
	}
	if calls := box.Organisation.Calls(); len(calls) != 1 {
		t.Errorf("%d calls reached the organisation, want 1", len(calls))
	}
}

// A script that knows the connection alone reaches both platforms.
func TestConnectionIsEnough(t *testing.T) {
	box := start(t, sandbox.Config{})
	known := map[string]string{}
	for line := range strings.Lines(box.Connection().Env()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		known[name] = value
	}
	site := "Basic " + base64.StdEncoding.EncodeToString([]byte(known["JIRA_EMAIL"]+":"+known["JIRA_API_TOKEN"]))
	for _, test := range []struct{ url, key, want string }{
		{known["JIRA_URL"] + "/rest/api/3/users/search", site, `"accountId"`},
		{
			known["ATLASSIAN_API_URL"] + "/scim/directory/" + known["SCIM_DIRECTORY_ID"] + "/Users", known["SCIM_KEY"],
			`"totalResults":4`,
		},
		{
			known["ATLASSIAN_API_URL"] + "/admin/v2/orgs/" + known["ATLASSIAN_ORG_ID"] + "/directories?directoryIds=" +
				known["ATLASSIAN_DIRECTORY_ID"], known["ATLASSIAN_API_KEY"], `"name":"Northwind"`,
		},
		{known["SLACK_API_URL"] + "auth.test", known["SLACK_BOT_TOKEN"], `"ok":true`},
		{known["SLACK_API_URL"] + "apps.connections.open", known["SLACK_APP_TOKEN"], `"ok":true`},
		{
			known["ATLASSIAN_API_URL"] + "/admin/v1/orgs/" + known["ATLASSIAN_ORG_ID"] + "/domains",
			known["ATLASSIAN_API_KEY"], `"data":[`,
		},
	} {
		method := http.MethodGet
		if strings.HasPrefix(test.url, known["SLACK_API_URL"]) {
			method = http.MethodPost
		}
		request, err := http.NewRequestWithContext(t.Context(), method, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+test.key)
		if test.key == site {
			request.Header.Set("Authorization", site)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || !strings.Contains(string(body), test.want) {
			t.Errorf("%s answers %s (%v), want %s", test.url, body, err, test.want)
		}
	}
	if page := box.Connection().Page; page != box.URL {
		t.Errorf("the page is %q", page)
	}
}

func TestPeopleSeeWhatIsTheirs(t *testing.T) {
	box := start(t, sandbox.Config{})
	first := look(t, box, "", "", "")
	if first.Person != sandbox.Hana || first.Channel != sandbox.Requests {
		t.Errorf("first look: %s in %s, want %s in %s", first.Person, first.Channel, sandbox.Hana, sandbox.Requests)
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

func isEphemeral(message workspace.Message) bool { return message.Ephemeral }
