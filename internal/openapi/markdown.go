package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Markdown returns the page of the interface: every route with its
// parameters, members, answers, refusals and an example, and the objects they
// share at the end. Nothing in it changes with the version.
func (i Interface) Markdown() (string, error) {
	d, err := i.describe()
	if err != nil {
		return "", fmt.Errorf("describe %s: %w", i.Title, err)
	}
	p := &page{d: d}
	p.f("<!-- Made from the routes of the server; \"make generate\" renews it. Do not edit. -->\n\n")
	p.f("# HTTP interface of %s\n\n%s\n\n", i.Title, i.Intro)
	p.f("The same for programs: `GET /api/openapi.json`.\n\n")
	var tags []string
	for _, r := range i.Routes {
		if tag := r.tag(); !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	p.contents(tags)
	for _, tag := range tags {
		p.f("## %s\n\n", heading(tag))
		for _, r := range i.Routes {
			if r.tag() == tag {
				p.route(r)
			}
		}
	}
	p.objects()
	return strings.TrimRight(p.out.String(), "\n") + "\n", nil
}

type page struct {
	d   *described
	out strings.Builder
}

func (p *page) f(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

func heading(tag string) string { return strings.ToUpper(tag[:1]) + tag[1:] }

// anchor is how Markdown renderers spell the anchor of a heading.
func anchor(text string) string {
	var out strings.Builder
	for _, c := range strings.ToLower(text) {
		switch {
		case c == ' ':
			out.WriteByte('-')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_':
			out.WriteRune(c)
		}
	}
	return out.String()
}

func (p *page) contents(tags []string) {
	p.f("| | |\n| --- | --- |\n")
	for _, tag := range tags {
		var routes []string
		for _, r := range p.d.Routes {
			if r.tag() == tag {
				routes = append(routes, fmt.Sprintf("[%s](#%s)", r.Pattern, anchor(r.Pattern)))
			}
		}
		p.f("| **%s** | %s |\n", heading(tag), strings.Join(routes, "<br>"))
	}
	p.f("\n")
}

func (p *page) route(r Route) {
	p.f("### %s\n\n%s.", r.Pattern, r.Summary)
	if r.Detail != "" {
		p.f(" %s", r.Detail)
	}
	who := "everybody"
	if r.Access != "" {
		who = r.Access
	}
	p.f("\n\nFor: %s.\n\n", who)
	if params := r.params(); len(params) > 0 {
		p.f("| parameter | in | type | means |\n| --- | --- | --- | --- |\n")
		for _, a := range params {
			p.f("| `%s` | %s | %s | %s |\n", a.Name, a.In, a.describe(), cell(a.Text))
		}
		p.f("\n")
	}
	if s := p.d.bodies[r.Pattern]; s != nil {
		p.f("Body:\n\n")
		p.members(s)
	} else if r.BodyType != "" {
		p.f("Body: %s.\n\n", r.BodyType)
	}
	for _, a := range r.answers() {
		p.f("**%s**", statusLine(a.Status))
		if a.Type != "" && a.Type != "application/json" {
			p.f(" `%s`", a.Type)
		}
		if !strings.EqualFold(a.Text, statusText(a.Status)) {
			p.f(": %s", a.Text)
		}
		p.f("\n\n")
		if s := p.d.answers[r.Pattern][strconv.Itoa(a.Status)]; s != nil {
			p.members(s)
		}
	}
	p.failures(r)
	p.example(r)
}

// members writes the members of an object as a table, or names another type.
func (p *page) members(s *schema) {
	at := s
	if s.ref != "" {
		at = p.d.schemas.named[s.ref]
	}
	if at.kind != "object" || at.values != nil {
		p.f("%s\n\n", p.typeOf(s))
		return
	}
	if len(at.members) == 0 {
		p.f("An empty object.\n\n")
		return
	}
	p.f("| member | type | |\n| --- | --- | --- |\n")
	for _, m := range at.members {
		var notes []string
		switch {
		case at.request && m.required:
			notes = append(notes, "required")
		case !at.request && !m.required:
			notes = append(notes, "only when there is one")
		}
		if m.schema.text != "" {
			notes = append(notes, m.schema.text)
		}
		p.f("| `%s` | %s | %s |\n", m.name, p.typeOf(m.schema), cell(strings.Join(append(notes, m.schema.bounds()...), "; ")))
	}
	p.f("\n")
}

// typeOf names a type, with a link to an object that has a table of its own.
func (p *page) typeOf(s *schema) string {
	var out string
	switch {
	case s.ref != "":
		out = fmt.Sprintf("[%s](#%s)", s.ref, anchor(s.ref))
	case s.enum != nil:
		out = "`" + strings.Join(s.enum, "`, `") + "`"
	case s.kind == "array":
		out = "array of " + p.typeOf(s.items)
	case s.values != nil:
		out = "object of " + p.typeOf(s.values)
	case s.format == "date-time":
		return "time" // the intro says that it may be null
	case s.kind == "":
		return "any JSON"
	default:
		out = s.kind
	}
	if s.null {
		out += " or null"
	}
	return out
}

// bounds are the limits of a value in words.
func (s *schema) bounds() []string {
	var out []string
	number := func(n *float64) string { return strconv.FormatFloat(*n, 'f', -1, 64) }
	if s.minimum != nil {
		out = append(out, "at least "+number(s.minimum))
	}
	if s.above != nil {
		out = append(out, "more than "+number(s.above))
	}
	if s.maximum != nil {
		out = append(out, "at most "+number(s.maximum))
	}
	switch {
	case s.longest > 0 && s.kind == "array":
		out = append(out, fmt.Sprintf("at most %d", s.longest))
	case s.longest > 0:
		out = append(out, fmt.Sprintf("at most %d characters", s.longest))
	case s.pattern != "":
		out = append(out, "as `"+s.pattern+"`")
	}
	if s.format == "uri" {
		out = append(out, "an absolute URL")
	}
	return out
}

func (p Param) describe() string {
	out := p.Type
	switch {
	case p.Enum != nil:
		out = "`" + strings.Join(p.Enum, "`, `") + "`"
	case p.Type == "":
		out = "string"
	case p.Type == "date-time":
		out = "time"
	}
	if p.Default != "" {
		out += ", default " + p.Default
	}
	if p.Max != 0 && p.Max != 1<<31-1 {
		out += fmt.Sprintf(", %d to %d", p.Min, p.Max)
	}
	return out
}

// failures writes the refusals that are the route's own; those of every route
// are said once, at the end.
func (p *page) failures(r Route) {
	if len(r.Errors) == 0 {
		return
	}
	var list []string
	for _, f := range r.Errors {
		text := fmt.Sprintf("%d `%s`", f.Status, f.Error)
		if len(f.Members) > 0 {
			text += " (with `" + strings.Join(f.Members, "`, `") + "`)"
		}
		list = append(list, text)
	}
	p.f("Errors: %s.\n\n", strings.Join(list, ", "))
}

// example writes a call that works, and what it answers.
func (p *page) example(r Route) {
	path := r.path()
	for _, param := range r.params() {
		if param.In == "path" {
			path = strings.ReplaceAll(path, "{"+param.Name+"}", sampleText(param.Name, r.tag()))
		}
	}
	p.f("```sh\ncurl")
	if m := r.method(); m != "GET" && (m != "POST" || r.Example == "") {
		p.f(" -X %s", m)
	}
	if r.Access != "" && !strings.Contains(r.Access, LocalAccess) {
		p.f(` -H "Authorization: Bearer $TOKEN"`)
	}
	if strings.HasPrefix(r.BodyType, "multipart/") {
		p.f(" -F file=@report.pdf")
	}
	if m := r.method(); p.d.Declared && m != "GET" && m != "DELETE" {
		p.f(` -H "Content-Type: application/json"`)
	}
	p.f(" %s%s", p.d.Address, path)
	if r.Example != "" {
		p.f(" -d '%s'", r.Example)
	}
	p.f("\n```\n\n")
	for _, a := range r.answers() {
		s := p.d.answers[r.Pattern][strconv.Itoa(a.Status)]
		if s == nil || a.Status >= 300 {
			continue
		}
		text, err := json.Marshal(p.sample(s, "", 0))
		if err != nil {
			continue // made of maps and texts: cannot happen
		}
		p.f("```json\n%s\n```\n\n", text)
		return
	}
}

// objects writes a table for every object that another one holds.
func (p *page) objects() {
	p.f("## Errors of every route\n\n| status | code | when |\n| --- | --- | --- |\n")
	for _, r := range p.d.Refusals {
		p.f("| %d | `%s` | %s |\n", r.Status, strings.ReplaceAll(r.Code, ", ", "`, `"), r.When)
	}
	p.f("\n## Objects\n\n")
	names := slices.Sorted(slices.Values(p.d.schemas.order))
	for _, name := range names {
		if name == "Error" {
			continue
		}
		s := p.d.schemas.named[name]
		p.f("### %s\n\n", name)
		if s.text != "" {
			p.f("%s\n\n", s.text)
		}
		p.members(&schema{ref: name})
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

func statusText(status int) string {
	_, text, _ := strings.Cut(statusLine(status), " ")
	return text
}
