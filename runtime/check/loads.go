package check

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// follow visits a unit and what it loads, each once. trail is who loads it. Only when it reports are findings made: the
// first visits are there to learn which files are loaded.
func (c *checker) follow(u *unit, root string, trail []*unit, seen map[*unit]bool, report bool) {
	if seen[u] {
		return
	}
	seen[u], u.root = true, root
	if u.file == nil {
		return
	}
	trail = append(slices.Clip(trail), u)
	for _, stmt := range u.file.Stmts {
		load, ok := stmt.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		wrong := func(why, hint string) {
			if report {
				u.report(load.Module.TokenPos, "load", "cannot load "+load.ModuleName()+": "+why, hint)
			}
		}
		name, err := script.ResolveLoad(root, u.name, load.ModuleName())
		if err != nil {
			wrong(err.Error(), "")
			continue
		}
		next, err := c.open(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			wrong("there is no such file", didYouMean(path.Base(name), script.Beside(name)))
			continue
		} else if err != nil {
			wrong(err.Error(), didYouMean(path.Base(name), script.Beside(name)))
			continue
		}
		if i := slices.Index(trail, next); i >= 0 {
			var way []string
			for _, t := range append(slices.Clip(trail[i:]), next) {
				way = append(way, t.name)
			}
			wrong("load cycle: "+strings.Join(way, " loads "), "")
			continue
		}
		next.loaded = true
		if report {
			c.names(u, next, load)
		}
		c.follow(next, root, trail, seen, report)
	}
}

// names checks that a file defines what another takes from it.
func (c *checker) names(u, from *unit, load *syntax.LoadStmt) {
	if from.file == nil {
		return
	}
	module, ok := from.file.Module.(*resolve.Module)
	if !ok {
		return
	}
	var all []string
	for _, g := range module.Globals {
		all = append(all, g.First.Name)
	}
	for _, id := range load.From {
		if id.Name == "" || strings.HasPrefix(id.Name, "_") || slices.Contains(all, id.Name) || from.gaps[id.Name] {
			continue
		}
		hint := didYouMean(id.Name, all)
		if c.voc.Predeclared()[id.Name] {
			hint = id.Name + " is a builtin and need not be loaded"
		}
		u.report(id.NamePos, "load", load.ModuleName()+" defines no "+id.Name, hint)
	}
}

func didYouMean(name string, all []string) string {
	if near := script.Nearest(name, all); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}
