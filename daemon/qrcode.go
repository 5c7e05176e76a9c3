package daemon

import "rsc.io/qr"

// qrCode is a text as a QR code, row by row: "#" is dark. Nothing for what is
// too long for one that a telephone reads from a screen.
func qrCode(text string) []string {
	const most = 300
	if text == "" || len(text) > most {
		return nil
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil
	}
	rows := make([]string, code.Size)
	for y := range rows {
		row := make([]byte, code.Size)
		for x := range row {
			row[x] = ' '
			if code.Black(x, y) {
				row[x] = '#'
			}
		}
		rows[y] = string(row)
	}
	return rows
}
