package repl

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/nsscript/nsscript/runtime/assist"
	"github.com/nsscript/nsscript/runtime/script"
)

// scope is what is known at the prompt.
func (r *REPL) scope() *assist.Scope {
	own := map[string]bool{}
	for n := range r.in.Globals() {
		own[n] = r.in.Own(n)
	}
	return &assist.Scope{Vocabulary: r.s.Vocabulary(), Names: r.in.Globals(), Own: own,
		Namespaces: r.namespaces, Links: r.links,
		Files: func(dir string) []string { return script.Entries(filepath.Join(r.s.Root(), dir)) }}
}

func (r *REPL) namespaces() (names []string) {
	for _, ref := range r.s.Namespaces() {
		names = append(names, ref.Name)
	}
	return names
}

func (r *REPL) links() (names []string) {
	places, _ := places(r.s) // what cannot be read cannot be offered
	for _, p := range places {
		for _, l := range p.links {
			if !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// Complete finds what the word may become that the typed part of a line ends with. head is what stands before that
// word.
func (r *REPL) Complete(line string) (head string, candidates []string) {
	if r.typed == "" && strings.HasPrefix(line, ":") {
		return r.completeCommand(line)
	}
	if strings.TrimSpace(line) == "" {
		return line, []string{"    "} // an indent; what is pasted may have tabs
	}
	text := r.typed + line
	from, candidates := r.scope().Complete(text)
	if from < len(r.typed) { // in a string of several lines
		return line, nil
	}
	return text[len(r.typed):from], candidates
}

func (r *REPL) completeCommand(line string) (head string, candidates []string) {
	name, arg, args := strings.Cut(line, " ")
	var all []string
	if !args {
		for _, c := range commands() {
			all = append(all, ":"+c.name)
		}
		return "", script.Beginning(all, line)
	}
	head = name + " "
	switch name {
	case ":help":
		for _, c := range commands() {
			all = append(all, ":"+c.name)
		}
		for n := range r.in.Globals() {
			all = append(all, n)
		}
		slices.Sort(all)
		return head, script.Beginning(append(all, r.s.Vocabulary().Names()...), arg)
	case ":ls", ":shell":
		return head, script.Beginning(append(r.namespaces(), "host"), arg)
	case ":trace":
		return head, script.Beginning([]string{"on", "off"}, arg)
	case ":set":
		return head, script.Beginning([]string{"rows ", "interval "}, arg)
	case ":load", ":save":
		dir := arg[:strings.LastIndex(arg, "/")+1]
		return head + dir, script.Beginning(script.Entries(dir), arg[len(dir):])
	case ":time", ":watch":
		from, candidates := r.scope().Complete(arg)
		return head + arg[:from], candidates
	}
	return line, nil
}
