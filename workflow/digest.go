package workflow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// digestVersion changes when the canonical form below does, so that a digest of one form is never taken for another.
const digestVersion = 1

// PlanDigest is the SHA-256, in hex, of what people approve: version, organisation, batch number, requester, author,
// reason and the hashes of the steps in running order. Check texts, counts and times are not in it.
func PlanDigest(b *Batch, steps []Step) string {
	hashes := make([]string, len(steps))
	for i, s := range steps {
		hashes[i] = s.Hash()
	}
	return canonicalHash(map[string]any{
		"version":   digestVersion,
		"org_id":    b.OrgID,
		"batch":     b.Number,
		"requester": b.Requester.ID,
		"author":    b.Author.ID,
		"reason":    b.Reason,
		"steps":     hashes,
	})
}

// Hash is the SHA-256, in hex, of the step's canonical JSON. Where the step stands in the running order is not in it: the
// order of the hashes is.
func (s Step) Hash() string {
	return canonicalHash(map[string]any{
		"row":             s.Row,
		"action":          s.Action,
		"account_id":      s.AccountID,
		"directory":       s.Directory,
		"group":           s.Group,
		"expected_status": s.ExpectedStatus,
		"from":            s.From,
		"to":              s.To,
		"message":         s.Message,
	})
}

// canonicalHash hashes a JSON object with its keys sorted, no white space and nothing escaped that JSON does not ask to
// be escaped but U+2028 and U+2029 (encoding/json).
func canonicalHash(object map[string]any) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		panic(fmt.Sprintf("workflow: canonical JSON: %v", err)) // strings and numbers only: cannot fail
	}
	sum := sha256.Sum256(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	return hex.EncodeToString(sum[:])
}
