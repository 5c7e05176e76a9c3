package inputschema

import "encoding/json"

// The types of a field.
const (
	typeString      = "string"
	typeTextarea    = "textarea"
	typeNumber      = "number"
	typeInteger     = "integer"
	typeBoolean     = "boolean"
	typeEmail       = "email"
	typeURL         = "url"
	typeDate        = "date"
	typeDatetime    = "datetime"
	typeSelect      = "select"
	typeMultiselect = "multiselect"
	typeJSON        = "json"
	typeFile        = "file"
	typeArray       = "array"
	typeObject      = "object"
)

// types are all of them, in the order that messages list them.
var types = []string{
	typeString, typeNumber, typeInteger, typeBoolean, typeEmail, typeURL, typeDate, typeDatetime,
	typeSelect, typeMultiselect, typeTextarea, typeJSON, typeFile, typeArray, typeObject,
}

// operators are the comparisons of a showIf.
var operators = []string{"eq", "ne", "gt", "lt", "gte", "lte", "in", "notIn"}

// Schema is a parsed schema. It is read-only and safe for concurrent use.
type Schema struct {
	fields []*field // each name once
	strict bool
	source *rawSchema
}

// JSON is the schema as it was given, without the members that nobody knows.
func (s *Schema) JSON() json.RawMessage {
	data, err := json.Marshal(s.source)
	if err != nil { // every value in it was read from JSON
		return json.RawMessage(`{"fields":[]}`)
	}
	return data
}

// rawSchema and rawField are the schema as it is stored and shown.
type rawSchema struct {
	Fields []*rawField `json:"fields"`
	Strict *bool       `json:"strict,omitempty"`
}

type rawField struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Label       string          `json:"label"`
	Description *string         `json:"description,omitempty"`
	Placeholder *string         `json:"placeholder,omitempty"`
	HelpText    *string         `json:"helpText,omitempty"`
	Required    *bool           `json:"required,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	MinLength   *float64        `json:"minLength,omitempty"`
	MaxLength   *float64        `json:"maxLength,omitempty"`
	Min         *float64        `json:"min,omitempty"`
	Max         *float64        `json:"max,omitempty"`
	Pattern     *string         `json:"pattern,omitempty"`
	Options     *[]rawOption    `json:"options,omitempty"`
	Accept      *string         `json:"accept,omitempty"`
	MaxSize     *float64        `json:"maxSize,omitempty"`
	Items       *rawField       `json:"items,omitempty"`
	Properties  *[]*rawField    `json:"properties,omitempty"`
	ShowIf      *rawShowIf      `json:"showIf,omitempty"`
}

type rawOption struct {
	Label string          `json:"label"`
	Value json.RawMessage `json:"value,omitempty"`
}

type rawShowIf struct {
	Field    string          `json:"field"`
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value,omitempty"`
}

// field is a field made ready for checking.
type field struct {
	*rawField
	required   bool
	pattern    *pattern // nil: none, or one that is no expression
	options    []value
	texts      bool // every option is a string
	items      *field
	properties []*field
	showIf     *condition
}

// condition decides whether a field is asked for at all.
type condition struct {
	field, operator string
	value           value
}

// File is a field of type file that an input fills with the id of an upload.
type File struct {
	Field   string // its path in the input
	ID      string
	Accept  string  // comma list of extensions and types; empty: anything
	MaxSize float64 // bytes; 0: any
}
