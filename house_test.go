// Package house holds the rules of the house: which way imports run, and that every package says what it is.
package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nsscript/nsscript"

func list(t *testing.T, format string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// rooms are the packages, each with those that it may import: what stands above it is not among them. cmd/nsscript may
// import all of them.
var rooms = map[string]string{
	"bench":       "",
	"bench/kills": "",
	"builtins": "runtime runtime/diff runtime/change runtime/script runtime/kernel runtime/kernel/proc " +
		"runtime/probe runtime/packet runtime/pcapfilter",
	"runtime/lsp": "runtime/check runtime/format runtime/assist runtime runtime/script",
	"runtime/repl": "runtime/assist runtime/lab runtime runtime/change runtime/script runtime/journal " +
		"runtime/kernel",
	"runtime/assist": "runtime runtime/script",
	"runtime/suite":  "runtime runtime/lab runtime/change runtime/sandbox runtime/script",
	"runtime/check":  "runtime/assist runtime runtime/script",
	"runtime": "runtime/change runtime/script runtime/journal runtime/kernel runtime/kernel/proc " +
		"runtime/sandbox runtime/failpoint",
	"runtime/lab": "runtime/change runtime/script runtime/journal runtime/kernel runtime/kernel/proc " +
		"runtime/sandbox runtime/lock",
	"runtime/format":      "runtime/script",
	"runtime/diff":        "",
	"runtime/script":      "",
	"runtime/change":      "runtime/journal runtime/kernel runtime/lock runtime/failpoint",
	"runtime/journal":     "runtime/lock runtime/failpoint",
	"runtime/kernel":      "runtime/kernel/rtnl runtime/kernel/proc runtime/lock runtime/failpoint",
	"runtime/probe":       "",
	"runtime/packet":      "runtime/pcapfilter",
	"runtime/pcapfilter":  "",
	"runtime/kernel/rtnl": "runtime/failpoint",
	"runtime/kernel/proc": "runtime/failpoint",
	"runtime/sandbox":     "",
	"runtime/vm":          "runtime/sandbox runtime/script",
	"runtime/lock":        "runtime/failpoint",
	"runtime/failpoint":   "",
	"runtime/nstest":      "runtime/sandbox",
}

// TestRooms checks that no import runs back.
func TestRooms(t *testing.T) {
	for _, line := range list(t, `{{.ImportPath}}: {{join .Imports " "}}`) {
		pkg, imports, _ := strings.Cut(line, ":")
		room := strings.TrimPrefix(pkg, module+"/")
		may, known := rooms[room]
		if !known {
			if pkg != module && room != "cmd/nsscript" {
				t.Errorf("%s is not in the table of rooms", room)
			}
			continue
		}
		for _, imp := range strings.Fields(imports) {
			if below, ours := strings.CutPrefix(imp, module+"/"); ours && !slices.Contains(strings.Fields(may), below) {
				t.Errorf("%s imports %s: only [%s] may be", room, below, may)
			}
		}
	}
}

// TestArchitecture checks that docs/architecture.md has all rooms, and that what the documents link to is there.
func TestArchitecture(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if !strings.HasPrefix(room, "bench") && !strings.Contains(string(page), "`"+room+"`") {
			t.Errorf("docs/architecture.md does not name %s", room)
		}
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, name := range append(pages, "README.md", "CONTRIBUTING.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to what is not there: %v", name, err)
			}
		}
	}
}

// TestShownCode checks that code in the documents is a part of the file that its first line names: so it compiles.
func TestShownCode(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```go\n(?:// ([^\n]*)\n)?(.*?)\n```")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range shown.FindAllStringSubmatch(string(text), -1) {
			if file, err := os.ReadFile(code[1]); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if !strings.Contains(string(file), code[2]) {
				t.Errorf("%s shows as a part of %s what is not one:\n%s", page, code[1], code[2])
			}
		}
	}
}

// TestSmall checks that package runtime stays one subject: a run. What is more has a room of its own.
func TestSmall(t *testing.T) {
	files, err := filepath.Glob("runtime/*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if len(files) > 16 {
		t.Errorf("package runtime has %d files, more than 16: %q", len(files), files)
	}
}

// TestImports checks who imports which of other people's packages: each is wrapped in one place.
func TestImports(t *testing.T) {
	only := map[string]string{ // what may be imported by these rooms only
		"github.com/vishvananda/netns":      "runtime/kernel",
		"github.com/vishvananda/netlink":    "runtime/kernel runtime/probe builtins",
		"github.com/vishvananda/netlink/nl": "runtime/kernel runtime/kernel/rtnl",
		"golang.org/x/sys/unix": "runtime/kernel runtime/kernel/rtnl runtime/kernel/proc " +
			"runtime/probe runtime/packet runtime/nstest runtime/sandbox runtime/vm builtins",
		"github.com/spf13/cobra":                       "cmd/nsscript",
		"github.com/bazelbuild/buildtools/build":       "runtime/format",
		"testing":                                      "runtime/nstest",
		"github.com/creack/pty":                        "cmd/nsscript",
		"github.com/cavaliergopher/cpio":               "runtime/vm",
		"github.com/jstemmer/go-junit-report/v2/junit": "runtime/suite",
		"github.com/sourcegraph/jsonrpc2":              "runtime/lsp",
		"golang.org/x/net/bpf":                         "runtime/pcapfilter runtime/packet",
		"github.com/gopacket/gopacket":                 "runtime/packet",
		"github.com/gopacket/gopacket/layers":          "runtime/packet",
	}
	for _, line := range list(t, `{{.ImportPath}}: {{join .Imports " "}}`) {
		pkg, imports, _ := strings.Cut(line, ":")
		room := strings.TrimPrefix(pkg, module+"/")
		for _, imp := range strings.Fields(imports) {
			if who, ruled := only[imp]; ruled && !strings.Contains(" "+who+" ", " "+room+" ") {
				t.Errorf("%s imports %s: only [%s] may", room, imp, who)
			}
			if (room == "runtime/journal" || room == "runtime/lock") &&
				strings.Contains(strings.Split(imp, "/")[0], ".") && !strings.HasPrefix(imp, module) {
				t.Errorf("%s imports %s: only the standard library may be", room, imp)
			}
			if room == "runtime/script" && strings.Contains(strings.Split(imp, "/")[0], ".") &&
				!strings.HasPrefix(imp, "go.starlark.net/") {
				t.Errorf("runtime/script imports %s: only Starlark may be", imp)
			}
		}
	}
}

// TestPackageDocs checks that every package says what it is.
func TestPackageDocs(t *testing.T) {
	for _, line := range list(t, `{{.ImportPath}}: {{.Doc}}`) {
		if pkg, doc, _ := strings.Cut(line, ":"); strings.TrimSpace(doc) == "" && pkg != module {
			t.Errorf("package %s has no doc", pkg)
		}
	}
}
