package workflow

import (
	"strings"
	"testing"
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
		if got := Visible(text); got != want {
			t.Errorf("Visible(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\u202eb\u200b \xff é́́́́́ 👩\u200d💻")
	f.Fuzz(func(t *testing.T, text string) {
		shown := Visible(text)
		if !utf8.ValidString(shown) {
			t.Errorf("%q gives broken text %q", text, shown)
		}
		for _, r := range "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff\x00\x1b\u2028\u2029" {
			if strings.ContainsRune(shown, r) {
				t.Errorf("%q still has %U: %q", text, r, shown)
			}
		}
		_ = cutAt(text, 5)
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
		"ｅｘａｍｐｌｅ.com":           "example.com",
		"northvvind.example":    "northwind.example",
		"xn--mller-kva.example": "", // is the verified one, as it is sent
		"rnodern.example":       "modern.example",
		"mödern.example":        "modern.example",
		"another.example":       "",
		"a.b":                   "",
		"":                      "",
	} {
		if got := lookalike(domain, ours); got != want {
			t.Errorf("lookalike(%q) = %q, want %q", domain, got, want)
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
		if got := oddAddress(address, ours); got != want {
			t.Errorf("oddAddress(%q) = %q, want %q", address, got, want)
		}
	}
}

// What looks like one of ours is found whatever letters it is made of, and nothing makes it fail.
func FuzzOddAddress(f *testing.F) {
	f.Add("аnn@xn--exmple-4nf.com")
	f.Add("@xn--\xff.")
	f.Fuzz(func(t *testing.T, address string) {
		what := oddAddress(address, []string{"example.com", "xn--mller-kva.example"})
		if plainASCII(address) && !strings.Contains(strings.ToLower(address), "xn--") && what != "" && !strings.Contains(what, "looks like") {
			t.Errorf("plain letters are odd: %q: %s", address, what)
		}
		_ = lookalike(address, []string{"example.com"})
	})
}
