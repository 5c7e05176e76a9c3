package cliutil

import (
	"io"
	"slices"
	"strings"
)

// Table writes rows under a header in aligned columns that fit the width: the
// widest cells are shortened in the middle, but for what may be an id, which is
// of no use without its middle. A width of 0 means that no person looks: cells
// are whole and separated by tabs. Cells are made Printable. A nil header writes
// none.
func Table(w io.Writer, width int, header []string, rows [][]string) error {
	var all [][]string
	if header != nil {
		all = append(all, header)
	}
	for _, row := range rows {
		shown := make([]string, len(row))
		for i, cell := range row {
			shown[i] = Printable(cell)
		}
		all = append(all, shown)
	}
	return writeTable(w, width, all, false)
}

// Column is a column of a table that gives way on a narrow terminal.
type Column struct {
	Head string
	// Spare says how soon the column is left out: the highest first, 0 never.
	Spare int
}

// FitTable is Table, but leaves out spare columns until the rest fits, and
// then shortens even ids. Where no person looks it has them all. With headless
// there is no header.
func FitTable(w io.Writer, width int, columns []Column, rows [][]string, headless bool) error {
	all := make([][]string, 0, len(rows)+1)
	header := make([]string, 0, len(columns))
	for _, c := range columns {
		header = append(header, c.Head)
	}
	if !headless {
		all = append(all, header)
	}
	for _, row := range rows {
		shown := make([]string, len(row))
		for i, cell := range row {
			shown[i] = Printable(cell)
		}
		all = append(all, shown)
	}
	for width > 0 {
		spare := -1
		for i, c := range columns {
			if c.Spare > 0 && (spare < 0 || c.Spare > columns[spare].Spare) {
				spare = i
			}
		}
		if spare < 0 || total(fit(all, width, false)) <= width {
			break
		}
		columns = slices.Delete(slices.Clone(columns), spare, spare+1)
		for i, row := range all {
			all[i] = slices.Delete(slices.Clone(row), spare, spare+1)
		}
	}
	return writeTable(w, width, all, true)
}

// writeTable writes cells that are Printable already. With hard even ids are
// shortened where nothing else helps.
func writeTable(w io.Writer, width int, all [][]string, hard bool) error {
	var out strings.Builder
	if width <= 0 {
		for _, row := range all {
			out.WriteString(strings.Join(row, "\t") + "\n")
		}
		_, err := io.WriteString(w, out.String())
		return err
	}
	columns := fit(all, width, hard)
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			cell = shorten(cell, columns[i])
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", columns[i]-Width(cell)+2))
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

const (
	// leastWidth is of a column that was narrowed: less says nothing.
	leastWidth = 8
	// longestID is how long a word may be to be taken for an id.
	longestID = 24
)

// fit returns the width of each column: what its widest cell needs, less what
// has to be taken from the widest columns to stay within width. What may be an
// id stays whole, unless hard.
func fit(rows [][]string, width int, hard bool) []int {
	var columns, least []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(columns) {
				columns, least = append(columns, 0), append(least, leastWidth)
			}
			n := Width(cell)
			columns[i] = max(columns[i], n)
			if n <= longestID && !strings.Contains(cell, " ") {
				least[i] = max(least[i], n)
			}
		}
	}
	narrow(columns, least, width)
	if hard {
		narrow(columns, slices.Repeat([]int{leastWidth}, len(columns)), width)
	}
	return columns
}

// narrow takes from the widest columns until they fit, or none may give more.
func narrow(columns, least []int, width int) {
	for n := total(columns); n > width; n-- {
		widest := -1
		for i, c := range columns {
			if c > least[i] && (widest < 0 || c > columns[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		columns[widest]--
	}
}

// total is the width of a line with such columns.
func total(columns []int) int {
	n := 2 * (len(columns) - 1)
	for _, c := range columns {
		n += c
	}
	return n
}

// shorten cuts the middle out of a text that is wider than width.
func shorten(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	front := head(text, width/2)
	return front + "…" + tail(text[len(front):], width-1-Width(front))
}
