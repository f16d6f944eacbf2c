package atlassian

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// aKey is a key that must not be shown.
const aKey = "ATCTT-the-key-of-these-tests"

func TestClassify(t *testing.T) {
	t.Parallel()
	setEmail := request{operation: opSetEmail, write: true}
	disable := request{operation: opDisable, write: true}
	profile := request{operation: opProfile}
	for name, test := range map[string]struct {
		call   request
		status int
		body   string
		want   Error
	}{
		"key refused": {profile, 401, `{"key":"unauthorized"}`, Error{Kind: KindKeyRefused, Key: "unauthorized"}},
		"key refused, admin": {
			profile, 401, `{"code":401,"message":"Unauthorized"}`, Error{Kind: KindKeyRefused, Message: "Unauthorized"},
		},
		"key refused, no words": {setEmail, 401, ``, Error{Kind: KindKeyRefused}},
		"key with scopes": {
			profile, 403, `{"key":"forbidden.insufficientScope","context":{"required":["manage:org"]}}`,
			Error{Kind: KindKeyScoped, Key: "forbidden.insufficientScope"},
		},
		"key with scopes, by its words": {
			profile, 403, `{"key":"forbidden","message":"needs manage:org"}`,
			Error{Kind: KindKeyScoped, Key: "forbidden", Message: "needs manage:org"},
		},
		"not allowed": {
			setEmail, 403, `{"key":"forbidden.action","context":{"allowed":false,"reason":{"key":"externalDirectory.scim"}}}`,
			Error{Kind: KindNotAllowed, Key: "forbidden.action", ReasonKey: "externalDirectory.scim"},
		},
		"not allowed, told twice": {
			setEmail, 403, `{"key":"forbidden.action","errorKey":"externalDirectory.google","errorDetail":"synced"}`,
			Error{Kind: KindNotAllowed, Key: "forbidden.action", ReasonKey: "externalDirectory.google", Message: "synced"},
		},
		"domain": {
			setEmail, 403, `{"key":"forbidden.unclaimedDomain","context":{"domain":"other.example"}}`,
			Error{Kind: KindUnverifiedDomain, Key: "forbidden.unclaimedDomain", Domain: "other.example"},
		},
		"account not verified": {
			setEmail, 403, `{"key":"forbidden.targetUnverified"}`,
			Error{Kind: KindTargetUnverified, Key: "forbidden.targetUnverified"},
		},
		"forbidden": {profile, 403, `{"key":"forbidden"}`, Error{Kind: KindForbidden, Key: "forbidden"}},
		"forbidden by the gateway": {
			profile, 403, `{"timestamp":1,"path":"/x","status":403,"error":"Forbidden","message":"","requestId":"r"}`,
			Error{Kind: KindForbidden, Message: "Forbidden"},
		},
		"not found": {setEmail, 404, `{"key":"accountNotFound"}`, Error{Kind: KindNotFound, Key: "accountNotFound"}},
		"not found, admin": {
			profile, 404, `{"errors":[{"code":"ADMIN-404-2","title":"Not found","detail":"no such organisation"}]}`,
			Error{Kind: KindNotFound, Key: "ADMIN-404-2", Message: "no such organisation"},
		},
		"value": {
			setEmail, 400,
			`{"key":"fieldConstraintsViolated","context":{"fieldViolations":[
				{"field":"email","violations":[{"key":"validCharacters"},{"key":"partMaxLength"}]}]}}`,
			Error{
				Kind: KindInvalid, Key: "fieldConstraintsViolated",
				Violations: []string{"email: partMaxLength", "email: validCharacters"},
			},
		},
		"body": {
			setEmail, 400, `{"key":"bodyParseFailure"}`,
			Error{Kind: KindInvalid, Key: "bodyParseFailure", Violations: []string{"body: bodyParseFailure"}},
		},
		"collision by 400": {setEmail, 400, `{"key":"emailTaken"}`, Error{Kind: KindProbableCollision, Key: "emailTaken"}},
		"collision by 409": {setEmail, 409, ``, Error{Kind: KindProbableCollision}},
		"a page for 400":   {setEmail, 400, `<html>`, Error{Kind: KindProbableCollision}},
		"lifecycle": {
			disable, 409,
			`{"key":"conflict.lifecycleErrors","context":{"message":"cannot","accountId":"a","errorCodes":[
				{"code":"last-billing-admin","message":"settle it","link":"https://x.example"}]}}`,
			Error{
				Kind: KindLifecycle, Key: "conflict.lifecycleErrors", Message: "cannot",
				Lifecycle: []LifecycleError{{Code: "last-billing-admin", Message: "settle it", Link: "https://x.example"}},
			},
		},
		"lifecycle without words": {disable, 409, ``, Error{Kind: KindLifecycle}},
		"refused":                 {disable, 415, ``, Error{Kind: KindRefused}},
		"throttled":               {setEmail, 429, `{"code":"ADMIN-429-1"}`, Error{Kind: KindThrottled, Key: "ADMIN-429-1"}},
		"500 on a write":          {setEmail, 500, ``, Error{Kind: KindUnknownOutcome}},
		"503 on a write":          {disable, 503, `down`, Error{Kind: KindUnknownOutcome}},
		"408 on a write":          {setEmail, 408, ``, Error{Kind: KindUnknownOutcome}},
		"redirect on a write":     {setEmail, 307, ``, Error{Kind: KindUnknownOutcome}},
		"502 on a read":           {profile, 502, `<html>`, Error{Kind: KindUnavailable}},
		"redirect on a read":      {profile, 302, ``, Error{Kind: KindUnexpected}},
		"parts of unexpected shape": {
			setEmail, 403, `{"key":"forbidden.action","context":[1]}`, Error{Kind: KindNotAllowed, Key: "forbidden.action"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := test.want
			want.Operation, want.Status = test.call.operation, test.status
			got := classify(test.call, test.status, []byte(test.body), cleaner(aKey))
			if diff := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(Error{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !strings.HasPrefix(got.Error(), test.call.operation+": ") {
				t.Errorf("error text %q", got)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	e := Error{
		Operation: opSetEmail, Status: 403, Kind: KindNotAllowed, Key: "forbidden.action", ReasonKey: "externalDirectory.scim",
	}
	if got, want := e.Error(), "set email: not allowed: externalDirectory.scim (403 forbidden.action)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCleaner(t *testing.T) {
	t.Parallel()
	clean := cleaner(aKey)
	if got := clean("a\x00b\n" + aKey + "\xff"); got != "a b [secret]?" {
		t.Errorf("got %q", got)
	}
	if got := []rune(clean(strings.Repeat("ä", 10_000))); len(got) != maxText || got[maxText-1] != '…' {
		t.Errorf("cut to %d letters", len(got))
	}
}
