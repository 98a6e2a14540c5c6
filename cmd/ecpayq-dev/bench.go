package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/ecpayq/ecpayq/internal/bench"
	"github.com/ecpayq/ecpayq/internal/config"
)

func benchCommand(out, errw io.Writer) *cli.Command {
	var figures strings.Builder
	for _, f := range bench.Figures() {
		fmt.Fprintf(&figures, "\n%-11s %s", f.Name, f.What)
	}
	return &cli.Command{
		Name: "bench", Usage: "measure every figure side by side with plain asynq",
		Description: "Each figure is measured on a redis-server and a fake ECPay of its own, whose ledger is checked after each run:\n" +
			"exit code 1 if anything was done twice or not at all. A goal that is missed is shown and is no failure.\n" +
			"For the outbox there are a PostgreSQL and a MariaDB too, which must be installed.\n\nThe figures:" +
			figures.String(),
		Flags: []cli.Flag{
			&config.BoolFlag{Name: "quick", Usage: "measure little and once: a check that takes about a minute, whose numbers mean nothing"},
			&cli.StringSliceFlag{Name: "only", Usage: "measure the figure `NAME` alone; may be repeated"},
			&config.IntFlag{Name: "runs", Usage: "runs of each variant, whose median counts (default: 5)"},
			&config.BoolFlag{Name: "json", Usage: "print JSON, with every single run"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("unexpected argument %q", c.Args().First())}
			}
			if c.Int("runs") < 0 {
				return usageError{errors.New("--runs must not be negative")}
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			progress := progressLine(errw)
			report, err := bench.Run(ctx, bench.Config{
				Only: c.StringSlice("only"), Quick: c.Bool("quick"), Runs: c.Int("runs"),
				Progress: progress, Command: []string{self, benchPart},
			})
			progress("")
			if errors.Is(err, bench.ErrUnknownFigure) {
				return usageError{err}
			}
			if c.Bool("json") {
				if err != nil {
					return err // half a report would be taken for a whole one
				}
				enc := json.NewEncoder(out)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(report)
			}
			printReport(out, report)
			return err
		},
	}
}

// benchPart is the hidden command by which the bench starts its parts.
const benchPart = "bench-part"

func benchPartCommand(out io.Writer) *cli.Command {
	return &cli.Command{
		Name: benchPart, Hidden: true, Usage: "be a part of the bench",
		Action: func(ctx context.Context, c *cli.Command) error {
			return bench.Part(ctx, c.Args().First(), os.Stdin, out)
		},
	}
}

// progressLine rewrites one line of a terminal, and does nothing elsewhere.
func progressLine(w io.Writer) func(string) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string) {}
	}
	return func(s string) { fmt.Fprint(f, "\r\x1b[K"+s) }
}

// printReport prints a table with one row for each goal, or for each line that
// has none.
func printReport(out io.Writer, r bench.Report) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateRows = false
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight}})
	t.AppendHeader(table.Row{"figure", "measured", "ecpayq", "beside it", "", "goal", ""})
	for i, line := range r.Lines {
		if i > 0 && r.Lines[i-1].Figure != line.Figure {
			t.AppendSeparator()
		}
		t.AppendRow(append(table.Row{line.Figure, line.Name, spread(line.Series[0], line.Unit)}, beside(line)...))
		for _, g := range line.Goals[min(1, len(line.Goals)):] {
			t.AppendRow(append(table.Row{"", "", ""}, besideGoal(line, g)...))
		}
	}
	t.Render()
	fmt.Fprintf(out, "medians of %d runs, alternating, with the least and the largest; ratios are medians over neighbouring runs\n", r.Runs)
	fmt.Fprintf(out, "%s/%s, %d processors, %s, Redis %s, asynq %s\n", r.Machine.OS,
		r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.Redis, r.Machine.Asynq)
	if r.Quick {
		fmt.Fprintln(out, "--quick: these numbers mean nothing")
	}
}

// beside is the rest of a line's first row.
func beside(l bench.Line) table.Row {
	if len(l.Goals) > 0 {
		return besideGoal(l, l.Goals[0])
	}
	return table.Row{others(l), "", "", ""}
}

func besideGoal(l bench.Line, g bench.Goal) table.Row {
	mark := "missed"
	if g.Met {
		mark = "met"
	}
	if g.Against == "" {
		return table.Row{others(l), "", g.Goal, mark}
	}
	for _, s := range l.Series {
		if s.Variant == g.Against {
			return table.Row{s.Variant + ": " + spread(s, l.Unit), bench.Number(g.Value) + " ×", g.Goal, mark}
		}
	}
	return table.Row{"", "", g.Goal, mark}
}

func others(l bench.Line) string {
	var list []string
	for _, s := range l.Series[1:] {
		list = append(list, s.Variant+": "+spread(s, l.Unit))
	}
	return strings.Join(list, "; ")
}

func spread(s bench.Series, unit string) string {
	text := bench.Number(s.Median) + unit
	if !strings.HasPrefix(unit, "/") {
		text = bench.Number(s.Median) + " " + unit
	}
	if least, largest := s.Spread(); least != largest {
		text += fmt.Sprintf(" (%s to %s)", bench.Number(least), bench.Number(largest))
	}
	return text
}
