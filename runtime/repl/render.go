package repl

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// show shows the value of an input.
func (r *REPL) show(v starlark.Value) { r.render(r.Out, v) }

const (
	longest = 4000 // characters of a value that are shown
	cellMax = 28
)

// render writes a value: lists of like things as tables, others as they would be written.
func (r *REPL) render(w io.Writer, v starlark.Value) {
	if v == nil || v == starlark.None {
		return
	}
	items := script.Elements(v)
	if cols := r.columns(items); cols != nil {
		r.table(w, items, cols)
		return
	}
	text := brief(v)
	if items != nil && utf8.RuneCountInString(text) > r.width() {
		r.fill(w, text[:1], text[len(text)-1:], items)
		return
	}
	if n := utf8.RuneCountInString(text); n > longest {
		fmt.Fprintf(w, "%s\n(%d more characters: print(_) shows all)\n", cut(text, longest), n-longest)
		return
	}
	fmt.Fprintln(w, text)
	if v, ok := v.(runtime.Outputter); ok {
		r.output(w, v)
	}
}

// output writes the text of a value, the end of one that is long: there commands say what came of it.
func (r *REPL) output(w io.Writer, v runtime.Outputter) {
	text, attr := v.Output()
	text = strings.TrimRight(script.Printable(text), "\n")
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	if hidden := len(lines) - r.most(); hidden > 0 {
		fmt.Fprintf(w, "(%s before: print(_.%s) shows all)\n", script.Count(hidden, "line"), attr)
		lines = lines[hidden:]
	}
	for _, l := range lines {
		fmt.Fprintln(w, cut(l, longest))
	}
}

// fill writes values between brackets, as many a line as fit.
func (r *REPL) fill(w io.Writer, open, shut string, items []starlark.Value) {
	fmt.Fprintln(w, open)
	shown, line := 0, ""
	for rows := 0; shown < len(items); shown++ {
		text := cut(brief(items[shown]), longest) + ","
		if line != "" && utf8.RuneCountInString(line)+utf8.RuneCountInString(text)+1 > r.width() {
			fmt.Fprintln(w, line)
			if line = ""; rows+1 == r.most() {
				break
			}
			rows++
		}
		if line == "" {
			line = "   "
		}
		line += " " + text
	}
	if line != "" {
		fmt.Fprintln(w, line)
	}
	r.rest(w, shown, len(items))
	fmt.Fprintln(w, shut)
}

// width is how long a line can be.
func (r *REPL) width() int {
	if _, columns := r.Size(); columns > 0 {
		return columns
	}
	return 80
}

// most is how many rows are shown at once: what was set, or as many as fit on the screen with what stands around them.
func (r *REPL) most() int {
	const around, least, unknown = 4, 5, 40 // the titles, what is said of the rest, and the prompt
	if r.rows > 0 {
		return r.rows
	}
	if lines, _ := r.Size(); lines > 0 {
		return max(lines-around, least)
	}
	return unknown
}

// rest says what is not shown.
func (r *REPL) rest(w io.Writer, shown, all int) {
	if shown < all {
		fmt.Fprintf(w, "(%d more: _[%d:] are those, `:set rows N` shows more)\n", all-shown, shown)
	}
}

// brief is a value in a line. One whose text is but its name gets its type before it.
func brief(v starlark.Value) string {
	switch v := v.(type) {
	case *starlark.List, starlark.Tuple:
		var all []string
		for e := range starlark.Elements(v.(starlark.Iterable)) {
			all = append(all, brief(e))
		}
		if _, ok := v.(starlark.Tuple); ok {
			if len(all) == 1 {
				return "(" + all[0] + ",)"
			}
			return "(" + strings.Join(all, ", ") + ")"
		}
		return "[" + strings.Join(all, ", ") + "]"
	case *starlarkstruct.Struct, starlark.String:
		return script.Printable(v.String())
	case starlark.HasAttrs:
		if text := v.String(); !strings.ContainsAny(text, " <[{(") {
			return v.Type() + " " + script.Printable(text)
		}
	}
	return script.Printable(v.String())
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// itself is the column of a value's own text, for those that have no name.
const itself = ""

// columns are the attributes that a table of the values has; nil when they are no like things.
func (r *REPL) columns(items []starlark.Value) (cols []string) {
	if len(items) == 0 {
		return nil
	}
	typ := items[0].Type()
	names := func(v starlark.Value) string {
		if s, ok := v.(*starlarkstruct.Struct); ok {
			return strings.Join(s.AttrNames(), " ")
		}
		return ""
	}
	for _, v := range items {
		if v.Type() != typ || names(v) != names(items[0]) {
			return nil
		}
	}
	if s, ok := items[0].(*starlarkstruct.Struct); ok {
		return s.AttrNames()
	}
	for _, t := range r.s.Vocabulary().Types {
		if t.Name == typ {
			for _, a := range t.Attrs {
				if !a.Aside && a.Type != "struct" && !strings.HasPrefix(a.Type, "list of struct") {
					cols = append(cols, a.Name)
				}
			}
		}
	}
	if len(cols) < 2 {
		return nil
	}
	if cols[0] != "name" {
		cols = append([]string{itself}, cols...)
	}
	return cols
}

// table writes a row for each value. Columns in which nothing is are left out, and the widest of those that do not fit.
func (r *REPL) table(w io.Writer, items []starlark.Value, names []string) {
	shown := items[:min(len(items), r.most())]
	var cols [][]string
	var widths []int
	for _, name := range names {
		title := name
		if name == itself {
			title = items[0].Type()
		}
		col, width, empty := []string{title}, utf8.RuneCountInString(title), true
		for _, item := range shown {
			text := ""
			if name == itself {
				text = cut(script.Printable(item.String()), 2*cellMax)
			} else if v, err := item.(starlark.HasAttrs).Attr(name); err == nil && v != nil {
				text = cut(cell(v), cellMax) // what it does not have, such as the peer of a bridge, is an error
			}
			empty = empty && text == ""
			col, width = append(col, text), max(width, utf8.RuneCountInString(text))
		}
		if !empty {
			cols, widths = append(cols, col), append(widths, width)
		}
	}
	var hidden []string
	for total(widths) > r.width() && len(cols) > 1 {
		widest := 1
		for i := range widths[1:] {
			if widths[i+1] >= widths[widest] {
				widest = i + 1
			}
		}
		hidden = append(hidden, cols[widest][0])
		cols = append(cols[:widest], cols[widest+1:]...)
		widths = append(widths[:widest], widths[widest+1:]...)
	}
	for row := range len(shown) + 1 {
		var line strings.Builder
		for i, col := range cols {
			line.WriteString(col[row] + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(col[row])+2))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
	r.rest(w, len(shown), len(items))
	if hidden != nil {
		fmt.Fprintf(w, "(too wide to show: %s)\n", strings.Join(hidden, ", "))
	}
}

func total(widths []int) (sum int) {
	for _, w := range widths {
		sum += w + 2
	}
	return sum - 2
}

// cell is a value in a table.
func cell(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType:
		return ""
	case starlark.String:
		return script.Printable(strings.ReplaceAll(string(v), "\n", " "))
	case *starlark.List:
		var all []string
		for e := range starlark.Elements(v) {
			all = append(all, cell(e))
		}
		return strings.Join(all, " ")
	}
	return script.Printable(v.String())
}
