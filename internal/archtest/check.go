package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Check applies the rules to the packages and returns one sentence per breach,
// in a stable order. Each says which package breaks which rule, by which path,
// so that the reader knows which import to remove.
func (r Rules) Check(packages []Package) []string {
	byPath := map[string]Package{}
	for _, p := range packages {
		byPath[p.Path] = p
	}
	var breaches []string
	for _, p := range packages {
		breaches = append(breaches, r.checkDirect(p)...)
	}
	for _, line := range r.Never {
		for _, p := range packages {
			if matches(line.Subject, p.Path) {
				breaches = append(breaches, r.checkReach(byPath, p, line.Objects)...)
			}
		}
	}
	slices.Sort(breaches)
	return slices.Compact(breaches)
}

func (r Rules) checkDirect(p Package) []string {
	line, known := r.lineFor(p.Path)
	if !known {
		return []string{fmt.Sprintf("%s: no line in the table of internal/archtest/rules.go says what it may import", p.Path)}
	}
	var breaches []string
	for _, imp := range p.Imports {
		own, isOwn := r.own(imp)
		switch {
		case isOwn && !matchesAny(line.Objects, own):
			breaches = append(breaches, fmt.Sprintf("%s must not import %s", p.Path, own))
		case !isOwn && isThirdParty(imp) && slices.Contains(r.StdOnly, p.Path):
			breaches = append(breaches, fmt.Sprintf("%s imports %s but is limited to the standard library", p.Path, imp))
		case !isOwn:
			for _, only := range r.Only {
				if inModule(only.Subject, imp) && !matchesAny(only.Objects, p.Path) {
					breaches = append(breaches, fmt.Sprintf("%s must not import %s: only %s may",
						p.Path, imp, strings.Join(only.Objects, ", ")))
				}
			}
		}
	}
	return breaches
}

// checkReach walks the graph from one package, breadth first, so that the
// path it reports is a shortest one.
func (r Rules) checkReach(byPath map[string]Package, from Package, targets []string) []string {
	type step struct {
		path  string
		trail []string
	}
	var breaches []string
	seen := map[string]bool{from.Path: true}
	todo := []step{{from.Path, []string{from.Path}}}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		for _, imp := range byPath[at.path].Imports {
			name, isOwn := r.own(imp)
			if !isOwn {
				name = imp
			}
			if seen[name] {
				continue
			}
			seen[name] = true
			trail := append(slices.Clone(at.trail), name)
			if hit(targets, name, isOwn) {
				breaches = append(breaches, fmt.Sprintf("%s must not reach %s: %s",
					from.Path, name, strings.Join(trail, " -> ")))
				continue
			}
			if isOwn {
				todo = append(todo, step{name, trail})
			}
		}
	}
	return breaches
}

func hit(targets []string, name string, isOwn bool) bool {
	if isOwn {
		return matchesAny(targets, name)
	}
	return slices.ContainsFunc(targets, func(module string) bool { return inModule(module, name) })
}

// lineFor returns the line whose subject matches best: an exact one, else the
// longest "/..." pattern.
func (r Rules) lineFor(path string) (Line, bool) {
	best, found := Line{}, false
	for _, line := range r.May {
		if line.Subject == path {
			return line, true
		}
		if matches(line.Subject, path) && (!found || len(line.Subject) > len(best.Subject)) {
			best, found = line, true
		}
	}
	return best, found
}

// own returns the path of an import inside the module.
func (r Rules) own(imp string) (string, bool) {
	if imp == r.Module {
		return ".", true
	}
	return strings.CutPrefix(imp, r.Module+"/")
}

func matches(pattern, path string) bool {
	if base, tree := strings.CutSuffix(pattern, "/..."); tree {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return pattern == path
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, path) })
}

func inModule(module, imp string) bool { return imp == module || strings.HasPrefix(imp, module+"/") }

// isThirdParty reports whether an import path belongs to a module other than
// the standard library: those start with a host name.
func isThirdParty(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".")
}
