package workflow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// digestVersion changes when the canonical form below does, so that a digest of one form is never
// taken for another.
const digestVersion = 2

// PlanDigest returns the SHA-256, in hex, of what people approve: version, organisation, batch
// number, requester, author, agent, reason and the hashes of the steps in running order. Check
// texts, counts and times are not in it.
func PlanDigest(b *Batch, steps []Step) string { return hexHash(DigestText(b, steps)) }

// DigestText returns what PlanDigest is the hash of, for whoever wants to compute it without us.
func DigestText(b *Batch, steps []Step) []byte {
	hashes := make([]string, len(steps))
	for i, s := range steps {
		hashes[i] = s.Hash()
	}
	return digestText(b, hashes)
}

// digestText returns the same, of the hashes of the steps.
func digestText(b *Batch, hashes []string) []byte {
	return canonicalText(map[string]any{
		"version":   digestVersion,
		"agent":     b.Agent,
		"org_id":    b.OrgID,
		"batch":     b.Number,
		"requester": b.Requester.ID,
		"author":    b.Author.ID,
		"reason":    b.Reason,
		"steps":     hashes,
	})
}

// Hash returns the SHA-256, in hex, of the step's canonical JSON. Where the step stands in the
// running order is not in it: the order of the hashes is.
func (s Step) Hash() string { return hexHash(s.Text()) }

// Text returns what Hash is the hash of.
func (s Step) Text() []byte {
	return canonicalText(struct { // its fields in the order of their keys; encoding/json sorts those of maps
		AccountID string     `json:"account_id"`
		Action    ActionName `json:"action"`
		At        string     `json:"at"`
		Directory string     `json:"directory"`
		Expect    Values     `json:"expect"`
		Place     Place      `json:"place"`
		Row       int        `json:"row"`
		Set       Values     `json:"set"`
		Site      string     `json:"site"`
		Until     string     `json:"until"`
	}{s.AccountID, s.Action, s.At, s.Directory, orEmpty(s.Expect), s.Place, s.Row, orEmpty(s.Set), s.Site, s.Until})
}

// orEmpty spells no values as {}, not as null.
func orEmpty(v Values) Values {
	if v == nil {
		return Values{}
	}
	return v
}

// canonicalText spells a JSON object with its keys sorted (those of a struct by whoever wrote it),
// no white space and nothing escaped that JSON does not ask to be escaped but U+2028 and U+2029
// (encoding/json).
func canonicalText(object any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		panic(fmt.Sprintf("workflow: canonical JSON: %v", err)) // strings and numbers only: cannot fail
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

func hexHash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// DigestOfHashes is PlanDigest for steps whose hashes are known, in running order.
func DigestOfHashes(b *Batch, hashes []string) string { return hexHash(digestText(b, hashes)) }
