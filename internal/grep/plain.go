package grep

import "bytes"

const escape = 0x1b

// Plain returns a line without what only steers a terminal: colours, moves of
// the cursor, titles. It returns line itself when there is nothing of that.
func Plain(line []byte) []byte {
	at := bytes.IndexByte(line, escape)
	if at < 0 {
		return line
	}
	out := make([]byte, 0, len(line))
	for at >= 0 {
		out = append(out, line[:at]...)
		line = line[at+order(line[at:]):]
		at = bytes.IndexByte(line, escape)
	}
	return append(out, line...)
}

// order is the length of the order that s begins with (ECMA-48, 5.4 and 5.6);
// one that does not end takes what can belong to it.
func order(s []byte) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		i := 2
		for i < len(s) && s[i] >= 0x20 && s[i] <= 0x3f {
			i++
		}
		if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
			i++
		}
		return i
	case ']':
		// A title ends with a bell or with ESC \; one without an end is but its
		// two first bytes, or it would take the rest of the line.
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == '\a':
				return i + 1
			case s[i] == escape && i+1 < len(s) && s[i+1] == '\\':
				return i + 2
			case s[i] == escape:
				return 2
			}
		}
		return 2
	}
	return 2
}
