package workflow

import (
	"testing"
	"time"
)

// Who did it: batches first, then the latest event that names the account, fits the field and lies
// between the nights; what fits nothing explains nothing.
func TestWhoDid(t *testing.T) {
	night := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time { return night.Add(time.Duration(hours) * time.Hour) }
	ada := LogActor{ID: "712020:ada", Name: "Ada Lang", Email: "ada@example.com"}
	key := func(id, label string) LogActor {
		return LogActor{ID: "k", Name: "API key", TokenID: id, TokenLabel: label}
	}
	event := func(hours int, who LogActor, toward Toward, fits ...Field) Logged {
		return Logged{At: at(hours), Actor: who, Fits: fits, Toward: toward}
	}
	rename := func(hours int, to string, proved bool) Deed {
		return Deed{Action: Rename, Set: Of(FieldEmail, to), Began: at(hours), Ended: at(hours), Batch: 42, Proved: proved}
	}
	email := Differing{Field: FieldEmail, To: "new@example.com"}
	status := func(to string) Differing { return Differing{Field: FieldStatus, To: to} }
	for _, test := range []struct {
		name   string
		trail  Trail
		differ Differing
		want   string
		hours  int
	}{
		{"nobody", Trail{}, email, NotByUs, 0},
		{"a person", Trail{Events: []Logged{event(5, ada, "", FieldEmail)}}, email, "person: Ada Lang", 5},
		{"the latest", Trail{Events: []Logged{event(5, ada, "", FieldEmail), event(6, key("t", "bot"), "", FieldEmail)}}, email, "key: bot", 6},
		{"before the night", Trail{Events: []Logged{event(-1, ada, "", FieldEmail)}}, email, NotByUs, 0},
		{"after the night", Trail{Events: []Logged{event(26, ada, "", FieldEmail)}}, email, NotByUs, 0},
		{"while it was read", Trail{Events: []Logged{event(25, ada, "", FieldEmail)}}, email, "person: Ada Lang", 25},
		{"before that rather", Trail{Events: []Logged{event(3, key("t", ""), "", FieldEmail), event(25, ada, "", FieldEmail)}}, email, "key: t", 3},
		{"another field", Trail{Events: []Logged{event(5, ada, "", FieldName, FieldStatus)}}, email, NotByUs, 0},
		{"a batch first", Trail{Deeds: []Deed{rename(4, "New@example.com", true)}, Events: []Logged{event(5, ada, "", FieldEmail)}}, email, "#42", 4},
		{"a batch to another address", Trail{Deeds: []Deed{rename(4, "other@example.com", true)}, Events: []Logged{event(5, ada, "", FieldEmail)}}, email, "person: Ada Lang", 5},
		{"a batch of last week", Trail{Deeds: []Deed{rename(-100, "new@example.com", true)}}, email, NotByUs, 0},
		{"our key alone", Trail{Events: []Logged{event(5, key("own", "countersign"), "", FieldEmail)}, Own: Keys{"own": "countersign"}}, email, "key: countersign (ours, no batch)", 5},
		{"our key, seen late", Trail{Deeds: []Deed{rename(5, "new@example.com", false)}, Events: []Logged{event(5, key("own", "countersign"), "", FieldEmail)}, Own: Keys{"own": "countersign"}}, email, "#42", 5},
		{"another after a failure", Trail{Deeds: []Deed{rename(5, "new@example.com", false)}, Events: []Logged{event(6, ada, "", FieldEmail)}}, email, "person: Ada Lang", 6},
		{"a key called as ours", Trail{Events: []Logged{event(5, key("t", "countersign"), "", FieldEmail)}, Own: Keys{"own": "countersign"}}, email, "key: countersign (t)", 5},
		{"a provider", Trail{Events: []Logged{event(5, LogActor{ID: "x", Name: "Okta", AppID: "a", AppType: "identity-provider"}, "", FieldEmail)}}, email, "identity provider", 5},
		{"an app", Trail{Events: []Logged{event(5, LogActor{ID: "x", Name: "Sync", AppID: "a"}, "", FieldEmail)}}, email, "app: Sync", 5},
		{"an unknown kind", Trail{Events: []Logged{event(5, LogActor{ID: "x", Name: "SCIM", Auth: "wand"}, "", FieldEmail)}}, email, "actor: SCIM", 5},
		{"no person", Trail{Events: []Logged{event(5, LogActor{ID: "system", Name: "Okta"}, "", FieldEmail)}}, email, "actor: Okta", 5},
		{"the wrong way", Trail{Events: []Logged{event(5, ada, TowardLess, FieldStatus)}}, status("active"), NotByUs, 0},
		{"the right way", Trail{Events: []Logged{event(5, ada, TowardLess, FieldStatus)}}, status("inactive"), "person: Ada Lang", 5},
		{"deactivated, no seat", Trail{Deeds: []Deed{{Action: Deactivate, Set: Of(FieldStatus, "inactive"), Ended: at(4), Batch: 7, Proved: true}}}, Differing{Field: FieldBillable, To: "false"}, "#7", 4},
		{"activated, no seat", Trail{Deeds: []Deed{{Action: Activate, Ended: at(4), Batch: 7, Proved: true}}}, Differing{Field: FieldBillable, To: "false"}, NotByUs, 0},
		{"out of a group", Trail{Deeds: []Deed{{Action: GroupRemove, Ended: at(4), Batch: 7, Proved: true}}}, Differing{Field: FieldProducts, Lost: true}, "#7", 4},
		{"deleted two weeks ago", Trail{Deeds: []Deed{{Action: Delete, Began: at(-14 * 24), Ended: at(-14 * 24), Batch: 7, Proved: true}}}, Differing{Field: FieldGone}, "#7", -14 * 24},
		{"invited", Trail{Deeds: []Deed{{Action: Invite, Began: at(1), Ended: at(1), Batch: 7, Proved: true}}}, Differing{Field: FieldNew}, "#7", 1},
	} {
		test.differ.Since, test.differ.Until, test.differ.Read = night, at(24), at(25)
		who, when := test.trail.WhoDid(test.differ)
		if who.String() != test.want || who.Known() && !when.Equal(at(test.hours)) {
			t.Errorf("%s: %s at %s, want %s", test.name, who, when, test.want)
		}
	}
}

// Our key is learned from the events that our own proved steps left, and from nothing else.
func TestLearnKeys(t *testing.T) {
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	deed := Deed{Action: Rename, Began: noon, Ended: noon.Add(5 * time.Second), Proved: true}
	event := func(after time.Duration, token string, fits Field) Logged {
		return Logged{At: noon.Add(after), Fits: []Field{fits}, Actor: LogActor{TokenID: token, TokenLabel: "label of " + token}}
	}
	for _, test := range []struct {
		name   string
		trail  Trail
		learns string
	}{
		{"its event", Trail{Deeds: []Deed{deed}, Events: []Logged{event(time.Second, "a", FieldEmail)}}, "a"},
		{"a person's", Trail{Deeds: []Deed{deed}, Events: []Logged{event(time.Second, "", FieldEmail)}}, ""},
		{"of another field", Trail{Deeds: []Deed{deed}, Events: []Logged{event(time.Second, "a", FieldName)}}, ""},
		{"much later", Trail{Deeds: []Deed{deed}, Events: []Logged{event(time.Hour, "a", FieldEmail)}}, ""},
		{"two keys", Trail{Deeds: []Deed{deed}, Events: []Logged{event(0, "a", FieldEmail), event(0, "b", FieldEmail)}}, ""},
		{"not proved", Trail{Deeds: []Deed{{Action: Rename, Began: noon, Ended: noon}}, Events: []Logged{event(0, "a", FieldEmail)}}, ""},
	} {
		learned := test.trail.LearnKeys()
		if label, ok := learned[test.learns]; ok != (test.learns != "") || len(learned) > 1 || ok && label != "label of "+test.learns {
			t.Errorf("%s: learned %v, want %q", test.name, learned, test.learns)
		}
	}
}
