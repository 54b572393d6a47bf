package figures

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// panel is one diagram of the picture.
type panel struct{ title, figure string }

var panels = []panel{
	{"calls per cluster-hour", GrowthCalls},
	{"restart until quiet, seconds", GrowthRestart},
	{"CPU of the restart, seconds", GrowthCPU},
	{"resident memory, MiB", GrowthResident},
}

// The sizes of the picture in pixels.
const (
	panelWidth, panelHeight = 360, 240
	plotLeft, plotRight     = 52, 16
	plotTop, plotBottom     = 34, 34
)

// The colours of the operators, which differ in both themes and in grey.
var colours = map[Processes]string{OneProcess: "#0969da", FourShards: "#bc4c00"}

// Picture returns an SVG of the growth, with both axes logarithmic: what is
// proportional to the number of objects is a line of slope one. Hollow points
// are extrapolated.
func Picture(measured Set) []byte {
	var out strings.Builder
	width, height := 2*panelWidth, 2*panelHeight+24
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n", width, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" rx="8" fill="#ffffff"/>`+"\n", width, height)
	out.WriteString(`<g font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">` + "\n")
	for i, one := range panels {
		fmt.Fprintf(&out, `<g transform="translate(%d %d)">`+"\n", i%2*panelWidth, i/2*panelHeight)
		one.draw(&out, measured)
		out.WriteString("</g>\n")
	}
	y := height - 10
	for i, kind := range []Processes{OneProcess, FourShards} {
		x := plotLeft + i*140
		fmt.Fprintf(&out, `<circle cx="%d" cy="%d" r="4" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			x, y-4, colours[kind], x+10, y, map[Processes]string{OneProcess: "one operator", FourShards: "four shards"}[kind])
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d">hollow: extrapolated · x: number of objects</text>`+"\n", plotLeft+280, y)
	out.WriteString("</g>\n</svg>\n")
	return []byte(out.String())
}

// draw draws the points of both kinds, and a line through those of one operator.
func (p panel) draw(out *strings.Builder, measured Set) {
	lowest, highest := p.bounds(measured)
	toX := func(objects int) float64 {
		share := (math.Log10(float64(objects)) - 3) / 2 // from 1,000 to 100,000
		return plotLeft + share*(panelWidth-plotLeft-plotRight)
	}
	toY := func(value float64) float64 {
		share := (math.Log10(value) - lowest) / (highest - lowest)
		return panelHeight - plotBottom - share*(panelHeight-plotTop-plotBottom)
	}
	fmt.Fprintf(out, `<text x="%d" y="20" font-weight="600">%s</text>`+"\n", plotLeft, html.EscapeString(p.title))
	for exponent := lowest; exponent <= highest; exponent++ {
		y := toY(math.Pow(10, exponent))
		fmt.Fprintf(out, `<path d="M%d %.1fH%d" stroke="#d1d9e0"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, y, panelWidth-plotRight, plotLeft-6, y+4, number(math.Pow(10, exponent)))
	}
	for _, size := range Sizes {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", toX(size), panelHeight-plotBottom+18, number(float64(size)))
	}
	for _, kind := range []Processes{OneProcess, FourShards} {
		var points []string
		for _, size := range Sizes {
			figure, known := measured[kind.Key(p.figure, size)]
			if !known || figure.Value <= 0 {
				continue
			}
			x, y := toX(size), toY(figure.Value)
			points = append(points, fmt.Sprintf("%.1f %.1f", x, y))
			fill := colours[kind]
			if len(figure.Fitted) > 0 {
				fill = "#ffffff"
			}
			fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="%s" stroke-width="2"/>`+"\n", x, y, fill, colours[kind])
			fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="middle" font-size="11">%s</text>`+"\n", x, y-9, number(figure.Value))
		}
		if len(points) > 1 {
			fmt.Fprintf(out, `<path d="M%s" fill="none" stroke="%s" stroke-width="1.5" opacity="0.6"/>`+"\n", strings.Join(points, "L"), colours[kind])
		}
	}
}

// bounds returns the powers of ten between which all values are, at least one
// apart.
func (p panel) bounds(measured Set) (lowest, highest float64) {
	lowest, highest = math.Inf(1), math.Inf(-1)
	for _, kind := range []Processes{OneProcess, FourShards} {
		for _, size := range Sizes {
			if figure := measured[kind.Key(p.figure, size)]; figure.Value > 0 {
				lowest = min(lowest, math.Floor(math.Log10(figure.Value)))
				highest = max(highest, math.Ceil(math.Log10(figure.Value)))
			}
		}
	}
	if math.IsInf(lowest, 1) {
		return 0, 1
	}
	return lowest, max(highest, lowest+1)
}
