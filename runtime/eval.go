package runtime

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/script"
)

// replDialect is the dialect of Inputs: what they load is there for those that follow.
var replDialect = &syntax.FileOptions{Set: true, GlobalReassign: true, TopLevelControl: true, Recursion: true,
	LoadBindsGlobally: true}

// Inputs runs one input after another in a session. Each is a transaction of its own: one that fails is undone, and the
// names that it had bound mean again what they meant before.
type Inputs struct {
	s       *Session
	globals starlark.StringDict // what names mean now; a loaded module sees the session's own
	done    []*Input            // those that stand, oldest first
	undone  []*Input            // that can be run again, the one to begin with last
}

// An Input is one that has run and stands.
type Input struct {
	Name, Text string
	begin      int // where its changes begin
	frame      *frame
	bound      map[string]binding
}

// A binding is what an input made of a name.
type binding struct{ old, new starlark.Value }

// LastValue is the name that the value of the last expression has.
const LastValue = "_"

// NewInputs makes a session one that runs inputs.
func NewInputs(s *Session) *Inputs {
	s.ctx, s.beside.forgive = context.Background(), true
	root := s.o.Root
	if root == "" {
		root = "."
	}
	s.loader = &loader{s: s, root: root, modules: map[string]*module{}, sources: script.Sources{}}
	return &Inputs{s: s, globals: maps.Clone(s.globals)}
}

// Eval runs an input. Its value is that of the expression that it ends with, nil when it ends with something else. When
// it fails, u says how its changes were undone.
func (in *Inputs) Eval(ctx context.Context, name, text string) (val starlark.Value, u change.Undoing, err error) {
	s := in.s
	s.loader.sources[name] = text
	clear(s.loader.modules) // what is loaded again is read again: it may have been edited
	c, err := in.compile(name, text)
	if err != nil {
		return nil, u, err
	}
	i := &Input{Name: name, Text: text, begin: len(s.changes), frame: &frame{outer: s.frame},
		bound: map[string]binding{}}
	exits := len(s.exits)
	got, err := in.run(ctx, i.frame, c)
	if err != nil {
		s.exits = s.exits[:exits]
		s.release(i.frame)
		if u = s.undo(s.changes[i.begin:]); len(u.Left) > 0 {
			in.done = append(in.done, i) // so that undoing it can be tried again
		}
		return nil, u, err
	}
	if c.expr {
		if val = got[LastValue]; val == starlark.None {
			delete(got, LastValue)
		}
	}
	for name, v := range got {
		if old := in.globals[name]; !same(old, v) {
			i.bound[name] = binding{old, v}
			in.globals[name] = v
		}
	}
	if in.done = append(in.done, i); len(s.changes) > i.begin {
		in.undone = nil // they may not fit any more
	}
	return val, u, nil
}

// run executes a compiled input as a transaction that is running.
func (in *Inputs) run(ctx context.Context, f *frame, c chunk) (got starlark.StringDict, err error) {
	s := in.s
	s.ctx = ctx
	s.frame = f
	maps.Copy(in.globals, c.before)
	defer func() {
		for n := range c.before {
			delete(in.globals, n)
		}
		s.frame = s.frame.outer
		s.ctx = context.Background()
	}()
	err = s.phase(ctx, func() (err error) {
		got, err = s.call("input", func(t *starlark.Thread) (starlark.StringDict, error) {
			return c.prog.Init(t, in.globals)
		})
		return err
	})
	return got, err
}

// A chunk is a compiled input.
type chunk struct {
	prog   *starlark.Program
	expr   bool                // it ends with an expression
	before starlark.StringDict // what the names that it binds meant before, each under its name with a mark
}

// compile compiles an input as a file of its own whose predeclared names are all that is bound until now. So its
// functions look those up when they run, and see what later inputs bind. A name that it binds itself is its own, and
// begins as what it was bound to before.
func (in *Inputs) compile(name, text string) (c chunk, err error) {
	f, expr, err := in.parse(name, text)
	if err != nil {
		return c, err
	}
	c = chunk{expr: expr, before: starlark.StringDict{}}
	known := func(n string) bool { return in.globals.Has(n) || c.before.Has(n) }
	if c.prog, err = starlark.FileProgram(f, known); err != nil {
		names := map[string]bool{}
		for n := range in.globals {
			names[n] = n != LastValue && !strings.HasPrefix(n, script.Mark)
		}
		return c, script.NewSyntaxError(err, name, text, names)
	}
	var first []syntax.Stmt
	start := syntax.MakePosition(&name, 1, 1)
	for _, g := range f.Module.(*resolve.Module).Globals {
		n := g.First.Name
		old := in.globals[n]
		if old == nil || c.before.Has(script.Mark+n) {
			continue
		}
		c.before[script.Mark+n] = old
		first = append(first, &syntax.AssignStmt{OpPos: start, Op: syntax.EQ,
			LHS: &syntax.Ident{NamePos: start, Name: n}, RHS: &syntax.Ident{NamePos: start, Name: script.Mark + n}})
	}
	if first == nil {
		return c, nil
	}
	if f, _, err = in.parse(name, text); err != nil { // anew: the resolver has written into the other
		return c, err
	}
	f.Stmts = append(first, f.Stmts...)
	c.prog, err = starlark.FileProgram(f, known)
	return c, err
}

// parse parses an input. When it ends with an expression, that is made an assignment to the last value's name.
func (in *Inputs) parse(name, text string) (f *syntax.File, expr bool, err error) {
	if f, err = script.ParseIn(replDialect, name, text); err != nil {
		return nil, false, err
	}
	if n := len(f.Stmts); n > 0 {
		if last, ok := f.Stmts[n-1].(*syntax.ExprStmt); ok {
			pos, _ := last.Span()
			f.Stmts[n-1] = &syntax.AssignStmt{OpPos: pos, Op: syntax.EQ,
				LHS: &syntax.Ident{NamePos: pos, Name: LastValue}, RHS: last.X}
			expr = true
		}
	}
	return script.Limit(f), expr, nil
}

// Undo undoes the newest inputs that changed something, n of them. It ends early at one that could not be undone whole.
func (in *Inputs) Undo(n int) (gone []*Input, u change.Undoing) {
	for i := len(in.done) - 1; i >= 0 && len(gone) < n; i-- {
		was := in.done[i]
		if was.begin == len(in.s.changes) && !in.s.owns(was.frame) {
			continue
		}
		in.s.release(was.frame)
		one := in.s.undo(in.s.changes[was.begin:])
		u.Undone += one.Undone
		if one.Unwritten != nil {
			u.Unwritten = one.Unwritten
		}
		if len(one.Left) > 0 {
			u.Left = one.Left
			return gone, u
		}
		in.unbind(was)
		for _, later := range in.done[i+1:] {
			later.begin = was.begin // it changed nothing
		}
		in.done = append(in.done[:i:i], in.done[i+1:]...)
		in.undone = append(in.undone, was)
		gone = append(gone, was)
	}
	return gone, u
}

// Drop takes back the last input as if it had never been, changes or not.
func (in *Inputs) Drop() (u change.Undoing) {
	last := in.done[len(in.done)-1]
	if len(in.s.changes) > last.begin {
		if u = in.s.undo(in.s.changes[last.begin:]); len(u.Left) > 0 {
			return u
		}
	}
	in.unbind(last)
	in.done = in.done[:len(in.done)-1]
	return u
}

// ForgetLast forgets the last input if it has the given text and changed nothing.
func (in *Inputs) ForgetLast(text string) {
	if n := len(in.done) - 1; n >= 0 && in.done[n].Text == text && in.done[n].begin == len(in.s.changes) {
		in.done = in.done[:n]
	}
}

// Done lists the inputs that stand, oldest first.
func (in *Inputs) Done() []*Input { return in.done }

// Changes lists what the i'th input that stands has changed.
func (in *Inputs) Changes(i int) []change.Made {
	end := len(in.s.changes)
	if i+1 < len(in.done) {
		end = in.done[i+1].begin
	}
	return in.s.changes[in.done[i].begin:end]
}

// Undone lists the inputs that were undone and can be run again, the one to begin with last.
func (in *Inputs) Undone() []*Input { return in.undone }

// Redone says which of the undone ones can still be run again, after one was.
func (in *Inputs) Redone(rest []*Input) { in.undone = rest }

// Globals is what names mean now.
func (in *Inputs) Globals() starlark.StringDict { return in.globals }

// Own reports whether a name means what an input has bound it to.
func (in *Inputs) Own(name string) bool { return !same(in.s.globals[name], in.globals[name]) }

// unbind lets the names that an input bound mean again what they meant before, where nothing later has bound them.
func (in *Inputs) unbind(was *Input) {
	for name, b := range was.bound {
		switch {
		case !same(in.globals[name], b.new):
		case b.old == nil:
			delete(in.globals, name)
		default:
			in.globals[name] = b.old
		}
	}
}

// same reports whether two values are one. Not all values can be compared with ==.
func same(a, b starlark.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if x, ok := a.(starlark.Tuple); ok {
		y, ok := b.(starlark.Tuple)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	}
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// Script is what stands as a script, and how many inputs could not be part of it.
func (in *Inputs) Script() (text string, left int) {
	texts := make([]string, len(in.done))
	for i, input := range in.done {
		texts[i] = strings.TrimRight(input.Text, "\n") + "\n"
		if !usesLast(input.Text) {
			continue
		}
		for j := i - 1; j >= 0; j-- { // the last value is that of the last input which is an expression
			if expr, err := replDialect.ParseExpr(in.done[j].Name, in.done[j].Text, 0); err == nil && expr != nil {
				texts[j] = LastValue + " = " + strings.TrimPrefix(texts[j], LastValue+" = ")
				break
			}
		}
	}
	for _, t := range texts {
		if _, err := in.s.voc.Parse("saved", []byte(text+t)); err == nil {
			text += t
			continue
		}
		left++
		text += "# " + strings.ReplaceAll(strings.TrimRight(t, "\n"), "\n", "\n# ") + "\n"
	}
	return text, left
}

// usesLast reports whether a text uses the last value.
func usesLast(text string) bool {
	toks, _ := script.Lex(text)
	return slices.ContainsFunc(toks, func(t script.Token) bool {
		return t.Kind == script.TokName && t.Text == LastValue
	})
}
