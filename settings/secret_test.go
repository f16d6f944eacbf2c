package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v4"
)

func TestSecretShowsNothing(t *testing.T) {
	t.Parallel()
	const token = "xoxb-hunter2"
	secret := NewSecret(token)
	cfg := &Config{Slack: Slack{BotToken: secret}}
	hidden := struct{ cfg Config }{*cfg} // fmt calls no methods of what it reaches through an unexported field
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10s"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n"+verb+"\n", secret, cfg, hidden)
	}
	log := zerolog.New(&out)
	log.Info().Interface("secret", secret).Stringer("text", secret).Any("config", cfg).Send()
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, func(v any) ([]byte, error) { return yaml.Dump(v) }} {
		text, err := marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	if got := out.String(); strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", token)) {
		t.Errorf("shows the secret:\n%s", got)
	}
	if !strings.Contains(out.String(), secretMask) {
		t.Errorf("shows no %s either:\n%s", secretMask, out.String())
	}
	if secret.Reveal() != token || secret.IsZero() || !(Secret{}).IsZero() || (Secret{}).Reveal() != "" {
		t.Error("the secret does not hold what it was given")
	}
}
