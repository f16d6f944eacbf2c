package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
)

// secretMask is what a Secret shows of itself.
const secretMask = "[secret]"

// Secret is a token or key. However it is printed, logged or marshalled it shows "[secret]"; only Reveal gives it away.
// The zero value is no secret. The text hangs on a pointer so that printing a struct around it by reflection, which
// cannot call methods of unexported fields, shows an address and not the token.
type Secret struct{ text *string }

var (
	_ fmt.Formatter          = Secret{}
	_ fmt.GoStringer         = Secret{}
	_ encoding.TextMarshaler = Secret{}
	_ json.Marshaler         = Secret{}
)

// newSecret wraps a token; an empty one gives the zero Secret.
func newSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the token itself, "" when there is none. It is for the call that authenticates, and for nothing else.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says that no secret was given.
func (s Secret) IsZero() bool { return s.text == nil }

// String returns the mask.
func (s Secret) String() string { return secretMask }

// GoString returns the mask.
func (s Secret) GoString() string { return secretMask }

// Format prints the mask whatever the verb and its flags.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secretMask) }

// MarshalText returns the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(secretMask), nil }

// MarshalJSON returns the mask as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + secretMask + `"`), nil }
