package httpkit

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// What is scanned here is known to be valid JSON, so these functions only look
// for where things end. They make no copies: a request of ten thousand tasks is
// cut into its members where it lies.

// eachMember calls visit for every member of an object, in order, with its name
// in quotes as it is written.
func eachMember(object json.RawMessage, visit func(name, value json.RawMessage)) {
	for i := skipSpace(object, 1); object[i] != '}'; {
		end := afterString(object, i)
		name := object[i:end]
		i = skipSpace(object, skipSpace(object, end)+1) // over the colon
		end = afterValue(object, i)
		visit(name, object[i:end:end])
		if i = skipSpace(object, end); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
}

// eachItem calls visit for every item of an array, in order.
func eachItem(array json.RawMessage, visit func(value json.RawMessage)) {
	for i := skipSpace(array, 1); array[i] != ']'; {
		end := afterValue(array, i)
		visit(array[i:end:end])
		if i = skipSpace(array, end); array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
}

// text is the value of a JSON string.
func text(raw json.RawMessage) string {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var out string
	_ = json.Unmarshal(raw, &out) // a string, and valid
	return out
}

// isText reports whether a JSON string says want.
func isText(raw json.RawMessage, want string) bool {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == want
	}
	return text(raw) == want
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// afterString is where the string that starts at i has ended.
func afterString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// afterValue is where the value that starts at i has ended.
func afterValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return afterString(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = afterString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	default:
		for i < len(b) {
			switch b[i] {
			case ',', '}', ']', ' ', '\n', '\t', '\r':
				return i
			}
			i++
		}
		return i
	}
}
