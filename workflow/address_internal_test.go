package workflow

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// An address that is taken for one like nearly all has nothing wrong with it, whoever looks closely:
// the short way and the long way agree.
func TestPlainAddressesHaveNoProblem(t *testing.T) {
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	parts := []string{
		"a", "Z", "9", "-", "_", "+", ".", ".", "@", "xn--", "example", "'", "*", "`", "\"", " ", "ß", "\u3002", "\uff0e", "|", ":", "\x7f", "\x00",
		strings.Repeat("x", 120),
	}
	plain := 0
	for range 200_000 {
		var b strings.Builder
		for range 1 + dice.IntN(9) {
			b.WriteString(parts[min(dice.IntN(len(parts)), dice.IntN(len(parts)))])
		}
		if dice.IntN(2) == 0 {
			b.WriteString("@b.example")
		}
		address := b.String()
		if !plainAddress(address) {
			continue
		}
		plain++
		if what := newAddressProblem(address); what != "" {
			t.Fatalf("seed %d: %q is taken for an ordinary address, and it %s", seed, address, what)
		}
	}
	if plain < 1000 {
		t.Errorf("seed %d: only %d addresses were ordinary", seed, plain)
	}
	for _, address := range []string{"ada@example.com", "ada.l-o_v+e@a-b.c9.example"} {
		if !plainAddress(address) {
			t.Errorf("%s goes the long way", address)
		}
	}
}
