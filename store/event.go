package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
)

// MomentForm is how a moment is spelled where it is text, in UTC. It has a fixed width, so that
// moments sort as text.
const MomentForm = "2006-01-02T15:04:05.000000000Z"

// Moment spells a moment; "" for the zero time.
func Moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(MomentForm)
}

// Entry is an event as it stands in the log. The hash covers everything but itself, and by Prev all
// that came before.
type Entry struct {
	Seq   int64
	At    string // MomentForm
	Batch int64
	Row   int64
	Actor string
	Kind  string
	Data  string // canonical JSON
	Prev  string // the hash before, "" for the first
	Hash  string
}

// Text returns what is hashed: the entry without its hash as JSON with its keys sorted and no white
// space. The facts stand in it as they are stored, to the letter, so that nothing about them can be
// changed.
func (e *Entry) Text() []byte { return e.appendText(make([]byte, 0, 280+len(e.Data))) }

func (e *Entry) appendText(out []byte) []byte {
	out = append(out, `{"actor":`...)
	out = AppendText(out, e.Actor)
	out = append(out, `,"at":`...)
	out = AppendText(out, e.At)
	out = append(out, `,"batch":`...)
	out = strconv.AppendInt(out, e.Batch, 10)
	out = append(out, `,"data":`...)
	out = append(out, e.Data...)
	out = append(out, `,"kind":`...)
	out = AppendText(out, e.Kind)
	out = append(out, `,"prev":`...)
	out = AppendText(out, e.Prev)
	out = append(out, `,"row":`...)
	out = strconv.AppendInt(out, e.Row, 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, e.Seq, 10)
	return append(out, '}')
}

// Sum returns the SHA-256, in hex, of the text.
func (e *Entry) Sum() string { return HexSum(e.Text()) }

// Line returns the entry as Log.Events gives it.
func (e *Entry) Line() []byte {
	line := e.Text()
	return append(AppendText(append(line[:len(line)-1], `,"hash":`...), e.Hash), "}\n"...)
}

// HexSum returns the SHA-256, in hex.
func HexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Canonical spells a value in one way: keys sorted, no white space, numbers as they were, nothing
// escaped that need not be but U+2028 and U+2029 (encoding/json).
func Canonical(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// Text spells a value as JSON, with & and < as they are, for people who read it in the database.
// The types are ours and of strings, numbers and times, which always encode.
func Text(v any) string {
	spelled, err := Canonical(v)
	if err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", v, err)) // a fault of this program, not of any input
	}
	return spelled
}

// Facts returns the canonical form of an event's facts, with what the event proves of the tables
// where there is such.
func Facts(e workflow.Event, c *Checksum) (string, error) {
	object := map[string]any{}
	if len(e.Data) > 0 {
		dec := json.NewDecoder(bytes.NewReader(e.Data))
		dec.UseNumber()
		if err := dec.Decode(&object); err != nil {
			return "", err
		}
	}
	if !c.Empty() {
		object[checksumMember] = c
	}
	return Canonical(object)
}
