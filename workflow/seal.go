package workflow

import (
	_ "embed"
	"encoding/hex"
	"strings"
)

const (
	// SealWords is how many words a seal has.
	SealWords = 6
	// sealBits is how many bits of the digest a word stands for: there are 1,024 words.
	sealBits = 10
)

// sealText holds the words of seals, one a line. The list is part of what people compare: it never
// changes.
//
//go:embed seal.txt
var sealText string

// SealList returns the words of seals, one a line, for whoever wants to compute a seal without us.
func SealList() string { return sealText }

// Seal returns a digest in words that two people can compare by voice, "" for what is no digest:
// its first 60 bits, ten to a word of seal.txt. The words are common, differ in at least two
// letters, none begins another, and no two sound alike when a bad line blurs vowels and makes b of
// p; a test holds the list to that.
//
// 60 bits, for somebody who may put anything into a plan (a reason, a row more) can try plans until
// one has the seal of another: 2^60 tries at 10^10 a second, a large graphics card, are more than
// three years, and an undecided plan lives for a day (approval.expires_after). Five words, 50 bits,
// would be one card's day and a half; four of 256 seconds. Two plans of one's own with the same
// seal cost 2^30 tries, which is nothing, and are worth as little: a number has one plan, and what
// a seal is compared with comes from countersign. Whoever draws what people see can draw any seal,
// too; against that the whole digest is computed from the database (audit batch), and machines
// never compare seals.
func Seal(digest string) string {
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw)*8 < SealWords*sealBits {
		return ""
	}
	list := strings.Fields(sealText)
	words := make([]string, 0, SealWords)
	number, bits := 0, 0
	for _, octet := range raw {
		number, bits = number<<8|int(octet), bits+8
		if bits < sealBits {
			continue
		}
		bits -= sealBits
		words = append(words, list[number>>bits])
		number &= 1<<bits - 1
		if len(words) == SealWords {
			break
		}
	}
	return strings.Join(words, " ")
}
