package repl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// bindings is a script that binds the lab's namespaces and links to their names, as far as those can be names in a
// script and mean nothing else. A link whose name is that of several has its namespace's before it.
func bindings(s *runtime.Session) (string, error) {
	places, err := places(s)
	if err != nil {
		return "", err
	}
	count := map[string]int{}
	taken := maps.Clone(s.Predeclared())
	name := func(parts ...string) string {
		n := strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return '_'
		}, strings.Join(parts, "_"))
		if unicode.IsDigit([]rune(n)[0]) || script.Keyword(n) ||
			slices.Contains([]string{"as", "from", "import", "is", "while", "with"}, n) {
			n = "_" + n
		}
		for taken.Has(n) || starlark.Universe.Has(n) {
			n += "_"
		}
		taken[n] = starlark.None
		return n
	}
	for _, p := range places {
		for _, l := range p.links {
			count[l.Name]++
		}
	}
	var b strings.Builder
	names := map[uint64]string{s.Machine().Host().Ref().Cookie: "host"}
	for _, p := range places[1:] {
		names[p.ref.Cookie] = name(p.ref.Name)
		fmt.Fprintf(&b, "%s = netns_at(name = %q)\n", names[p.ref.Cookie], p.ref.Name)
	}
	for _, p := range places {
		for _, l := range p.links {
			if l.Index == 1 { // every namespace has its own
				continue
			}
			n := name(l.Name)
			if count[l.Name] > 1 {
				n = name(p.ref.String(), l.Name)
			}
			fmt.Fprintf(&b, "%s = %s.link(%q)\n", n, names[p.ref.Cookie], l.Name)
		}
	}
	return b.String(), nil
}
