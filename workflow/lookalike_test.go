package workflow

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                                 "plain",
		"two\nlines":                            "two\nlines",
		"Zoë Müller 李":                          "Zoë Müller 李",
		"a\u202etxt.exe":                        "a[U+202E]txt.exe",
		"a\u2066b\u2069":                        "a[U+2066]b[U+2069]",
		"ad\u200bmin":                           "ad[U+200B]min",
		"ad\u200dmin":                           "ad[U+200D]min",
		"\ufeffx":                               "[U+FEFF]x",
		"a\u00adb":                              "a[U+00AD]b",
		"a\u3164b":                              "a[U+3164]b",
		"a\u2800b":                              "a[U+2800]b",
		"x\u2028y":                              "x[U+2028]y",
		"esc\x1b[31m":                           "esc[U+001B][31m",
		"nul\x00":                               "nul[U+0000]",
		"\U000e0041":                            "[U+E0041]",
		"می\u200cخواهم":                         "می\u200cخواهم", // Persian needs it
		"👩\u200d💻 ❤\ufe0f":                      "👩\u200d💻 ❤\ufe0f",
		"Z\u0301\u0302\u0303\u0304\u0305\u0306": "Z\u0301\u0302\u0303\u0304[U+0305][U+0306]",
		"broken \xff byte":                      "broken \ufffd byte",
	} {
		if got := EscapeInvisible(text); got != want {
			t.Errorf("EscapeInvisible(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\u202eb\u200b \xff é́́́́́ 👩\u200d💻")
	f.Fuzz(func(t *testing.T, text string) {
		shown := EscapeInvisible(text)
		if !utf8.ValidString(shown) {
			t.Errorf("%q gives broken text %q", text, shown)
		}
		for _, r := range "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff\x00\x1b\u2028\u2029" {
			if strings.ContainsRune(shown, r) {
				t.Errorf("%q still has %U: %q", text, r, shown)
			}
		}
		_ = CutAt(text, 5)
	})
}

func TestLookalike(t *testing.T) {
	ours := []string{"example.com", "northwind.example", "müller.example", "modern.example"}
	for domain, want := range map[string]string{
		"example.com":           "",
		"exаmple.com":           "example.com", // Cyrillic а
		"xn--exmple-4nf.com":    "example.com", // the same, as it is sent
		"ехамрӏе.com":           "example.com", // all Cyrillic
		"examp1e.com":           "example.com",
		"exarnple.com":          "example.com",
		"exámple.com":           "example.com",
		"exmple.com":            "example.com", // one letter is missing
		"ｅｘａｍｐｌｅ.com":           "",            // is the verified one, in wide letters
		"northvvind.example":    "northwind.example",
		"xn--mller-kva.example": "", // is the verified one, as it is sent
		"rnodern.example":       "modern.example",
		"mödern.example":        "modern.example",
		"another.example":       "",
		"a.b":                   "",
		"":                      "",
	} {
		if got := newLooks(ours).like(domain); got != want {
			t.Errorf("like(%q) = %q, want %q", domain, got, want)
		}
	}
}

func TestOddAddress(t *testing.T) {
	ours := []string{"example.com", "exarnple.com", "пример.example", "müller.example"}
	for address, want := range map[string]string{
		"ann@northwind.example":       "",
		"ann_o'hara+1@müller.example": "",
		"jürgen@müller.example":       "",
		"иван@пример.example":         "",
		"аnn@northwind.example":       "Cyrillic letters among others (U+0430)",
		"рорѕ@northwind.example":      "Cyrillic letters that look like Latin ones (U+0440 U+043E U+0440 U+0455)",
		"ａnn@northwind.example":       "letters of another shape for ann",
		"ann@exаmple.com":             "Cyrillic letters among others (U+0430) in the domain exаmple.com (xn--exmple-4nf.com)",
		"ann@xn--exmple-4nf.com":      "Cyrillic letters among others (U+0430) in the domain exаmple.com (xn--exmple-4nf.com)",
		"ann@example.com":             "the domain example.com looks like exarnple.com",
		"田中@northwind.example":        "",
		"no address":                  "",
	} {
		if got := OddAddress(address, ours); got != want {
			t.Errorf("OddAddress(%q) = %q, want %q", address, got, want)
		}
	}
}

// What a domain looks like is computed once, however many rows have it, whatever is asked about it,
// and however many verified domains there are.
func TestEachDomainIsLookedAtOnce(t *testing.T) {
	const ours, others, rows = 300, 500, 3
	drawn := map[string]int{}
	l := newLooksBy(func(name string) string {
		drawn[name]++
		return skeleton(name)
	}, manyDomains("verified", ours))
	for range rows {
		for _, domain := range manyDomains("other", others) {
			_, _ = l.like(domain), l.odd("ann@"+domain)
		}
	}
	if len(drawn) != ours+others {
		t.Errorf("%d domains were looked at, want %d", len(drawn), ours+others)
	}
	for name, n := range drawn {
		if n > 1 {
			t.Errorf("%s was looked at %d times", name, n)
		}
	}
}

func manyDomains(word string, n int) []string {
	domains := make([]string, n)
	for i := range domains {
		domains[i] = fmt.Sprintf("%s-%05d.müller.example", word, i)
	}
	return domains
}

// Held against 300 verified domains, 5,000 others cost not much more than looking at each once.
func BenchmarkLookalikes(b *testing.B) {
	ours, others := manyDomains("verified", 300), manyDomains("other", 5000)
	var once, all time.Duration
	for b.Loop() {
		start := time.Now()
		for _, domain := range others {
			_, _ = skeleton(inLetters(DomainKey(domain))), oddWord(domain)
		}
		once += time.Since(start)
		start = time.Now()
		l := newLooks(ours)
		for _, domain := range others {
			_, _ = l.like(domain), l.odd("ann@"+domain)
		}
		all += time.Since(start)
	}
	b.ReportMetric(float64(all)/float64(once), "passes")
}

func TestOneSlip(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"example", "example"}: false, {"example", "exmple"}: true, {"exmple", "example"}: true, {"exsmple", "example"}: true,
		{"exmaple", "example"}:  true, //nolint:misspell // that is the point
		{"examplee", "example"}: true, {"exampleee", "example"}: false, {"elampxe", "example"}: false,
		{"exmpel", "example"}: false, {"", "a"}: true, {"", ""}: false, {"münchen", "munchen"}: true, {"aab", "aba"}: true,
	} {
		if got := oneSlip([]rune(pair[0]), []rune(pair[1])); got != want {
			t.Errorf("%q and %q: %v", pair[0], pair[1], got)
		}
		if got := editDistance(pair[0], pair[1]) == 1; got != want {
			t.Errorf("%q and %q: by the edit distance %v", pair[0], pair[1], got)
		}
	}
}

// What looks like one of ours is found whatever letters it is made of, and nothing makes it fail.
func FuzzOddAddress(f *testing.F) {
	f.Add("аnn@xn--exmple-4nf.com")
	f.Add("@xn--\xff.")
	f.Fuzz(func(t *testing.T, address string) {
		what := OddAddress(address, []string{"example.com", "xn--mller-kva.example"})
		if plainASCII(address) && !strings.Contains(strings.ToLower(address), "xn--") && what != "" && !strings.Contains(what, "looks like") {
			t.Errorf("plain letters are odd: %q: %s", address, what)
		}
		_ = newLooks([]string{"example.com"}).like(address)
	})
}
