package cliutil

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
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
	var out strings.Builder
	if width <= 0 {
		for _, row := range all {
			out.WriteString(strings.Join(row, "\t") + "\n")
		}
		_, err := io.WriteString(w, out.String())
		return err
	}
	columns := fit(all, width)
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			cell = shorten(cell, columns[i])
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", columns[i]-utf8.RuneCountInString(cell)+2))
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
// has to be taken from the widest columns to stay within width.
func fit(rows [][]string, width int) []int {
	var columns, least []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(columns) {
				columns, least = append(columns, 0), append(least, leastWidth)
			}
			n := utf8.RuneCountInString(cell)
			columns[i] = max(columns[i], n)
			if n <= longestID && !strings.Contains(cell, " ") {
				least[i] = max(least[i], n)
			}
		}
	}
	total := 2 * (len(columns) - 1)
	for _, c := range columns {
		total += c
	}
	for ; total > width; total-- {
		widest := -1
		for i, c := range columns {
			if c > least[i] && (widest < 0 || c > columns[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		columns[widest]--
	}
	return columns
}

// shorten cuts the middle out of a text that is longer than width.
func shorten(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	head := (width - 1 + 1) / 2
	tail := width - 1 - head
	return fmt.Sprintf("%s…%s", string(runes[:head]), string(runes[len(runes)-tail:]))
}
