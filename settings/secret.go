package settings

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
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

// NewSecret wraps a token; an empty one gives the zero Secret.
func NewSecret(text string) Secret {
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

// IsZero reports whether no secret was given.
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

// longestSecret bounds a secret's file: what is longer is no token, and perhaps no file that ends.
const longestSecret = 64 << 10

// secret reads a token from key or from the file that key_file names. Only a command that needs it does so: for the others
// it may be missing in any way, its variable not set or its file not there.
func (s section) secret(key string, tag reflect.StructTag, to reflect.Value) {
	byFile := key + "_file"
	direct, file := s.filled(key), s.filled(byFile)
	if direct && file {
		s.problem(byFile, "is given together with "+key, "keep one of the two")
		return
	}
	if s.need&needs[tag.Get("need")] == 0 {
		return
	}
	if !direct && !file {
		env := strings.ToUpper(strings.ReplaceAll(s.full(key), ".", "_"))
		s.problem(key, "is missing", fmt.Sprintf("set it to ${%s} and export that, or give %s: path", env, byFile))
		return
	}
	from := key
	if file {
		from = byFile
	}
	node, line := s.find(from)
	wrong := func(what, remedy string) { s.reader.problem(line, s.full(from), what, remedy) }
	var text string
	if !s.scalar(from, "", node, line, reflect.ValueOf(&text).Elem()) {
		return
	}
	if file {
		what, remedy := "", ""
		if text, what, remedy = readSecret(resolve(s.dir, text)); what != "" {
			wrong(what, remedy)
			return
		}
	}
	secret, what, remedy := token(text)
	switch prefix := tag.Get("prefix"); {
	case what != "":
		wrong(what, remedy)
	case !strings.HasPrefix(text, prefix):
		wrong("does not begin with "+prefix, "Slack shows tokens of several kinds; take the one that does")
	default:
		to.Set(reflect.ValueOf(secret))
	}
}

// token wraps a text that can be a token; what is "" unless it cannot.
func token(text string) (secret Secret, what, remedy string) {
	if strings.ContainsFunc(text, func(letter rune) bool { return letter <= ' ' || letter > '~' }) {
		return Secret{}, "has a space, a line break or another letter that no token has", "copy it again"
	}
	return NewSecret(text), "", ""
}

// ParseSecret takes a text for a token as the settings would.
func ParseSecret(text string) (Secret, error) {
	secret, what, remedy := token(text)
	if what != "" {
		return Secret{}, errors.New(what + "; " + remedy)
	}
	return secret, nil
}

// ReadSecret reads the file of a token as the settings would, relative to the working directory.
func ReadSecret(path string) (Secret, error) {
	text, what, remedy := readSecret(path)
	if what != "" {
		return Secret{}, errors.New(what + "; " + remedy)
	}
	return ParseSecret(text)
}

// readSecret reads a file that holds a token alone; what is "" unless it cannot be used.
func readSecret(path string) (text, what, remedy string) {
	const alone = "give the path of a file with the token alone"
	file, err := os.Open(path) // the settings name it
	if err != nil {
		return "", "cannot be read: " + reason(err), alone
	}
	defer func() { _ = file.Close() }()
	bytes, err := io.ReadAll(io.LimitReader(file, longestSecret))
	if err != nil {
		return "", "cannot be read: " + reason(err), alone
	}
	if text = strings.TrimRight(string(bytes), "\r\n"); text == "" {
		return "", "names an empty file", "put the token in it"
	}
	return text, "", ""
}
