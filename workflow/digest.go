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
func PlanDigest(b *Batch, steps []Step) string { return hexHash(DigestText(b, steps)) }

// DigestText is what PlanDigest is the hash of, for whoever wants to compute it without us.
func DigestText(b *Batch, steps []Step) []byte {
	hashes := make([]string, len(steps))
	for i, s := range steps {
		hashes[i] = s.Hash()
	}
	return digestText(b, hashes)
}

// digestText is the same, of the hashes of the steps.
func digestText(b *Batch, hashes []string) []byte {
	return canonicalText(map[string]any{
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
func (s Step) Hash() string { return hexHash(s.Text()) }

// Text is what Hash is the hash of.
func (s Step) Text() []byte {
	return canonicalText(struct { // its fields in the order of their keys, for a run of many thousands
		AccountID      string        `json:"account_id"`
		Action         ActionName    `json:"action"`
		Directory      string        `json:"directory"`
		ExpectedStatus AccountStatus `json:"expected_status"`
		From           string        `json:"from"`
		Group          string        `json:"group"`
		Message        string        `json:"message"`
		Row            int           `json:"row"`
		To             string        `json:"to"`
	}{s.AccountID, s.Action, s.Directory, s.ExpectedStatus, s.From, s.Group, s.Message, s.Row, s.To})
}

// canonicalText spells a JSON object with its keys sorted (those of a struct by whoever wrote it), no white space and
// nothing escaped that JSON does not ask to be escaped but U+2028 and U+2029 (encoding/json).
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
