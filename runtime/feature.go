package runtime

import (
	"fmt"
	"slices"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Feature is something of the machine that a builtin needs and that not every machine has. It is found out by doing it.
type Feature struct {
	Name, Doc string
	Remedy    string // how to get it
	// Probe tries it in a namespace of its own, and leaves nothing.
	Probe func(m *kernel.Machine) error
}

// Needing declares which features a builtin needs.
func (d *Decl) Needing(features ...string) *Decl {
	d.Needs = append(d.Needs, features...)
	return d
}

// Feature finds a feature by its name.
func (voc *Vocabulary) Feature(name string) (*Feature, error) {
	var names []string
	for _, f := range voc.Features {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	if near := script.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("there is no feature %q, did you mean %q?", name, near)
	}
	return nil, fmt.Errorf("there is no feature %q: they are %q", name, names)
}

// NeededBy lists the builtins that need a feature.
func (voc *Vocabulary) NeededBy(feature string) (names []string) {
	for _, d := range voc.Decls {
		if slices.Contains(d.Needs, feature) {
			names = append(names, d.Name)
		}
	}
	return names
}
