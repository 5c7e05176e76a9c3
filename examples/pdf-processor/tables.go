package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ledongthuc/pdf"

	"pipedai/worker"
)

// maxTables bounds what is kept of one document.
const maxTables = 500

// TablesFound is the output of extract-tables.
type TablesFound struct {
	Tables int         `json:"tables"`
	Pages  []int       `json:"pages"` // pages with a table
	Found  []TableInfo `json:"found"`
}

// TableInfo describes one table and names its files.
type TableInfo struct {
	Page    int      `json:"page"`
	Rows    int      `json:"rows"` // without the header
	Columns int      `json:"columns"`
	Header  []string `json:"header"`
	CSV     string   `json:"csv"`
	JSON    string   `json:"json"`
}

func extractTables(ctx *worker.Context, _ Input) (TablesFound, error) {
	doc, err := openDocument(ctx)
	if err != nil {
		return TablesFound{}, err
	}
	defer doc.close()
	out := TablesFound{Pages: []int{}, Found: []TableInfo{}}
	err = doc.eachPage(ctx, "searching", func(number int, page pdf.Page) error {
		for _, table := range findTables(page.Content().Text) {
			if len(out.Found) == maxTables {
				ctx.Log().Warn("the document has more tables than are kept", "kept", maxTables)
				return nil
			}
			info, err := keepTable(ctx, len(out.Found)+1, number, table)
			if err != nil {
				return err
			}
			out.Found = append(out.Found, info)
			if !slices.Contains(out.Pages, number) {
				out.Pages = append(out.Pages, number)
			}
		}
		return nil
	})
	if err != nil {
		return TablesFound{}, err
	}
	out.Tables = len(out.Found)
	ctx.Log().Info("tables found", "tables", out.Tables, "pages", fmt.Sprint(out.Pages))
	return out, nil
}

// keepTable stores one table as CSV and as a list of JSON objects.
func keepTable(ctx *worker.Context, n, page int, table [][]string) (TableInfo, error) {
	info := TableInfo{
		Page: page, Rows: len(table) - 1, Columns: len(table[0]), Header: table[0],
		CSV: fmt.Sprintf("table-%d.csv", n), JSON: fmt.Sprintf("table-%d.json", n),
	}
	var text bytes.Buffer
	writer := csv.NewWriter(&text)
	if err := writer.WriteAll(table); err != nil {
		return info, fmt.Errorf("write table %d: %w", n, err)
	}
	if _, err := ctx.AddAsset(info.CSV, worker.Text, text.Bytes()); err != nil {
		return info, err
	}
	rows := make([]map[string]string, 0, info.Rows)
	for _, cells := range table[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			name := info.Header[i]
			if _, taken := row[name]; taken || name == "" {
				name = fmt.Sprintf("column %d", i+1)
			}
			row[name] = cell
		}
		rows = append(rows, row)
	}
	_, err := ctx.AddAsset(info.JSON, worker.JSON, rows)
	return info, err
}

// A table is found by its columns: consecutive lines whose pieces of text
// start at the same places. It has at least two columns and three lines, the
// first of which is its header. Text that only looks like it (two columns of
// prose, for one) is told apart by the length of its cells. Columns that are
// aligned on their right edge are not recognised.
const (
	minColumns  = 2
	minLines    = 3
	maxCell     = 60  // mean characters in a cell of a table
	alignment   = 3.0 // points by which starts of one column may differ
	rowDistance = 4.0 // font sizes between lines of one table
)

// piece is a run of text without a wide gap.
type piece struct {
	x    float64
	text string
}

// line is the pieces at one height.
type line struct {
	y, size float64
	pieces  []piece
}

// findTables returns the tables among the glyphs of a page, top down.
func findTables(glyphs []pdf.Text) [][][]string {
	var tables [][][]string
	var block []line
	end := func() {
		if table := asTable(block); table != nil {
			tables = append(tables, table)
		}
		block = nil
	}
	for _, l := range asLines(glyphs) {
		switch {
		case len(block) > 0 && continues(block, l):
			block = append(block, l)
		default:
			end()
			if len(l.pieces) >= minColumns {
				block = []line{l}
			}
		}
	}
	end()
	return tables
}

// continues reports whether a line is one more row of a block: near it, with
// every piece starting where a column of its first line does.
func continues(block []line, l line) bool {
	last := block[len(block)-1]
	if last.y-l.y > rowDistance*max(last.size, l.size) {
		return false
	}
	for _, p := range l.pieces {
		if column(block[0], p) < 0 {
			return false
		}
	}
	// A line with a single piece is the rest of a cell that was broken, unless
	// it is in the first column: then it is the text after the table.
	return len(l.pieces) >= minColumns || column(block[0], l.pieces[0]) > 0
}

// column is the index of the header's piece that p stands under, or -1.
func column(header line, p piece) int {
	return slices.IndexFunc(header.pieces, func(h piece) bool { return math.Abs(h.x-p.x) <= alignment })
}

// asTable makes rows of a block, or nil when it is no table.
func asTable(block []line) [][]string {
	var rows [][]string
	length, cells := 0, 0
	for _, l := range block {
		if len(rows) == 0 || len(l.pieces) >= minColumns {
			rows = append(rows, make([]string, len(block[0].pieces)))
		}
		row := rows[len(rows)-1]
		for _, p := range l.pieces {
			at := column(block[0], p)
			row[at] = strings.TrimSpace(row[at] + " " + p.text)
			length += len(p.text)
			cells++
		}
	}
	if len(rows) < minLines || length > maxCell*cells {
		return nil
	}
	return rows
}

// asLines groups glyphs by height, from the top, and cuts each line at its
// wide gaps.
func asLines(glyphs []pdf.Text) []line {
	heights := map[int][]pdf.Text{}
	for _, g := range glyphs {
		if strings.TrimSpace(g.S) == "" && g.S != " " { // the reader's own line ends
			continue
		}
		key := int(math.Round(g.Y * 2)) // half a point apart is the same line
		heights[key] = append(heights[key], g)
	}
	keys := make([]int, 0, len(heights))
	for key := range heights {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b int) int { return b - a })
	lines := make([]line, 0, len(keys))
	for _, key := range keys {
		if l := asLine(heights[key]); len(l.pieces) > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}

func asLine(glyphs []pdf.Text) line {
	slices.SortStableFunc(glyphs, func(a, b pdf.Text) int {
		switch {
		case a.X < b.X:
			return -1
		case a.X > b.X:
			return 1
		}
		return 0
	})
	l := line{y: glyphs[0].Y, size: glyphs[0].FontSize}
	var text strings.Builder
	start, end := glyphs[0].X, glyphs[0].X
	cut := func() {
		if s := strings.TrimSpace(text.String()); s != "" {
			l.pieces = append(l.pieces, piece{x: start, text: s})
		}
		text.Reset()
	}
	for i, g := range glyphs {
		if i > 0 && g.X-end > 0.9*g.FontSize {
			cut()
			start = g.X
		}
		if text.Len() == 0 && g.S == " " {
			continue // a piece starts at its first visible glyph
		}
		if text.Len() == 0 {
			start = g.X
		}
		text.WriteString(g.S)
		// The reader does not know the widths of every font: half the font's
		// size stands for a glyph then. Glyphs at the same place were written
		// as one string and follow one another.
		width := g.W
		if width <= 0 {
			width = g.FontSize / 2
		}
		end = max(end, g.X) + width
		if i == 0 || g.X > glyphs[i-1].X {
			end = g.X + width
		}
	}
	cut()
	return l
}
