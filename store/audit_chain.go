package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// auditChain walks through the log from its first event, and has each event taken in where the chain
// is whole up to it.
func auditChain(from Source, a *Audited, anchors, inner []Head, take func(*Entry) error) error {
	wanted := anchored{told: map[Head]bool{}}
	wanted.add(anchors, "the log does not have the head that was given")
	wanted.add(inner, "the log does not have the head that a report ended with")
	var buf []byte
	before := len(a.Findings)
	for e, err := range from.Entries(0) {
		if err != nil {
			return err
		}
		buf = e.appendText(buf[:0])
		if what := chainFault(&e, buf, a.Head); what != "" {
			a.Find(Finding{Seq: e.Seq, Batch: e.Batch, What: what})
		}
		a.Head = Head{Seq: e.Seq, Hash: e.Hash}
		a.note(&e)
		wanted.pass(a.Head)
		if len(a.Findings) == before {
			if err := take(&e); err != nil {
				return err
			}
		}
	}
	heads, err := from.Heads()
	if err != nil {
		return err
	}
	auditEnd(heads, a)
	wanted.report(a)
	return nil
}

// note keeps what an event says of numbers that no batch has and of lists, until the tables are
// compared.
func (a *Audited) note(e *Entry) {
	switch e.Kind {
	case EventSkipped:
		var s Skipped
		if err := json.Unmarshal([]byte(e.Data), &s); err != nil {
			a.Find(Finding{Seq: e.Seq, What: "its facts cannot be read"})
		}
		a.skipped = append(a.skipped, s)
	case EventCompared:
		c, err := e.comparison()
		if err != nil {
			a.Find(Finding{Seq: e.Seq, What: "its facts cannot be read"})
		}
		if _, twice := a.compared[c.Number]; twice {
			a.Find(Finding{Seq: e.Seq, What: fmt.Sprintf("numbers comparison %d, which was numbered before", c.Number)})
		}
		if a.compared == nil {
			a.compared = map[int]toldComparison{}
		}
		a.compared[c.Number] = toldComparison{c, e.Seq}
	}
}

// chainFault returns what is wrong with an event of that text that stands behind the given one.
func chainFault(e *Entry, text []byte, before Head) string {
	sum := sha256.Sum256(text)
	var spelled [2 * sha256.Size]byte
	hex.Encode(spelled[:], sum[:])
	_, badTime := time.Parse(MomentForm, e.At)
	switch {
	case e.Seq != before.Seq+1:
		return fmt.Sprintf("comes after event %d; what stood between is missing", before.Seq)
	case e.Prev != before.Hash:
		return "does not follow from the event before it"
	case e.Hash != string(spelled[:]), badTime != nil, !json.Valid([]byte(e.Data)):
		return "is not what was written"
	}
	return ""
}

// auditEnd compares the end of the log with the heads that are kept apart from it, the latest
// first: there is one.
func auditEnd(heads []Head, a *Audited) {
	var kept Head
	if len(heads) > 0 {
		kept = heads[0]
	}
	switch {
	case len(heads) > 1:
		a.Find(Finding{Seq: kept.Seq, What: "is one of several ends that are kept apart from the log, where there is one"})
	case kept == a.Head:
	case kept.Seq > a.Head.Seq:
		what := fmt.Sprintf("is missing, and all behind it up to event %d: the log was cut off", kept.Seq)
		a.Find(Finding{Seq: a.Head.Seq + 1, What: what})
	default:
		a.Find(Finding{Seq: a.Head.Seq, What: "is not the end that was kept apart from the log"})
	}
}

// anchored are heads that the log must have.
type anchored struct {
	heads []Head
	what  map[Head]string
	told  map[Head]bool
}

func (w *anchored) add(heads []Head, what string) {
	if w.what == nil {
		w.what = map[Head]string{}
	}
	for _, h := range heads {
		w.heads = append(w.heads, h)
		w.what[h] = what
	}
}

// pass adds an event of the log to the chain. A head may be given by the beginning of its hash, and
// without its number.
func (w *anchored) pass(have Head) {
	for _, h := range w.heads {
		if (h.Seq == 0 || h.Seq == have.Seq) && strings.HasPrefix(have.Hash, h.Hash) {
			w.told[h] = true
		}
	}
}

func (w *anchored) report(a *Audited) {
	for _, h := range w.heads {
		if !w.told[h] {
			a.Find(Finding{Seq: h.Seq, What: fmt.Sprintf("%s (%s…): events were taken away or written anew", w.what[h], cut(h.Hash))})
		}
	}
}

func cut(hash string) string { return hash[:min(len(hash), 12)] }
