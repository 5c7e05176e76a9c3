package flow

import (
	"bytes"
	"encoding/json"
	"strconv"

	"pipedai/internal/memo"
)

const (
	// deepestJSON is how deep a document may nest; SQLite refuses 1000.
	deepestJSON = 500
	// longestNumber is the most digits a number keeps. What is longer, or out of
	// a double's range, is not worth a column that refuses its row: PostgreSQL
	// keeps numbers exactly and has an end to them.
	longestNumber = 400
)

// JSON makes what a stranger sent fit a JSON column; nil when it is not JSON or
// is nested too deep. Strings lose what Text loses, and half surrogate pairs;
// numbers out of range become null.
func JSON(raw json.RawMessage) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw)) // replaces bad UTF-8 and half pairs
	dec.UseNumber()
	var v any
	if !json.Valid(raw) || dec.Decode(&v) != nil {
		return nil
	}
	v, ok := fitting(v, 1)
	if !ok {
		return nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSpace(out.Bytes())
}

// fitting is v with all that no column holds replaced, and false when it is
// nested too deep.
func fitting(v any, depth int) (_ any, ok bool) {
	if depth > deepestJSON {
		return nil, false
	}
	switch v := v.(type) {
	case string:
		return Text(v), true
	case json.Number:
		n, err := strconv.ParseFloat(string(v), 64)
		switch {
		case err != nil:
			return nil, true
		case n == 0 || len(v) > longestNumber:
			return n, true // 0 may be spelled with any exponent
		}
		return v, true
	case []any:
		for i := range v {
			if v[i], ok = fitting(v[i], depth+1); !ok {
				return nil, false
			}
		}
		return v, true
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, member := range v {
			if out[Text(key)], ok = fitting(member, depth+1); !ok {
				return nil, false
			}
		}
		return out, true
	default:
		return v, true // true, false, null
	}
}

// Object is JSON for columns that hold an object; {} when raw is none. Nobody may
// change it.
func Object(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}") // by far the most
	}
	return lastObject.Of(raw, func(raw []byte) json.RawMessage {
		if raw = JSON(raw); len(raw) == 0 || raw[0] != '{' {
			return json.RawMessage("{}")
		}
		return raw
	})
}

// lastObject: the metadata of runs whose callers gave none is the same for all.
var lastObject memo.Last[json.RawMessage]

// Repeated is the metadata of a task run for the one that repeats it: what its
// caller gave, without what its attempts left.
func Repeated(raw json.RawMessage) json.RawMessage {
	members := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &members) != nil {
		return Object(nil)
	}
	for _, left := range []string{"progress", "progressMessage", "errorDetails", "idempotentOf"} {
		delete(members, left)
	}
	out, err := json.Marshal(members)
	if err != nil {
		return Object(nil)
	}
	return out
}
