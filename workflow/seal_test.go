package workflow_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// words returns those of the list as it lies in the tree.
func words(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("seal.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

// sealOf is Seal, written again from docs/digest.md: the first 15 hex digits as one number, six
// digits of it to the base 1,024.
func sealOf(t *testing.T, digest string) string {
	t.Helper()
	list := words(t)
	n, ok := new(big.Int).SetString(digest[:15], 16)
	if !ok {
		t.Fatalf("%q is no digest", digest)
	}
	out := make([]string, 6)
	for i := 5; i >= 0; i-- {
		rest := new(big.Int)
		n.QuoRem(n, big.NewInt(1024), rest)
		out[i] = list[rest.Int64()]
	}
	return strings.Join(out, " ")
}

func TestSeal(t *testing.T) {
	list := words(t)
	first, last := list[0], list[len(list)-1]
	for digest, want := range map[string]string{
		strings.Repeat("0", 64): strings.TrimSpace(strings.Repeat(first+" ", 6)),
		strings.Repeat("f", 64): strings.TrimSpace(strings.Repeat(last+" ", 6)),
		"":                      "",
		"abc":                   "",
		"0123456789abcd":        "", // too short to be one
		strings.Repeat("x", 64): "",
	} {
		if got := workflow.Seal(digest); got != want {
			t.Errorf("seal of %q is %q, want %q", digest, got, want)
		}
	}
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		sum := sha256.Sum256(fmt.Append(nil, dice.Uint64()))
		digest := hex.EncodeToString(sum[:])
		if got, want := workflow.Seal(digest), sealOf(t, digest); got != want {
			t.Fatalf("seed %d: seal of %s is %q, want %q", seed, digest, got, want)
		}
		// Any of the first 15 digits is in it.
		i := dice.IntN(15)
		other := digest[:i] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", digest[i])+1)%16]) + digest[i+1:]
		if workflow.Seal(other) == workflow.Seal(digest) {
			t.Fatalf("seed %d: %s and %s have one seal", seed, digest, other)
		}
	}
}

// The list never changes: two people who compare may run different versions, and old cards are read
// years later.
func TestSealWordsStay(t *testing.T) {
	raw, err := os.ReadFile("seal.txt")
	if err != nil {
		t.Fatal(err)
	}
	const want = "0dbf1a98dded1a2c968536cc4d9bf64d806e1b67b44432bdcc35411faab2caf7"
	if sum := fmt.Sprintf("%x", sha256.Sum256(raw)); sum != want {
		t.Errorf("seal.txt has the SHA-256 %s, want %s", sum, want)
	}
}

func TestSealWordsAreApart(t *testing.T) {
	list := words(t)
	if len(list) != 1024 {
		t.Fatalf("%d words, want 1,024", len(list))
	}
	plain := regexp.MustCompile(`^[a-z]{4,9}$`)
	heard := map[string]string{}
	for i, w := range list {
		if !plain.MatchString(w) {
			t.Errorf("%q is not 4 to 9 small letters", w)
		}
		if i > 0 && list[i-1] >= w {
			t.Errorf("%q stands behind %q", w, list[i-1])
		}
		if other, twice := heard[sound(w)]; twice {
			t.Errorf("%q sounds like %q", w, other)
		}
		heard[sound(w)] = w
		for _, other := range list[:i] {
			if strings.HasPrefix(w, other) || strings.HasPrefix(other, w) {
				t.Errorf("%q begins with %q", w, other)
			}
			if len(w)-len(other) <= 1 && len(other)-len(w) <= 1 && letters(w, other) < 2 {
				t.Errorf("%q and %q differ in one letter", w, other)
			}
		}
	}
}

// sound is roughly what is left of a word on a bad line: its consonants, those that are taken for
// each other as one, and the number of its syllables.
func sound(word string) string {
	vowels := regexp.MustCompile(`[aeiouy]+`)
	s := word
	for _, pair := range [][2]string{
		{"ph", "f"},
		{"gh", ""},
		{"wh", "w"},
		{"kn", "n"},
		{"wr", "r"},
		{"ck", "k"},
		{"qu", "kw"},
		{"x", "ks"},
		{"sch", "sk"},
		{"tch", "c"},
		{"ch", "c"},
		{"sh", "s"},
		{"th", "t"},
		{"ce", "se"},
		{"ci", "si"},
		{"cy", "sy"},
	} {
		s = strings.ReplaceAll(s, pair[0], pair[1])
	}
	s = strings.NewReplacer("c", "k", "z", "s", "v", "f", "d", "t", "b", "p", "g", "k", "j", "k", "m", "n").Replace(s)
	begin := s[:1]
	if vowels.MatchString(begin) {
		begin = "a"
	}
	s = begin + strings.NewReplacer("h", "", "w", "").Replace(vowels.ReplaceAllString(s[1:], ""))
	var out strings.Builder
	for i := range len(s) {
		if i == 0 || s[i] != s[i-1] {
			out.WriteByte(s[i])
		}
	}
	return fmt.Sprintf("%s%d", out.String(), len(vowels.FindAllString(strings.TrimSuffix(word, "e"), -1)))
}

// letters returns how many letters have to be put in, taken out or exchanged to make one word of
// the other.
func letters(a, b string) int {
	before := make([]int, len(b)+1)
	for i := range before {
		before[i] = i
	}
	for i := range len(a) {
		now := make([]int, len(b)+1)
		now[0] = i + 1
		for j := range len(b) {
			change := before[j]
			if a[i] != b[j] {
				change++
			}
			now[j+1] = min(before[j+1]+1, now[j]+1, change)
		}
		before = now
	}
	return before[len(b)]
}
