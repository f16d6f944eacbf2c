package report

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-analyze/charts"
	"github.com/go-analyze/charts/chartdraw"

	"github.com/countersign/countersign/workflow"
)

// looksBack is how many results are looked at for a chart over time: nights may have several.
const looksBack = 4 * ChartCategories

// chartOverTime draws a figure of a report's results up to this one, one a date; nil where there is one
// date alone.
func chartOverTime(ctx context.Context, from Sources, r Result, title string, figure Figure) (*Chart, error) {
	results, err := from.Results.Results(ctx, r.Report, "", 0)
	if err != nil {
		return nil, err
	}
	results = slices.DeleteFunc(results, func(o Result) bool { return o.Failed || o.Run > r.Run })
	c := &Chart{Kind: Lines, Series: []Series{{Name: strings.ToLower(title)}}}
	for i, o := range results[:min(len(results), looksBack)] { // the newest first
		if len(c.Categories) == ChartCategories {
			break
		}
		if i > 0 && results[i-1].Date == o.Date {
			continue
		}
		c.Categories = append(c.Categories, o.Date)
		c.Series[0].Values = append(c.Series[0].Values, float64(o.Figures[figure]))
	}
	slices.Reverse(c.Categories)
	slices.Reverse(c.Series[0].Values)
	if len(c.Categories) < 2 {
		return nil, nil //nolint:nilnil // as promised
	}
	label := dayLabels(c.Categories[0], c.Categories[len(c.Categories)-1])
	for i, date := range c.Categories {
		c.Categories[i] = label(date)
	}
	if !c.Valid() {
		return nil, nil //nolint:nilnil // as promised
	}
	c.Title = title + ", " + c.period()
	return c, nil
}

// period says from when to when a chart over time is.
func (c *Chart) period() string { return c.Categories[0] + " to " + c.Categories[len(c.Categories)-1] }

// dayLabels returns how dates from the first to the last are written: with their year where a day can be
// among them twice.
func dayLabels(first, last string) func(date string) string {
	if first[:4] != last[:4] && first[5:] <= last[5:] {
		return func(date string) string { return date }
	}
	return dayLabel
}

// dayLabel writes a date (2006-01-02) as people do, without the year.
func dayLabel(date string) string {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return at.Format("2 Jan")
}

// What a chart may hold, so that Slack draws it, too (docs: data_visualization), and a person can
// read it.
const (
	ChartTitle      = 50 // letters
	ChartLabel      = 20 // letters, of a category or the name of a series
	ChartCategories = 20
	ChartSeries     = 6
)

// ChartKind is how a chart is drawn.
type ChartKind string

// The kinds of charts.
const (
	Bars  ChartKind = "bar"  // of a few things that are compared
	Lines ChartKind = "line" // over time
)

// Chart is a picture of numbers. Its bounds are those above; labels that are longer are cut by whoever
// draws it. Its baseline is zero.
type Chart struct {
	Title      string
	Kind       ChartKind
	Categories []string // each of them once, in their order
	Series     []Series
}

// Series is one line of a chart, or the bars of one colour: a value for each category, not negative.
type Series struct {
	Name   string
	Values []float64
}

// Valid reports whether there is something to draw, and it is within the bounds.
func (c *Chart) Valid() bool {
	if c == nil || len(c.Categories) == 0 || len(c.Categories) > ChartCategories ||
		len(c.Series) == 0 || len(c.Series) > ChartSeries {
		return false
	}
	if sorted := slices.Sorted(slices.Values(c.Categories)); len(slices.Compact(sorted)) != len(c.Categories) {
		return false
	}
	return !slices.ContainsFunc(c.Series, func(s Series) bool { return len(s.Values) != len(c.Categories) })
}

// Alt returns the chart in words, for people who cannot see it and clients that cannot draw it.
func (c *Chart) Alt() string {
	said := make([]string, len(c.Series))
	for i, s := range c.Series {
		var points []string
		for j, v := range s.Values {
			if c.Kind == Bars || j == 0 || j == len(s.Values)-1 {
				points = append(points, c.Categories[j]+" "+shortNumber(v))
			}
		}
		said[i] = strings.Join(points, ", ")
		if s.Name != "" && len(c.Series) > 1 {
			said[i] = s.Name + " " + said[i]
		}
	}
	return c.Title + ": " + strings.Join(said, "; ")
}

// How large the picture is, in pixels: as wide as Slack shows it on a large screen, twice as fine.
const (
	pictureWidth  = 1200
	pictureHeight = 600
	barHeight     = 64
	barsAround    = 190 // height of title, axis and margins
	titleSize     = 26
	labelSize     = 18
)

// PNG draws the chart. The same chart makes the same bytes.
func (c *Chart) PNG() ([]byte, error) {
	if !c.Valid() {
		return nil, fmt.Errorf("draw %q: %d categories and %d series", c.Title, len(c.Categories), len(c.Series))
	}
	height := pictureHeight
	if c.Kind == Bars {
		height = barsAround + barHeight*len(c.Categories)*len(c.Series)
	}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: pictureWidth, Height: height})
	var err error
	if c.Kind == Bars {
		err = painter.BarChart(c.bars())
	} else {
		err = painter.LineChart(c.lines())
	}
	if err != nil {
		return nil, fmt.Errorf("draw %q: %w", c.Title, err)
	}
	return painter.Bytes()
}

func (c *Chart) data() (values [][]float64, names []string) {
	for _, s := range c.Series {
		values, names = append(values, s.Values), append(names, s.Name)
	}
	return values, names
}

func (c *Chart) lines() charts.LineChartOption {
	values, names := c.data()
	o := charts.NewLineChartOptionWithData(values)
	o.Padding, o.Title = padding(), c.heading()
	o.LineStrokeWidth = 3
	o.XAxis.Labels, o.XAxis.LabelFontStyle = thinned(c.Categories), font(labelSize)
	o.XAxis.LabelCount = len(c.Categories)
	o.YAxis = []charts.YAxisOption{c.values()}
	o.Legend = c.legend(names)
	o.ValueFormatter = shortNumber
	return o
}

func (c *Chart) bars() charts.BarChartOption {
	values, names := c.data()
	categories := slices.Clone(c.Categories)
	slices.Reverse(categories) // it draws them from below
	for i, v := range values {
		values[i] = slices.Clone(v)
		slices.Reverse(values[i])
	}
	o := charts.NewBarChartOptionWithData(values)
	o.Horizontal, o.Padding, o.Title = true, padding(), c.heading()
	o.CategoryAxis.Labels, o.CategoryAxis.LabelFontStyle = categories, font(labelSize)
	o.ValueAxis = []charts.ValueAxisOption{c.values()}
	o.ValueAxis[0].Show = new(false) // each bar says its value
	o.Legend = c.legend(names)
	o.ValueFormatter = shortNumber
	for i := range o.SeriesList {
		o.SeriesList[i].Label = charts.SeriesLabel{Show: new(true), ValueFormatter: shortNumber, FontStyle: font(labelSize)}
	}
	return o
}

func (c *Chart) heading() charts.TitleOption {
	return charts.TitleOption{Text: c.Title, Subtext: " ", FontStyle: font(titleSize)} // the line below keeps the axis away
}

// values is the axis of the numbers. It begins at zero: a library never picks the baseline.
func (c *Chart) values() charts.ValueAxisOption {
	return charts.ValueAxisOption{
		Min: new(0.0), LabelFontStyle: font(labelSize), ValueFormatter: shortNumber, SplitLineShow: new(true),
	}
}

// legend names the series where there are several.
func (c *Chart) legend(names []string) charts.LegendOption {
	return charts.LegendOption{
		SeriesNames: names, Show: new(len(names) > 1), FontStyle: font(labelSize),
		Offset: charts.OffsetStr{Left: charts.PositionRight, Top: "0"},
	}
}

// labelsShown is how many categories along a line have room for their names.
const labelsShown = 10

// thinned returns the categories with those left out for which there is no room; the last one is
// shown, which people look at first.
func thinned(categories []string) []string {
	every := (len(categories) + labelsShown - 1) / labelsShown
	shown := make([]string, len(categories))
	for i := len(categories) - 1; i >= 0; i -= every {
		shown[i] = categories[i]
	}
	return shown
}

func padding() charts.Box { return chartdraw.NewBox(30, 30, 50, 30) }

func font(size float64) charts.FontStyle { return charts.FontStyle{FontSize: size} }

// shortNumber writes a number as people do: whole where it is, else with two decimals.
func shortNumber(v float64) string {
	hundredths := int(math.Round(v * 100))
	if hundredths%100 == 0 {
		return workflow.Number(hundredths / 100)
	}
	return fmt.Sprintf("%s.%02d", workflow.Number(hundredths/100), hundredths%100)
}
