package runtime

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// A Program is a script that was parsed and whose names all mean something.
type Program struct {
	Name   string
	prog   *starlark.Program
	file   *syntax.File
	source string
	root   string
	loads  []Load
}

// A Load is a load statement of a program.
type Load struct {
	Module string
	Pos    syntax.Position
}

// Parse reads a script without running anything. Names are resolved against the vocabulary; what is wrong comes as a
// *SyntaxError with all findings.
func (voc *Vocabulary) Parse(name string, src []byte) (*Program, error) {
	text := string(src)
	f, err := script.ParseFile(name, src)
	if err != nil {
		return nil, err
	}
	names := voc.Predeclared()
	prog, err := starlark.FileProgram(script.Limit(f), func(n string) bool { return names[n] || script.Limits.Has(n) })
	if err != nil {
		return nil, script.NewSyntaxError(err, name, text, names)
	}
	p := &Program{Name: name, prog: prog, file: f, source: text, root: filepath.Dir(name)}
	for i := range prog.NumLoads() {
		module, pos := prog.Load(i)
		p.loads = append(p.loads, Load{module, pos})
	}
	return p, nil
}

// Resolve gives the names of a file their meaning: it sets the bindings of its identifiers, also when some mean
// nothing. The error is a *SyntaxError with all of those.
func (voc *Vocabulary) Resolve(f *syntax.File, src []byte) error {
	names := voc.Predeclared()
	if err := resolve.File(f, func(n string) bool { return names[n] }, starlark.Universe.Has); err != nil {
		return script.NewSyntaxError(err, f.Path, string(src), names)
	}
	return nil
}

// Predeclared is the set of names that a script need not define, without those of the language itself.
func (voc *Vocabulary) Predeclared() map[string]bool {
	all := map[string]bool{"args": true, "host": true}
	for name := range voc.globals(nil) {
		all[name] = true
	}
	return all
}

// Source is the script's text.
func (p *Program) Source() string { return p.source }

// loader runs loaded modules, each once.
type loader struct {
	s       *Session
	root    string
	modules map[string]*module
	depth   int

	mu      sync.Mutex
	sources script.Sources
}

type module struct {
	globals starlark.StringDict
	err     error
	loading bool
}

func newLoader(s *Session, p *Program) *loader {
	root := s.o.Root
	if root == "" {
		root = p.root
	}
	return &loader{s: s, root: root, modules: map[string]*module{}, sources: script.Sources{p.Name: p.source}}
}

func (l *loader) load(thread *starlark.Thread, label string) (starlark.StringDict, error) {
	from := thread.CallFrame(0).Pos.Filename()
	name, err := script.ResolveLoad(l.root, from, label)
	if err != nil {
		return nil, err
	}
	if m := l.modules[name]; m != nil {
		if m.loading {
			return nil, fmt.Errorf("load cycle: %s is being loaded already", label)
		}
		return m.globals, m.err
	}
	if l.depth >= script.MaxDepth {
		return nil, fmt.Errorf("loads are nested more than %d deep", script.MaxDepth)
	}
	m := &module{loading: true}
	l.modules[name] = m
	l.depth++
	m.globals, m.err = l.run(name)
	l.depth--
	m.loading = false
	return m.globals, m.err
}

func (l *loader) run(name string) (starlark.StringDict, error) {
	src, err := script.ReadLoad(l.root, name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.sources[name] = string(src)
	l.mu.Unlock()
	p, err := l.s.voc.Parse(name, src)
	if err != nil {
		return nil, err
	}
	// What it defines is frozen, so that it means the same to all who load it, whatever they do first. The standard
	// library alone keeps what is the run's: which subnets were given out, which routes were made.
	return l.s.call(name, func(t *starlark.Thread) (starlark.StringDict, error) {
		globals, err := p.prog.Init(t, l.s.globals)
		if !strings.HasPrefix(name, script.StdPrefix) {
			globals.Freeze()
		}
		return globals, err
	})
}

// texts is a copy of the sources: the watch asks for it while the script may be loading.
func (l *loader) texts() script.Sources {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.sources)
}

// A SkipError ends a scenario that cannot run on this machine, or not now. Nothing catches it.
type SkipError struct{ Reason string }

func (e *SkipError) Error() string { return "skipped: " + e.Reason }

// Tests lists a script's test functions, those whose names begin with test_, in their order.
func (p *Program) Tests() []string {
	var names []string
	for _, stmt := range p.file.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && strings.HasPrefix(def.Name.Name, "test_") {
			names = append(names, def.Name.Name)
		}
	}
	return names
}

// failing is the comment by which a script says that it is there to fail, and with what.
var failing = regexp.MustCompile(`(?m)^# fails: (.+)$`)

// Fails is the regular expression that a script's failure is to match, from a line "# fails: REGEXP" in it; nil for one
// that is to succeed.
func (p *Program) Fails() (*regexp.Regexp, error) { return Fails(p.source) }

// Fails is Program.Fails of a script's text.
func Fails(source string) (*regexp.Regexp, error) {
	m := failing.FindStringSubmatch(source)
	if m == nil {
		return nil, nil
	}
	return regexp.Compile(m[1])
}

// RunTest executes a script and then one of its test functions, between its functions setup and teardown where it has
// those; teardown is called whatever became of the test. Each gets the test as its argument if it has a parameter.
func (s *Session) RunTest(ctx context.Context, p *Program, test string) error {
	return s.run(ctx, p, func(thread *starlark.Thread, globals starlark.StringDict) error {
		call := func(thread *starlark.Thread, name string) error {
			fn, ok := globals[name].(*starlark.Function)
			if !ok {
				return nil
			}
			var args starlark.Tuple
			if fn.NumParams() > 0 {
				args = starlark.Tuple{s.voc.Test(&View{s: s, thread: thread}, test)}
			}
			_, err := starlark.Call(thread, fn, args, nil)
			return err
		}
		if _, ok := globals[test].(*starlark.Function); !ok {
			return fmt.Errorf("%s is no function any more when the script has run", test)
		}
		if err := call(thread, "setup"); err != nil {
			return err
		}
		s.exits = append(s.exits, func(thread *starlark.Thread) error {
			if ctx.Err() != nil {
				return nil
			}
			return call(thread, "teardown")
		})
		return call(thread, test)
	})
}
