package builtins

import (
	"fmt"
	"strconv"
	"strings"
)

// everyKind is a script that is killed at each of its steps: see cmd/nsscript/crash_test.go, which leaves out the lines
// of what the kernel lacks.
const everyKind = "../cmd/nsscript/testdata/crash/21_each_kind.star"

const everyHead = `# One of each kind of link: made, changed where it can be, and deleted. A line ends with the kind that it needs of the
# kernel. ` + "`go test ./builtins -run Support -update`" + ` writes it.
def once(link, **words):
    if words:
        link.set(**words)
    link.delete()

n, lower, other = netns("n"), host.link("pre1"), host.link("pre3")
`

// line is what a script does with a link of the kind.
func (k *linkKind) line(o outcomes) string {
	where := "host"
	if k.Name == "vrf" { // the rules that the first of a namespace adds stay
		where = "n"
	}
	var args []string
	for _, p := range k.decl.Params {
		w := k.word(p.Name)
		switch {
		case w != nil && w.lower && p.Required:
			args = append(args, "lower")
		case w != nil && w.eg == "link":
			args = append(args, p.Name+" = other")
		case w != nil && w.eg != "":
			value := w.eg
			if _, err := strconv.Atoi(value); err != nil {
				value = strconv.Quote(value)
			}
			args = append(args, p.Name+" = "+value)
		case p.Required && p.Keyword: // a number, such as that of a session
			args = append(args, p.Name+" = 7")
		case p.Required:
			args = append(args, where)
		}
	}
	line := fmt.Sprintf("once(%s(%s)", k.Name, strings.Join(args, ", "))
	if strings.HasPrefix(k.Result, "(") {
		line += "[0]"
	}
	for _, w := range k.words {
		if w.set && o.on("link set type "+k.Name+" "+w.name) != "" {
			if all := w.others(nil); len(all) > 0 {
				line += fmt.Sprintf(", %s = %s", w.name, all[0].value())
				break
			}
		}
	}
	return line + ")  # " + k.Name + "\n"
}

// everyKind is the whole script.
func (o outcomes) everyKind() string {
	text := everyHead
	for _, k := range allKinds() {
		text += k.line(o)
	}
	return text
}
