package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/ecpayq/ecpayq/internal/clean"
)

// A table is as wide as the terminal at most: texts in it are wrapped, wide characters
// counted as two. What is copied, an id above all, is one word and stays whole. Where
// not all words fit beside each other, each row is shown from top to bottom.

// painted is a text with a colour, 0 for none.
type painted struct {
	text   string
	colour text.Color
}

// lines is a cell with several lines.
type lines []any

// cellOf is the lines of a cell, safe to show.
func cellOf(v any) []painted {
	switch v := v.(type) {
	case lines:
		var all []painted
		for _, l := range v {
			all = append(all, cellOf(l)...)
		}
		return all
	case painted:
		return []painted{{clean.Text(v.text), v.colour}}
	default:
		return []painted{{clean.Text(fmt.Sprint(v)), 0}}
	}
}

// show is the cell with its lines wrapped at a width, 0 for none.
func show(cell []painted, width int) string {
	var all []string
	for _, l := range cell {
		for _, part := range wrap(l.text, width) {
			if l.colour != 0 && part != "" {
				part = l.colour.Sprint(part)
			}
			all = append(all, part)
		}
	}
	return strings.Join(all, "\n")
}

// widths are the least width of a cell, by its longest word, and that of its longest
// line.
func widths(cell []painted) (least, most int) {
	for _, l := range cell {
		most = max(most, wide(l.text))
		for _, w := range words(l.text) {
			if n := wide(strings.TrimRight(w, " ")); n <= longestWord {
				least = max(least, n)
			}
		}
	}
	return max(least, min(most, narrowest)), most
}

// narrowest is the least width of a column of longer texts.
const narrowest = 14

// terminalWidth is that of stdout, 0 where it is not known.
func (p *program) terminalWidth() int {
	f, ok := p.out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// printTable writes rows; header is nil for rows of a name and a value.
func (p *program) printTable(header table.Row, rows []table.Row) {
	grid := make([][][]painted, 0, len(rows)+1)
	for _, row := range append([]table.Row{header}, rows...) {
		var cells [][]painted
		for _, v := range row {
			cells = append(cells, cellOf(v))
		}
		grid = append(grid, cells)
	}
	width := p.terminalWidth()
	columns, fits := layout(grid, width)
	if !fits {
		p.printCards(grid, width)
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(p.out)
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs(numbers(rows))
	for i, cells := range grid {
		var row table.Row
		for k, cell := range cells {
			row = append(row, show(cell, columns[k]))
		}
		if i == 0 && header != nil {
			t.AppendHeader(row)
		} else if i > 0 {
			t.AppendRow(row)
		}
	}
	t.Render()
}

// numbers puts columns of nothing but numbers to the right.
func numbers(rows []table.Row) []table.ColumnConfig {
	var right []table.ColumnConfig
	for k := range rows[0] {
		isText := func(row table.Row) bool { _, ok := row[k].(int); return !ok }
		if !slices.ContainsFunc(rows, isText) {
			right = append(right, table.ColumnConfig{Number: k + 1, Align: text.AlignRight})
		}
	}
	return right
}

// layout gives each column its width, and reports whether they fit.
func layout(grid [][][]painted, width int) ([]int, bool) {
	var least, most []int
	for _, cells := range grid {
		for k, cell := range cells {
			if k == len(least) {
				least, most = append(least, 0), append(most, 0)
			}
			l, m := widths(cell)
			least[k], most[k] = max(least[k], l), max(most[k], m)
		}
	}
	if width == 0 {
		return most, true
	}
	return share(least, most, width-3*len(most)-1) // a border before each, one in the end, and a space on both sides
}

// share gives columns what there is room for, the narrow ones first.
func share(least, most []int, room int) ([]int, bool) {
	got := append([]int{}, least...)
	for _, n := range got {
		room -= n
	}
	for ; room > 0; room-- {
		next := -1
		for i := range got {
			if got[i] < most[i] && (next < 0 || got[i] < got[next]) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		got[next]++
	}
	return got, room >= 0
}

// printCards writes each row from top to bottom: a name and a value a line, under the
// first value where the names are those of a header.
func (p *program) printCards(grid [][][]painted, width int) {
	names := 0
	label := func(row, k int) string {
		if len(grid[0]) > 0 {
			return grid[0][k][0].text
		}
		return grid[row][0][0].text
	}
	for i := 1; i < len(grid); i++ {
		for k := 1; k < len(grid[i]); k++ {
			names = max(names, wide(label(i, k)))
		}
	}
	for i := 1; i < len(grid); i++ {
		if len(grid[0]) > 0 {
			if i > 1 {
				fmt.Fprintln(p.out)
			}
			fmt.Fprintln(p.out, show(grid[i][0], width))
		}
		for k := 1; k < len(grid[i]); k++ {
			p.printCard(label(i, k), grid[i][k], names, width)
		}
	}
}

// printCard writes a name and a value, below it when a word of it would not fit beside it.
func (p *program) printCard(name string, cell []painted, names, width int) {
	least, most := widths(cell)
	if most == 0 {
		return
	}
	indent, room := names+4, width-names-4
	head := "  " + name + strings.Repeat(" ", names-wide(name)) + "  "
	if least > room {
		head, indent, room = "  "+name+"\n    ", 4, width-4
	}
	value := show(cell, max(room, narrowest))
	fmt.Fprintln(p.out, head+strings.ReplaceAll(value, "\n", "\n"+strings.Repeat(" ", indent)))
}

func wide(s string) int { return text.StringWidthWithoutEscSequences(s) }

// longestWord is the width of the longest word that stays whole. No id is as long.
const longestWord = 100

// wrap breaks a text into lines of a width, 0 for one line. A word that is wider has a
// line of its own, or several if it is longer than any.
func wrap(s string, width int) []string {
	if width == 0 || wide(s) <= width {
		return []string{s}
	}
	width = max(width, 2) // of one character
	var all []string
	line := ""
	for _, w := range words(s) {
		if line != "" && wide(line)+wide(strings.TrimRight(w, " ")) > width {
			all, line = append(all, strings.TrimRight(line, " ")), ""
		}
		for line += w; wide(w) > longestWord && wide(line) > width; {
			n := 0
			for i, r := range line {
				if n += text.RuneWidth(r); n > width && i > 0 {
					all, line = append(all, line[:i]), line[i:]
					break
				}
			}
		}
	}
	return append(all, strings.TrimRight(line, " "))
}

// words takes a text apart where a line may end: after spaces, between two values of
// JSON, and beside wide characters.
func words(s string) []string {
	var all []string
	from := 0
	var before rune
	for i, r := range s {
		if i > from && ends(before, r) {
			all, from = append(all, s[from:i]), i
		}
		before = r
	}
	return append(all, s[from:])
}

// ends reports whether a line may end between two characters.
func ends(a, b rune) bool {
	switch {
	case strings.ContainsRune(" ，。、；：！？）」』】》…", b), strings.ContainsRune("（「『【《", a):
		return false
	case a == ' ', a == ',' && b == '"':
		return true
	default:
		return text.RuneWidth(a) == 2 || text.RuneWidth(b) == 2
	}
}

// code shows no number where ECPay gave none.
func code(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
