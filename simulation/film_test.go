//go:build browser

package simulation

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// What the moving picture of the README may be: about ten seconds, and small enough for a page that people open on a phone.
const (
	filmBytes = 2 << 20
	filmLeast = 8 * time.Second
	filmMost  = 14 * time.Second
)

// film is a moving picture of the page, still by still.
type film struct {
	stills []*image.RGBA
	delays []time.Duration
}

// take adds what the page looks like now, to be shown for so long.
//
//nolint:revive // t first, as in all helpers
func (f *film) take(t *testing.T, ctx context.Context, shown time.Duration) {
	t.Helper()
	content, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatalf("take a picture: %v", err)
	}
	whole, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("read a picture: %v", err)
	}
	still := image.NewRGBA(whole.Bounds())
	draw.Draw(still, still.Bounds(), whole, whole.Bounds().Min, draw.Src)
	f.stills, f.delays = append(f.stills, still), append(f.delays, shown)
}

// save writes the film as a GIF to the folder of artifacts, and to that of -pictures, and holds it to its bounds.
func (f *film) save(t *testing.T, name string) {
	t.Helper()
	var length time.Duration
	for _, d := range f.delays {
		length += d
	}
	if length < filmLeast || length > filmMost {
		t.Errorf("the film takes %s, want between %s and %s", length, filmLeast, filmMost)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, f.gif()); err != nil {
		t.Fatalf("write the film: %v", err)
	}
	if out.Len() > filmBytes {
		t.Errorf("the film has %d bytes, over %d", out.Len(), filmBytes)
	}
	folders := []string{t.ArtifactDir()}
	if *pictures != "" {
		folders = append(folders, *pictures)
	}
	for _, folder := range folders {
		if err := os.WriteFile(filepath.Join(folder, name+".gif"), out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// gif is the film with the colours that its stills have most of. After the first still only the part that changed is kept.
func (f *film) gif() *gif.GIF {
	palette := f.palette()
	nearest := map[color.RGBA]uint8{}
	out := &gif.GIF{}
	for i, still := range f.stills {
		part := still.Bounds()
		if i > 0 {
			part = changed(f.stills[i-1], still)
		}
		frame := image.NewPaletted(part, palette)
		for y := part.Min.Y; y < part.Max.Y; y++ {
			for x := part.Min.X; x < part.Max.X; x++ {
				c := still.RGBAAt(x, y)
				index, known := nearest[c]
				if !known {
					index = uint8(palette.Index(c)) //nolint:gosec // of 256 colours
					nearest[c] = index
				}
				frame.SetColorIndex(x, y, index)
			}
		}
		out.Image, out.Delay = append(out.Image, frame), append(out.Delay, int(f.delays[i]/(10*time.Millisecond)))
	}
	return out
}

// palette returns the 256 colours, told apart by five bits, that the stills have most of.
func (f *film) palette() color.Palette {
	const keep = 0xf8
	counts := map[color.RGBA]int{}
	shades := map[color.RGBA]map[color.RGBA]int{}
	for _, still := range f.stills {
		for i := 0; i < len(still.Pix); i += 4 {
			c := color.RGBA{still.Pix[i], still.Pix[i+1], still.Pix[i+2], 0xff}
			coarse := color.RGBA{c.R & keep, c.G & keep, c.B & keep, 0xff}
			if shades[coarse] == nil {
				shades[coarse] = map[color.RGBA]int{}
			}
			counts[coarse]++
			shades[coarse][c]++
		}
	}
	byCount := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var out color.Palette
	for _, coarse := range byCount[:min(len(byCount), 256)] {
		var best color.RGBA
		most := 0
		for c, n := range shades[coarse] {
			if n > most || n == most && cmp.Or(int(c.R)-int(best.R), int(c.G)-int(best.G), int(c.B)-int(best.B)) < 0 {
				best, most = c, n
			}
		}
		out = append(out, best)
	}
	return out
}

// changed is the part in which two stills differ; a pixel where they do not.
func changed(a, b *image.RGBA) image.Rectangle {
	out := image.Rectangle{}
	for y := b.Bounds().Min.Y; y < b.Bounds().Max.Y; y++ {
		for x := b.Bounds().Min.X; x < b.Bounds().Max.X; x++ {
			if a.RGBAAt(x, y) != b.RGBAAt(x, y) {
				out = out.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if out.Empty() {
		return image.Rect(0, 0, 1, 1)
	}
	return out
}
