package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ledongthuc/pdf"
)

// write puts a text on a page, glyph by glyph, as a PDF does.
func write(x, y float64, text string) []pdf.Text {
	var glyphs []pdf.Text
	for _, r := range text {
		glyphs = append(glyphs, pdf.Text{X: x, Y: y, FontSize: 10, S: string(r)})
		x += 5
	}
	return glyphs
}

func page(rows ...[]pdf.Text) []pdf.Text {
	var all []pdf.Text
	for _, row := range rows {
		all = append(all, row...)
	}
	return all
}

func glyphsOf(data []byte, columns int) []pdf.Text {
	columns = max(1, min(columns, 8))
	var glyphs []pdf.Text
	for i, b := range data {
		glyphs = append(glyphs, pdf.Text{
			X: float64(i%columns) * 90, Y: 800 - float64(i/columns)*12, FontSize: 10, S: string(rune(b)),
		})
	}
	return glyphs
}

func TestFindTables(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		glyphs []pdf.Text
		want   [][][]string
	}{
		"nothing":   {nil, nil},
		"prose":     {page(write(50, 700, "one line"), write(50, 688, "and another"), write(50, 676, "and a third")), nil},
		"two lines": {page(write(50, 700, "a"), write(150, 700, "b"), write(50, 688, "c"), write(150, 688, "d")), nil},
		"a table between prose": {
			page(
				write(50, 712, "before it"),
				write(50, 700, "Name"), write(150, 700, "Age"),
				write(50, 688, "Ann Lee"), write(150, 688, "31"),
				write(50, 676, "Bo"), write(150, 676, "7"),
				write(50, 664, "after it"),
			),
			[][][]string{{{"Name", "Age"}, {"Ann Lee", "31"}, {"Bo", "7"}}},
		},
		"a cell that was broken": {
			page(
				write(50, 700, "Name"), write(150, 700, "Note"),
				write(50, 688, "Ann"), write(150, 688, "has a long"),
				write(150, 676, "note"),
				write(50, 664, "Bo"), write(150, 664, "none"),
			),
			[][][]string{{{"Name", "Note"}, {"Ann", "has a long note"}, {"Bo", "none"}}},
		},
		"an empty cell": {
			page(
				write(50, 700, "A"), write(150, 700, "B"), write(250, 700, "C"),
				write(50, 688, "1"), write(250, 688, "3"),
				write(50, 676, "4"), write(150, 676, "5"), write(250, 676, "6"),
			),
			[][][]string{{{"A", "B", "C"}, {"1", "", "3"}, {"4", "5", "6"}}},
		},
		"two tables with a gap": {
			page(
				write(50, 700, "A"), write(150, 700, "B"), write(50, 688, "1"), write(150, 688, "2"), write(50, 676, "3"), write(150, 676, "4"),
				write(50, 500, "C"), write(150, 500, "D"), write(50, 488, "5"), write(150, 488, "6"), write(50, 476, "7"), write(150, 476, "8"),
			),
			[][][]string{{{"A", "B"}, {"1", "2"}, {"3", "4"}}, {{"C", "D"}, {"5", "6"}, {"7", "8"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, findTables(tt.glyphs)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
