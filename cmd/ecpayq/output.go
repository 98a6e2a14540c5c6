package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/config"
)

// jsonFlag is on every command that prints data. Piped output is JSON anyway.
func jsonFlag() cli.Flag {
	return &config.BoolFlag{Name: "json", Usage: "print JSON also on a terminal"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsTable reports whether a person reads the output.
func (p *program) wantsTable(c *cli.Command) bool { return isTerminal(p.out) && !c.Bool("json") }

// printJSON writes one line.
func (p *program) printJSON(v any) error { return newEncoder(p.out).Encode(v) }

// newEncoder returns an encoder to what is shown or read by programs.
func newEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(clean.Writer(w))
	enc.SetEscapeHTML(false)
	return enc
}

// say writes a line for people to stderr, whatever is in the arguments.
func (p *program) say(format string, args ...any) {
	fmt.Fprintf(p.err, "ecpayq: %s\n", clean.Text(fmt.Sprintf(format, args...)))
}

// sayLines writes a text of several lines, of which only the first begins at the margin:
// what a line says was said by the program.
func sayLines(w io.Writer, text string) {
	text = string(bytes.TrimSpace(clean.Page([]byte(text))))
	fmt.Fprintln(w, strings.ReplaceAll(text, "\n", "\n  "))
}

// colour is for terminals only.
func (p *program) colour(c text.Color, s string) painted {
	if _, off := p.env("NO_COLOR"); off || !isTerminal(p.out) {
		return painted{s, 0}
	}
	return painted{s, c}
}
