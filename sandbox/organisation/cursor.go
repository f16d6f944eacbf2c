package organisation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// makeCursor returns an opaque page cursor of a kind ("users", "search", …) that carries its own
// position, so that nothing is kept for a page that nobody fetches. It is signed: a cursor that a
// client makes up, or takes from another list, is refused as the platform refuses it.
func (o *Organisation) makeCursor(kind string, position any) string {
	text, err := json.Marshal(position)
	if err != nil {
		return "" // positions are plain structs of this package
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + o.sign(kind, text)
}

// readCursor reads a cursor of this kind into position, and reports whether it is one.
func (o *Organisation) readCursor(kind, cursor string, position any) bool {
	encoded, signature, _ := strings.Cut(cursor, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !hmac.Equal([]byte(signature), []byte(o.sign(kind, text))) {
		return false
	}
	return json.Unmarshal(text, position) == nil
}

func (o *Organisation) sign(kind string, text []byte) string {
	sum := hmac.New(sha256.New, o.secret)
	sum.Write([]byte(kind + "\n"))
	sum.Write(text)
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12])
}
