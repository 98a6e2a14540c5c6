package bench

import (
	"context"
	"fmt"
)

// measureEnqueue measures one call for each task, as a shop's backend makes them.
func measureEnqueue(ctx context.Context, l *lab) ([]Line, error) {
	var lines []Line
	for _, fsync := range []string{everysec, always} {
		for _, c := range []struct{ goroutines, tasks int }{{1, l.sizes.enqueueOne}, {16, l.sizes.enqueueMany}} {
			what := fmt.Sprintf("%s, AOF %s", counted(c.goroutines, "goroutine"), fsync)
			rate := func(s side) func(context.Context) (map[string]float64, error) {
				return func(ctx context.Context) (map[string]float64, error) {
					return l.in(ctx, fsync, func(w *world) (map[string]float64, error) {
						took, err := w.fill(ctx, s, 0, c.tasks, c.goroutines)
						return map[string]float64{"rate": float64(c.tasks) / took.Seconds()}, err
					})
				}
			}
			m, err := l.alternate(ctx, " from "+what, variant{ours, rate(ourSide)}, variant{plain, rate(plainSide)})
			if err != nil {
				return nil, err
			}
			lines = append(lines, m.line("rate", what, "/s", atLeast(0.95).times(plain)))
		}
	}
	return lines, nil
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
