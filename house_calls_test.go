package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const library = "github.com/vishvananda/netlink"

// tools are programs whose work nsscript does itself.
var tools = []string{"ip", "tc", "sysctl", "ping", "nft", "bridge", "ethtool", "nsenter", "unshare", "mount", "umount"}

// TestCalls holds what the product calls to the rules: see breaches.
func TestCalls(t *testing.T) {
	handle := ownHandle(t)
	for _, line := range list(t, `{{.ImportPath}} {{.Dir}} {{join .GoFiles " "}} {{join .IgnoredGoFiles " "}}`) {
		f := strings.Fields(line)
		room := strings.TrimPrefix(f[0], module+"/")
		for _, name := range f[2:] {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			found, err := breaches(room, filepath.Join(f[1], name), nil, handle)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range found {
				t.Error(b)
			}
		}
	}
}

// ownHandle finds the functions of the netlink library that work on a handle of the library's own, which is in whatever
// namespace the thread is in that it was first used on: those that name it, and those that call these.
func ownHandle(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.Dir}} {{join .GoFiles " "}}`, library).Output()
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(out))
	uses := map[string]map[string]bool{} // function -> names in it
	for _, name := range f[1:] {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(f[0], name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Body != nil {
				names := map[string]bool{}
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					if sel, ok := n.(*ast.SelectorExpr); ok {
						if id, ok := sel.X.(*ast.Ident); ok {
							names[id.Name] = true
						}
						return false // a method's name is no function's
					}
					if id, ok := n.(*ast.Ident); ok {
						names[id.Name] = true
					}
					return true
				})
				uses[fn.Name.Name] = names
			}
		}
	}
	bad := map[string]bool{"pkgHandle": true}
	for more := true; more; {
		more = false
		for fn, names := range uses {
			for n := range names {
				if bad[n] && !bad[fn] {
					bad[fn], more = true, true
				}
			}
		}
	}
	for fn, want := range map[string]bool{"LinkAdd": true, "LinkByName": true, "AddrAdd": true, "RouteList": true,
		"NeighAdd": true, "LinkSubscribe": true, "NewHandle": false, "NewLinkAttrs": false, "ParseAddr": false,
		"LinkDeserialize": false} {
		if bad[fn] != want {
			t.Errorf("the library's %s is taken for one that has the library's own handle: %v", fn, bad[fn])
		}
	}
	return bad
}

// breaches are the places where a file of a room breaks a rule:
//   - netlink goes through handles that were opened in a namespace, never through the library's own;
//   - only kernel locks threads, but for main's init, and sandbox and vm for threads that end, or wait for a process;
//   - nothing is left to programs that nsscript replaces;
//   - nothing sleeps where it could wait for an event: a comment there says why it cannot.
func breaches(room, name string, src any, handle map[string]bool) (found []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	breach := func(n ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}
	paths := map[string]string{}
	for _, imp := range file.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, err
		}
		as := path.Base(p)
		if imp.Name != nil {
			as = imp.Name.Name
		}
		if as == "." {
			breach(imp, "import without a name: nobody sees whose functions these are")
		}
		paths[as] = p
	}
	explained := map[int]bool{} // lines that a comment about events is on or ends before
	for _, group := range file.Comments {
		if strings.Contains(group.Text(), "event") {
			for line := fset.Position(group.Pos()).Line; line <= fset.Position(group.End()).Line+1; line++ {
				explained[line] = true
			}
		}
	}
	// which stand beside the product
	tests := room == "runtime/nstest" || room == "bench" || strings.HasPrefix(room, "bench/")
	// of tells which package's what a selector is.
	of := func(e ast.Expr) (pkg, name string) {
		if sel, ok := e.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Obj == nil {
				return paths[id.Name], sel.Sel.Name
			}
		}
		return "", ""
	}
	for _, decl := range file.Decls {
		fn, _ := decl.(*ast.FuncDecl)
		mainInit := room == "cmd/nsscript" && fn != nil && fn.Recv == nil && fn.Name.Name == "init"
		ast.Inspect(decl, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				pkg, name := of(call.Fun)
				at, isCommand := map[string]int{"Command": 0, "CommandContext": 1}[name]
				if pkg == "os/exec" && isCommand && at < len(call.Args) && !tests {
					if lit, ok := call.Args[at].(*ast.BasicLit); ok {
						if s, err := strconv.Unquote(lit.Value); err == nil && slices.Contains(tools, path.Base(s)) {
							breach(call, "%s does what nsscript does itself", s)
						}
					}
				}
			}
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			switch pkg, name := of(e); {
			case pkg == library && handle[name], pkg == library+"/nl" && name == "NewNetlinkRequest":
				breach(n, "%s.%s works in whatever namespace the thread is in: use a handle", path.Base(pkg), name)
			case pkg == "runtime" && (name == "LockOSThread" || name == "UnlockOSThread"):
				own := fn != nil && fn.Name.Name == "onThread" &&
					(room == "runtime/vm" || room == "runtime/sandbox" && name == "LockOSThread")
				if room != "runtime/kernel" && !mainInit && !tests && !own {
					breach(n, "only runtime/kernel may lock threads")
				}
			case pkg == "time" && name == "Sleep" && !tests && !explained[fset.Position(n.Pos()).Line]:
				breach(n, "a sleep without a comment, here or on the line before, which says why there is no event "+
					"to wait for")
			}
			return true
		})
	}
	return found, nil
}

// TestBreaches shows that each rule can be broken, and kept.
func TestBreaches(t *testing.T) {
	handle := ownHandle(t)
	for _, c := range []struct{ room, body, want string }{
		{"runtime/kernel", `func f() { netlink.LinkAdd(nil) }`, "netlink.LinkAdd works in whatever namespace"},
		{"builtins", `func f() { add := netlink.AddrAdd; _ = add }`, "netlink.AddrAdd works"},
		{"builtins", `var dump = netlink.RouteListFiltered`, "netlink.RouteListFiltered works"},
		{"runtime/kernel", `func f() { nl.NewNetlinkRequest(0, 0) }`, "nl.NewNetlinkRequest works"},
		{"runtime/kernel", `func f(netlink *netlink.Handle) { netlink.LinkAdd(nil) }`, ""},
		{"runtime/kernel", `func f() { netlink.NewHandle(); netlink.ParseAddr("") }`, ""},
		{"runtime", `func f() { rt.LockOSThread() }`, "only runtime/kernel"},
		{"runtime/probe", `func f() { rt.UnlockOSThread() }`, "only runtime/kernel"},
		{"runtime/probe", `func init() { rt.LockOSThread() }`, "only runtime/kernel"},
		{"cmd/nsscript", `func main() { rt.LockOSThread() }`, "only runtime/kernel"},
		{"cmd/nsscript", `func init() { rt.LockOSThread() }`, ""},
		{"runtime/kernel", `func f() { rt.LockOSThread() }`, ""},
		{"runtime/sandbox", `func f() { rt.LockOSThread() }`, "only runtime/kernel"},
		{"runtime/sandbox", `func onThread() { rt.LockOSThread() }`, ""},
		{"runtime/sandbox", `func onThread() { rt.UnlockOSThread() }`, "only runtime/kernel"},
		{"runtime/vm", `func f() { rt.LockOSThread() }`, "only runtime/kernel"},
		{"runtime/vm", `func onThread() { rt.LockOSThread(); rt.UnlockOSThread() }`, ""},
		{"runtime/nstest", `func f() { rt.LockOSThread() }`, ""},
		{"builtins", `func f() { exec.Command("ip", "link") }`, "ip does what nsscript does itself"},
		{"builtins", `func f() { exec.CommandContext(nil, "/sbin/tc") }`, "/sbin/tc does what"},
		{"builtins", `func f(argv []string) { exec.Command(argv[0], "ip") }`, ""},
		{"builtins", `func f() { exec.Command("true", "ip") }`, ""},
		{"bench", `func f() { exec.Command("ip", "link") }`, ""},
		{"runtime", `func f() { time.Sleep(1) }`, "a sleep without a comment"},
		{"runtime", `func f() { time.Sleep(1) /* because */ }`, "a sleep without a comment"},
		{"runtime", "func f() {\n\t// There is no event.\n\n\ttime.Sleep(1)\n}", "a sleep without a comment"},
		{"runtime", "func f() {\n\t// There is no event.\n\ttime.Sleep(1)\n}", ""},
		{"runtime", `func f() { time.Sleep(1) } // there is no event`, ""},
		{"runtime", `var wait = time.Sleep`, "a sleep without a comment"},
	} {
		src := "package p\nimport (\"github.com/vishvananda/netlink\"; \"github.com/vishvananda/netlink/nl\"; " +
			"\"os/exec\"; rt \"runtime\"; \"time\")\n" + c.body
		found, err := breaches(c.room, "p.go", src, handle)
		got := strings.Join(found, "; ")
		if err != nil || c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s: found %q, %v, want %q", c.room, c.body, got, err, c.want)
		}
	}
}
