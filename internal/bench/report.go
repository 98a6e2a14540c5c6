package bench

import (
	"fmt"
	"runtime/debug"
	"slices"
)

// Report is what was measured.
type Report struct {
	Machine Machine `json:"machine"`
	Runs    int     `json:"runs"`
	Quick   bool    `json:"quick"`
	Lines   []Line  `json:"lines"`
}

// Machine is where.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPUs  int    `json:"cpus"`
	Go    string `json:"go"`
	Redis string `json:"redis"`
	Asynq string `json:"asynq"`
}

// Line is one thing measured, for each variant, ecpayq first.
type Line struct {
	Figure string   `json:"figure"`
	Name   string   `json:"name"`
	Unit   string   `json:"unit"`
	Series []Series `json:"series"`
	Goals  []Goal   `json:"goals"`
}

// Series is what one variant reached.
type Series struct {
	Variant string    `json:"variant"`
	Median  float64   `json:"median"`
	Runs    []float64 `json:"runs"`
}

// Spread returns the least and the largest run.
func (s Series) Spread() (least, largest float64) { return slices.Min(s.Runs), slices.Max(s.Runs) }

// Goal is what a line should show, and what it does.
type Goal struct {
	Goal string `json:"goal"`
	// Against is the variant that ecpayq is compared with; empty for a goal in the
	// line's own unit.
	Against string `json:"against,omitempty"`
	// Value is ecpayq's median; or with Against the median of the ratios of the runs
	// that were made next to each other, which on a busy machine says more than the
	// ratio of the medians; or the worst run where every run has to reach the goal.
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

// measured collects runs by line and variant.
type measured struct {
	variants []string
	runs     map[string]map[string][]float64
}

func (m *measured) add(variant string, numbers map[string]float64) {
	if m.runs == nil {
		m.runs = map[string]map[string][]float64{}
	}
	for line, n := range numbers {
		if m.runs[line] == nil {
			m.runs[line] = map[string][]float64{}
		}
		m.runs[line][variant] = append(m.runs[line][variant], n)
	}
}

// line makes a line of what was measured under key.
func (m *measured) line(key, name, unit string, goals ...goal) Line {
	l := Line{Name: name, Unit: unit, Goals: []Goal{}}
	for _, v := range m.variants {
		if runs := m.runs[key][v]; len(runs) > 0 {
			l.Series = append(l.Series, Series{Variant: v, Median: median(runs), Runs: runs})
		}
	}
	for _, g := range goals {
		l.Goals = append(l.Goals, g.judge(l))
	}
	return l
}

// goal is a bound for ecpayq, or for its ratio to another variant.
type goal struct {
	atMost  bool
	bound   float64
	against string
	always  bool // in every run
}

func atLeast(bound float64) goal { return goal{bound: bound} }
func atMost(bound float64) goal  { return goal{bound: bound, atMost: true} }

func (g goal) times(variant string) goal {
	g.against = variant
	return g
}

func (g goal) inEveryRun() goal {
	g.always = true
	return g
}

func (g goal) judge(l Line) Goal {
	sign := "≥"
	if g.atMost {
		sign = "≤"
	}
	out := Goal{Goal: fmt.Sprintf("%s %s %s", sign, Number(g.bound), l.Unit), Against: g.against}
	first := l.Series[0]
	out.Value = first.Median
	if g.always {
		least, largest := first.Spread()
		out.Value = least
		if g.atMost {
			out.Value = largest
		}
	}
	if g.against != "" {
		out.Goal = fmt.Sprintf("%s %s × %s", sign, Number(g.bound), g.against)
		i := slices.IndexFunc(l.Series, func(s Series) bool { return s.Variant == g.against })
		var ratios []float64
		for n, v := range l.Series[i].Runs {
			ratios = append(ratios, first.Runs[n]/v)
		}
		out.Value = median(ratios)
	}
	out.Met = out.Value >= g.bound
	if g.atMost {
		out.Met = out.Value <= g.bound
	}
	return out
}

// Number prints a number with as many digits as mean something.
func Number(v float64) string {
	switch {
	case v == float64(int64(v)) && v < 1000 && v > -1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 1000 || v <= -1000:
		return thousands(int64(v))
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile returns the value below which the given part of the values lies;
// between two values it takes what lies between them.
func quantile(values []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := part * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}
