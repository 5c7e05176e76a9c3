package cli

// drawing reports whether pictures and lines that change are welcome.
func (d *deps) drawing() bool {
	return d.streams.OutTTY && !d.streams.Plain && d.streams.Getenv("PIPEDAI_ACCESSIBLE") == "" && d.streams.Getenv("TERM") != "dumb"
}

// colouring reports whether bold and coloured text is welcome on standard
// output.
func (d *deps) colouring() bool {
	switch {
	case d.noColor, d.streams.Getenv("NO_COLOR") != "":
		return false
	case d.streams.Getenv("CLICOLOR_FORCE") != "" && d.streams.Getenv("CLICOLOR_FORCE") != "0":
		return true
	default:
		return d.drawing()
	}
}

// The looks of text, as terminals take them.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (d *deps) paint(look, text string) string {
	if !d.colouring() {
		return text
	}
	return "\x1b[" + look + "m" + text + "\x1b[0m"
}

func (d *deps) bold(text string) string { return d.paint(bold, text) }
