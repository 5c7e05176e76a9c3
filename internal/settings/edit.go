package settings

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Put returns a configuration file with one value changed; comments and the
// order of the rest stay. The value is checked first.
func (t Table) Put(data []byte, key, value string) ([]byte, error) {
	s, err := t.writable(key)
	if err != nil {
		return nil, err
	}
	if value, err = s.normal(value); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return edit(data, func(file *yaml.Node) {
		scalar := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		if s.Kind == Text && needsQuotes(value) {
			scalar.Style = yaml.DoubleQuotedStyle
		}
		for i := 0; i+1 < len(file.Content); i += 2 {
			if file.Content[i].Value == key {
				scalar.LineComment = file.Content[i+1].LineComment
				file.Content[i+1] = scalar
				return
			}
		}
		file.Content = append(file.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, scalar)
	})
}

// needsQuotes reports whether a bare text would be read as something else.
func needsQuotes(value string) bool {
	var read any
	if yaml.Unmarshal([]byte(value), &read) != nil {
		return true
	}
	text, err := fileValue(read)
	return err != nil || text != value
}

// Drop returns a configuration file without a setting.
func (t Table) Drop(data []byte, key string) ([]byte, error) {
	if _, err := t.writable(key); err != nil {
		return nil, err
	}
	return edit(data, func(file *yaml.Node) {
		for i := 0; i+1 < len(file.Content); i += 2 {
			if file.Content[i].Value == key {
				file.Content = append(file.Content[:i], file.Content[i+2:]...)
				return
			}
		}
	})
}

// ErrUnknown says that the configuration file has no such setting.
var ErrUnknown = errors.New("there is no such setting")

func (t Table) writable(key string) (Setting, error) {
	s, known := t.Find(key)
	if !known || s.NoFile {
		return s, fmt.Errorf("%.60q: %w; there are %s", key, ErrUnknown, strings.Join(t.Keys(), ", "))
	}
	return s, nil
}

func edit(data []byte, change func(file *yaml.Node)) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		if len(document.Content) > 0 && document.Content[0].Tag != "!!null" {
			return nil, errors.New("it is no list of settings")
		}
		comment := document.HeadComment
		document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, HeadComment: comment}}}
	}
	change(document.Content[0])
	if len(document.Content[0].Content) == 0 {
		return nil, nil // an empty list would be written as {}
	}
	return yaml.Marshal(&document)
}
