package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

// jsonFlag is on every command that prints data. Piped output is JSON anyway.
func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON also on a terminal"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsTable reports whether a person reads the output.
func (p *program) wantsTable(c *cli.Command) bool { return isTerminal(p.out) && !c.Bool("json") }

// printJSON writes one line.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printTable writes rows, wide characters counted as two.
func (p *program) printTable(header table.Row, rows []table.Row) {
	t := table.NewWriter()
	t.SetOutputMirror(p.out)
	t.SetStyle(table.StyleLight)
	if header != nil {
		t.AppendHeader(header)
	}
	t.AppendRows(rows)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: len(rows[0]), WidthMax: 100, WidthMaxEnforcer: text.WrapSoft}})
	t.Render()
}

// colour is for terminals only.
func (p *program) colour(c text.Color, s string) string {
	if _, off := p.env("NO_COLOR"); off || !isTerminal(p.out) {
		return s
	}
	return c.Sprint(s)
}

// clean keeps what came from ECPay or Redis from driving the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
