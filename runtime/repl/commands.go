package repl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// A command is what a line that begins with a colon calls for.
type command struct {
	name, args, doc string
	run             func(r *REPL, arg string) error
}

// commands lists them in the order of :help. It is a function since :help is one of them.
func commands() []command {
	return []command{
		{"help", "[NAME]", "what a name means; without one, this list", (*REPL).helpCommand},
		{"ls", "[NS]", "the lab's links, or a namespace with its routes", (*REPL).ls},
		{"topo", "", "the lab as a picture: namespaces, links, addresses", (*REPL).topo},
		{"log", "", "the inputs that stand, with the changes that each made", (*REPL).log},
		{"undo", "[N]", "undo the last input that changed something, or the last N", (*REPL).undo},
		{"redo", "", "run again what was undone last", (*REPL).redo},
		{"commit", "[NAME]", "keep the lab, under another name if one is given, and leave", (*REPL).commit},
		{"rollback", "", "undo all inputs", (*REPL).rollback},
		{"save", "FILE", "write the inputs as a script", (*REPL).save},
		{"load", "FILE", "run a script as one input", (*REPL).load},
		{"time", "EXPR", "say how long it takes", (*REPL).time},
		{"watch", "EXPR", "show its value again whenever it has changed, until Ctrl-C; what it changes is undone",
			(*REPL).watch},
		{"trace", "on|off", "show each change as the iproute2 command that would do the same", (*REPL).setTrace},
		{"shell", "NS", "a shell in a namespace", (*REPL).shell},
		{"set", "[NAME VALUE]", "rows N: how many of a table are shown; interval TIME: pause of :watch", (*REPL).set},
		{"quit", "", "leave", func(r *REPL, _ string) error { r.leave(); return nil }},
	}
}

// command runs a command. Its error is one that ends the REPL; the others are said.
func (r *REPL) command(line string) error {
	name, arg, _ := strings.Cut(strings.TrimSpace(line[1:]), " ")
	arg = strings.TrimSpace(arg)
	var names, begin []string
	for _, c := range commands() {
		if c.name == name {
			if err := c.run(r, arg); err != nil {
				runtime.Report(r.Err, err, nil)
			}
			return nil
		}
		names = append(names, c.name)
		if strings.HasPrefix(c.name, name) {
			begin = append(begin, c.name)
		}
	}
	if len(begin) == 1 && name != "" {
		return r.command(":" + begin[0] + " " + arg)
	}
	if near := script.Nearest(name, names); near != "" {
		fmt.Fprintf(r.Err, "there is no command :%s, did you mean :%s?\n", name, near)
	} else {
		fmt.Fprintf(r.Err, "there is no command :%s; :help lists them\n", name)
	}
	return nil
}

func (r *REPL) helpCommand(arg string) error {
	if arg != "" {
		r.help(arg)
		return nil
	}
	for _, c := range commands() {
		fmt.Fprintf(r.Out, "%-24s %s\n", ":"+strings.TrimSpace(c.name+" "+c.args), c.doc)
	}
	fmt.Fprintf(r.Out, "%-24s %s\n", "NAME?",
		"what a name means; Tab completes names, attributes, arguments and strings")
	return nil
}

// help says what a name means, or one with attributes.
func (r *REPL) help(topic string) {
	for _, c := range commands() {
		if topic == ":"+c.name {
			fmt.Fprintf(r.Out, ":%s\n\n    %s\n", strings.TrimSpace(c.name+" "+c.args), c.doc)
			return
		}
	}
	voc := r.s.Vocabulary()
	text := ""
	if r.in.Globals()[topic] == nil || r.s.Predeclared().Has(topic) {
		text = voc.Help(topic, false)
	}
	if text == "" {
		sc := r.scope()
		toks, _ := script.Lex(topic)
		m := sc.Meaning(toks)
		switch {
		case m.Decl != nil:
			text = m.Decl.Help(false)
		case m.Val != nil:
			if text = voc.HelpOn(m.Val); r.in.Globals()[topic] != nil {
				text = strings.TrimRight(fmt.Sprintf("%s is %s\n\n%s", topic, cut(brief(m.Val), 200), text), "\n") +
					"\n"
			}
		default:
			if of, attr, dotted := cutLast(topic, "."); dotted {
				toks, _ := script.Lex(of)
				text = voc.Help(sc.Meaning(toks).TypeName()+"."+attr, false)
			}
		}
	}
	if text == "" {
		var all []string
		for n := range r.in.Globals() {
			if n != runtime.LastValue && !strings.HasPrefix(n, script.Mark) {
				all = append(all, n)
			}
		}
		fmt.Fprintf(r.Err, "nothing is known of %s", topic)
		if near := script.Nearest(topic, append(all, voc.Names()...)); near != "" {
			fmt.Fprintf(r.Err, ", did you mean %s?", near)
		}
		fmt.Fprintln(r.Err)
		return
	}
	fmt.Fprint(r.Out, text)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (r *REPL) log(string) error {
	if r.s.Before() > 0 {
		fmt.Fprintf(r.Out, "lab %s had %s before\n", r.s.Lab(), script.Count(r.s.Before(), "change"))
	}
	for i, in := range r.in.Done() {
		if in.Name == bindingsName {
			continue
		}
		lines := strings.Split(in.Text, "\n")
		for j, line := range lines {
			if j == 3 && len(lines) > 5 {
				fmt.Fprintf(r.Out, "     ... %d more lines\n", len(lines)-j)
				break
			}
			number := ""
			if j == 0 {
				number = strings.Trim(strings.TrimPrefix(in.Name, "<repl:"), ">")
			}
			fmt.Fprintf(r.Out, "%4s %s\n", number, line)
		}
		for _, c := range r.in.Changes(i) {
			fmt.Fprintf(r.Out, "       + %s\n", c.Op.Command())
		}
	}
	return nil
}

func (r *REPL) undo(arg string) error {
	n := 1
	if arg != "" {
		var err error
		if n, err = strconv.Atoi(arg); err != nil || n < 1 {
			return fmt.Errorf(":undo: %q is no number of inputs", arg)
		}
	}
	gone, u := r.in.Undo(n)
	if len(gone) == 0 && len(u.Left) == 0 {
		return errors.New("there is nothing to undo")
	}
	for _, in := range gone {
		first, _, more := strings.Cut(in.Text, "\n")
		if more {
			first += " ..."
		}
		fmt.Fprintf(r.Err, "undone: %s\n", first)
	}
	r.said(u)
	return nil
}

func (r *REPL) rollback(string) error {
	if r.s.Changes() == r.s.Before() {
		return errors.New("there is nothing to undo")
	}
	_, u := r.in.Undo(len(r.in.Done()))
	r.said(u)
	return nil
}

func (r *REPL) redo(string) error {
	n := len(r.in.Undone()) - 1
	if n < 0 {
		return errors.New("there is nothing to run again")
	}
	again, rest := r.in.Undone()[n], r.in.Undone()[:n]
	fmt.Fprintf(r.Err, "again: %s\n", again.Text)
	if r.execute(again.Name, again.Text) {
		r.in.Redone(rest)
	}
	return nil
}

func (r *REPL) commit(name string) error {
	if r.s.Changes() == r.s.Before() {
		return errors.New("there is nothing to keep")
	}
	if name == "" || r.rename(name) {
		r.keep, r.leaving = true, true
	}
	return nil
}

func (r *REPL) load(file string) error {
	if file == "" {
		return errors.New("usage: :load FILE")
	}
	src, err := script.ReadScript(file)
	if err != nil {
		return err
	}
	r.Execute(file, src)
	return nil
}

func (r *REPL) time(expr string) error {
	if expr == "" {
		return errors.New("usage: :time EXPR")
	}
	r.n++
	began := time.Now()
	val, ok := r.eval(fmt.Sprintf("<repl:%d>", r.n), expr)
	took := time.Since(began)
	if ok && val != nil && val != starlark.None {
		r.guarded(func() error { r.show(val); return nil })
	}
	fmt.Fprintf(r.Err, "took %s\n", took.Round(10*time.Microsecond))
	return nil
}

func (r *REPL) watch(expr string) error {
	if expr == "" {
		return errors.New("usage: :watch EXPR")
	}
	ctx, done := r.Input()
	defer done()
	r.n++
	name, last := fmt.Sprintf("<repl:%d>", r.n), ""
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		val, u, err := r.in.Eval(ctx, name, expr)
		var text strings.Builder
		if err != nil {
			r.s.Report(&text, err)
		} else {
			r.render(&text, val)
			u = r.in.Drop()
		}
		if ctx.Err() != nil || len(u.Left) > 0 {
			r.said(u)
			return nil
		}
		if text.String() != last {
			last = text.String()
			fmt.Fprintf(r.Out, "%s\n%s", time.Now().Format("15:04:05"), last)
		}
		if errors.As(err, new(*script.SyntaxError)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *REPL) setTrace(arg string) error {
	if arg != "on" && arg != "off" {
		return errors.New("usage: :trace on|off")
	}
	r.trace = arg == "on"
	return nil
}

func (r *REPL) shell(ns string) error {
	if ns == "" {
		return errors.New("usage: :shell NS")
	}
	if v, ok := r.in.Globals()[ns]; ok && v.Type() == "namespace" {
		ns = v.String()
	}
	if r.Shell == nil {
		return errors.New("a shell needs a terminal")
	}
	return r.Shell(ns)
}

func (r *REPL) set(arg string) error {
	name, value, _ := strings.Cut(arg, " ")
	value = strings.TrimSpace(value)
	switch n, err := strconv.Atoi(value); {
	case arg == "":
		fmt.Fprintf(r.Out, "rows %d\ninterval %s\n", r.most(), r.interval)
	case name == "rows" && err == nil && n > 0:
		r.rows = n
	case name == "interval":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf(":set interval: %q is no time such as \"500ms\"", value)
		}
		r.interval = d
	default:
		return errors.New("usage: :set rows N, or :set interval TIME")
	}
	return nil
}
