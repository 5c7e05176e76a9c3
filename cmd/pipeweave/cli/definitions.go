package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// definition is one pipeline of a file.
type definition struct {
	ID          string         `yaml:"id"`
	Name        string         `yaml:"name"`
	Description string         `yaml:"description"`
	EntryTasks  []string       `yaml:"entryTasks"`
	FailureMode string         `yaml:"failureMode"`
	Version     string         `yaml:"version"`
	Metadata    map[string]any `yaml:"metadata"`
}

// definitionDocument is one document of a file: a pipeline, or a list of them
// under "pipelines".
type definitionDocument struct {
	definition `yaml:",inline"`
	Pipelines  []definition `yaml:"pipelines"`
}

// readDefinitions reads the pipelines of a file; "-" is standard input.
func readDefinitions(d *deps, name string) ([]definition, error) {
	var data []byte
	var err error
	if name == "-" {
		data, err = io.ReadAll(d.In)
	} else {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("read definitions: %w", err), "")
	}
	defs, err := parseDefinitions(data)
	if err != nil {
		return nil, cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("%s: %w", name, err), "see: docs/pipelines.md")
	}
	return defs, nil
}

// parseDefinitions reads YAML, and JSON as the part of YAML that it is: any
// number of documents. Members that nobody knows are refused, so that a
// misspelt one is not a setting that silently does nothing.
func parseDefinitions(data []byte) ([]definition, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var all []definition
	for n := 1; ; n++ {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, plainYAML(err)
		}
		defs, err := ofDocument(&node)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		all = append(all, defs...)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no pipeline")
	}
	seen := map[string]bool{}
	for i, def := range all {
		switch {
		case def.ID == "":
			return nil, fmt.Errorf("pipeline %d has no id", i+1)
		case seen[def.ID]:
			return nil, fmt.Errorf("pipeline %q is given twice", def.ID)
		}
		seen[def.ID] = true
	}
	return all, nil
}

func ofDocument(node *yaml.Node) ([]definition, error) {
	if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
		return nil, nil // nothing but comments
	}
	if node.Content[0].Kind == yaml.SequenceNode {
		var list []definition
		return list, strictly(node, &list)
	}
	var doc definitionDocument
	if err := strictly(node, &doc); err != nil {
		return nil, err
	}
	if doc.Pipelines == nil {
		return []definition{doc.definition}, nil
	}
	if doc.ID != "" || doc.EntryTasks != nil {
		return nil, errors.New("a document is one pipeline or has a list of pipelines, not both")
	}
	return doc.Pipelines, nil
}

// strictly decodes a node and refuses unknown members; a node itself decodes
// leniently.
func strictly(node *yaml.Node, out any) error {
	text, err := yaml.Marshal(node)
	if err != nil {
		return plainYAML(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return plainYAML(decoder.Decode(out))
}

// plainYAML is an error of the YAML reader without the names of our types.
func plainYAML(err error) error {
	if err == nil {
		return nil
	}
	var wrong *yaml.TypeError
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if errors.As(err, &wrong) {
		text = strings.Join(wrong.Errors, "; ")
	}
	for _, name := range []string{" in type cli.definitionDocument", " in type cli.definition", " into cli.definitionDocument", " into cli.definition"} {
		text = strings.ReplaceAll(text, name, "")
	}
	return errors.New(text)
}

// wire is the definition as the server takes it.
func (def definition) wire() (api.PipelineDefinition, error) {
	out := api.PipelineDefinition{
		Name: def.Name, Description: def.Description, EntryTasks: def.EntryTasks,
		FailureMode: def.FailureMode, Version: def.Version,
	}
	if def.EntryTasks == nil {
		out.EntryTasks = []string{}
	}
	if def.Metadata != nil {
		data, err := json.Marshal(def.Metadata)
		if err != nil {
			return out, cliutil.Failf(cliutil.ExitUsage, "", "pipeline %q: its metadata is not JSON: %w", def.ID, err)
		}
		out.Metadata = data
	}
	return out, nil
}
