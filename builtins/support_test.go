package builtins

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// supportPage says of each kind of link and of each table what its laws have shown.
const supportPage = "../docs/support.md"

const supportHead = `# What is tried of each kind

Each cell is a test that has passed on the kernel that the row names. The state of the whole sandbox before and after is
the same, as the kernel itself dumps it. A kind without a row is not in the kernel that wrote the page. ` + "`go test ./builtins -run TestOpLaws -update`" + `
writes the rows of what this machine's kernel has, and keeps the others.

- **made**: and undone, once and again;
- **read back**: with all values that it was given;
- **changed**: each of the words that link.set takes, but those that this kernel does not let change; and undone. An
  entry of a table is deleted and added instead, and what links are as ports, as ` + "`bridge_slave`" + `, is changed alone.
  What is always there, as ` + "`mptcp_limits`" + `, is changed alone, too;
- **deleted**: and made again, as it was, when that is undone;
- **SIGKILL**: all of this by a process that dies then, and undone by who finds its journal.

| | Linux | made | read back | changed | deleted | made again | undone | SIGKILL |
|---|---|---|---|---|---|---|---|---|
`

// passed is what came of laws: "yes", or "" where this kernel has nothing of the kind. A law that failed is not in it.
type passed map[string]string

// of is the kind or table that a law is about; "" for other laws.
func of(law string) string {
	words := strings.Fields(law)
	switch {
	case strings.HasPrefix(law, "link set type "):
		return words[3]
	case len(words) == 3 && words[0] == "link" && linkKinds[words[2]] != nil:
		return words[2]
	case entryKinds[words[0]] != nil || words[0] == "addr" || words[0] == "route":
		return words[0]
	}
	return ""
}

// readBack says what the kernel has otherwise than it was told.
func readBack(m *kernel.Machine, op change.Op) error {
	o, ok := op.(*addLink)
	if !ok {
		if kind := op.Kind(); of(kind) != "" && strings.HasSuffix(kind, " add") &&
			!errors.Is(op.Check(m, false), unix.EEXIST) {
			return errors.New("it is not found")
		}
		return nil
	}
	l, err := m.Read(o.LinkRef)
	if err != nil {
		return err
	}
	k := linkKinds[o.LinkSpec.Kind]
	for _, w := range k.words {
		if w.lower {
			continue
		}
		if given, have := w.read(o.Data), w.read(l.Info); given != nil &&
			(have == nil || have.value().String() != given.value().String()) {
			return fmt.Errorf("%s is %v, was given as %v", w.name, have, given)
		}
	}
	return nil
}

// rows are those of the kinds and tables all of whose laws were tried and that this kernel has.
func (p passed) rows(release string) map[string]string {
	all, about := map[string]string{}, map[string][]string{}
	for _, l := range laws() {
		if of(l.name) != "" {
			about[of(l.name)] = append(about[of(l.name)], l.name)
		}
	}
	for name, names := range about {
		changed, whole := "", true
		var not []string
		for _, l := range names {
			came, tried := p[l]
			word, sets := strings.CutPrefix(l, "link set type "+name+" ")
			switch {
			case !sets:
				whole = whole && came == "yes"
			case came == "yes":
				changed = "yes"
			default:
				whole, not = whole && tried, append(not, "`"+word+"`")
			}
		}
		switch {
		case kindNamed(name) == nil:
			changed = "yes"
		case changed == "":
			changed = "nothing can be"
		case not != nil:
			changed = "but " + strings.Join(not, ", ")
		}
		switch {
		case !whole:
		case entryKinds[name] != nil && entryKinds[name].Fixed:
			all[name] = fmt.Sprintf("| `%s` | %s | | yes | yes | | | yes | yes |", name, release)
		case kindNamed(name) != nil && kindNamed(name).master != "":
			if changed != "nothing can be" { // else this kernel has none
				all[name] = fmt.Sprintf("| `%s` | %s | | | %s | | | yes | yes |", name, release, changed)
			}
		default:
			all[name] = fmt.Sprintf("| `%s` | %s | yes | yes | %s | yes | yes | yes | yes |", name, release, changed)
		}
	}
	return all
}

// hold holds the page against what has passed.
func (p passed) hold(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(supportPage)
	if errors.Is(err, os.ErrNotExist) && !*update {
		t.Skip("the page is elsewhere")
	}
	was := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") {
			was[name] = strings.TrimSuffix(line, "\n")
		}
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	release := strings.Split(unix.ByteSliceToString(name.Release[:]), ".")
	here := release[0] + "." + release[1]
	for name, row := range p.rows(here) {
		// What a kernel lets change differs, and a row is of one kernel.
		if old, there := was[name]; there && !strings.Contains(old, "` | "+here+" | ") || old == row {
			continue
		}
		if was[name] = row; !*update {
			t.Errorf("%s does not say %s: go test ./builtins -run TestOpLaws -update", supportPage, row)
		}
	}
	for name := range was {
		if !slices.ContainsFunc(laws(), func(l law) bool { return of(l.name) == name }) {
			delete(was, name)
			if !*update {
				t.Errorf("%s has a row of %s, of which there are no laws", supportPage, name)
			}
		}
	}
	if *update {
		rows := make([]string, 0, len(was))
		for _, row := range was {
			rows = append(rows, row)
		}
		slices.Sort(rows)
		if err := os.WriteFile(supportPage, []byte(supportHead+strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
