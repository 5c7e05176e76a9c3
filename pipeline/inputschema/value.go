package inputschema

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// value is one JSON value, or absent: nil, bool, float64, string, []value and
// *object, and absence.
type value any

// absence is a member that is not there.
type absence struct{}

var absent = absence{}

// object is a JSON object that knows the order of its members, as clients see
// it: whole numbers ascending, then the rest as written.
type object struct {
	members map[string]value
	keys    []string
}

func (o *object) get(name string) value {
	if v, there := o.members[name]; there {
		return v
	}
	return absent
}

// decode reads a JSON text; false when it is none.
func decode(data []byte) (value, bool) {
	if !json.Valid(data) { // bounds the depth as well
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := next(dec)
	return v, err == nil
}

func next(dec *json.Decoder) (value, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			list := []value{}
			for dec.More() {
				item, err := next(dec)
				if err != nil {
					return nil, err
				}
				list = append(list, item)
			}
			_, err = dec.Token()
			return list, err
		}
		o := &object{members: map[string]value{}}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			member, err := next(dec)
			if err != nil {
				return nil, err
			}
			if _, twice := o.members[name]; !twice {
				o.keys = append(o.keys, name)
			}
			o.members[name] = member
		}
		_, err = dec.Token()
		return o, err
	case json.Number:
		n, _ := strconv.ParseFloat(string(token), 64) // out of range is infinite, as for clients
		return n, nil
	default:
		return token, nil
	}
}

// kind is the word for a value's type.
func kind(v value) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []value:
		return "array"
	case *object:
		return "object"
	default:
		return "undefined"
	}
}

// same is strict equality: lists and objects are never equal to another one.
func same(a, b value) bool {
	switch a := a.(type) {
	case nil, bool, float64, string, absence:
		return a == b
	default:
		return false
	}
}

// inOrder sorts member names as clients enumerate them.
func inOrder(names []string) {
	slices.SortStableFunc(names, func(a, b string) int {
		x, isX := index(a)
		y, isY := index(b)
		switch {
		case isX && isY:
			return int(math.Copysign(1, float64(x)-float64(y)))
		case isX:
			return -1
		case isY:
			return 1
		default:
			return 0
		}
	})
}

// index reads a name that is a whole number below 2^32-1, without padding.
func index(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil || n == math.MaxUint32 || strconv.FormatUint(n, 10) != name {
		return 0, false
	}
	return n, true
}

// number writes a number as clients do.
func number(n float64) string {
	switch {
	case math.IsInf(n, 1):
		return "Infinity"
	case math.IsInf(n, -1):
		return "-Infinity"
	case n == 0:
		return "0"
	}
	if size := math.Abs(n); size >= 1e-6 && size < 1e21 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	text := strconv.FormatFloat(n, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// literal writes a value as the messages about literals do: JSON.
func literal(v value) string {
	switch v := v.(type) {
	case absence:
		return "undefined"
	case float64:
		return number(v)
	case []value:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = literal(item)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *object:
		keys := slices.Clone(v.keys)
		inOrder(keys)
		parts := make([]string, len(keys))
		for i, key := range keys {
			parts[i] = quoted(key) + ":" + literal(v.members[key])
		}
		return "{" + strings.Join(parts, ",") + "}"
	case string:
		return quoted(v)
	default:
		data, _ := json.Marshal(v) // nil, true, false
		return string(data)
	}
}

func quoted(s string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(out.String(), "\n")
}

// units is the length of a text in UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
